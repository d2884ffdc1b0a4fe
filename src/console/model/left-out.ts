/** What a list does not show, a line for each reason (pure). */
import type { Listed } from '../../http/console/wire.ts';
import { plural } from './format.ts';

export function leftOut({ rows, more, elsewhere }: Listed<unknown>, noun: string): string[] {
  return [
    ...(more ? [`These are the newest ${plural(rows.length, noun)}; there are older ones.`] : []),
    ...elsewhere.map(({ link, why }) => `Those of ${link} are not listed here: ${why}.`),
  ];
}

/** Of an empty list: of what stands elsewhere nobody here knows whether there is any. */
export function none({ elsewhere }: Listed<unknown>, what: string): string {
  return elsewhere.length === 0 ? `${what}.` : `${what} here.`;
}
