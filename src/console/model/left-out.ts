/** What a list does not show, a line for each reason (pure). */
import type { Listed } from '../../http/console/wire.ts';
import { plural } from './format.ts';

export function leftOut({ rows, more }: Listed<unknown>, noun: string): string[] {
  return more ? [`These are the newest ${plural(rows.length, noun)}; there are older ones.`] : [];
}
