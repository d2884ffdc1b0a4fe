/** What is said of one parked row beside the reason why it is (pure). */
import type { ParkedInFull } from '../../http/console/wire.ts';
import { href } from './route.ts';

/** Null where the row itself is shown. A source that nobody has looked into may have the row all the same. */
export function sourceText({ link, sourceRow, sourceSeen }: ParkedInFull): string | null {
  if (!sourceSeen)
    return `What the row is now is not known here: the source of ${link} is not reached from here.`;
  return sourceRow === null ? 'The source has no such row now.' : null;
}

/** Null where the target gives the ids: what it has under the source's own key is another row. */
export function traceOf({ table, key, isOwnKey }: ParkedInFull): string | null {
  return isOwnKey ? null : href('trace', table, ...key);
}
