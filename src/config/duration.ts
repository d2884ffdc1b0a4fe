/** A length of time as a user writes it, in milliseconds. */
import ms, { type StringValue } from 'ms';
import { z } from 'zod';

export const duration = z.union([z.number().int().nonnegative(), z.string()]).transform((value, context) => {
  // ms throws on an empty text.
  const milliseconds =
    typeof value === 'number' ? value : value === '' ? undefined : ms(value as StringValue);
  if (milliseconds === undefined || !Number.isFinite(milliseconds) || milliseconds < 0) {
    context.addIssue({ code: 'custom', message: 'wanted a duration such as "30s", "5m" or milliseconds' });
    return z.NEVER;
  }
  return milliseconds;
});
