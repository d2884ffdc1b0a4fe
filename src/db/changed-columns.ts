/** Which columns the updates of a row changed, by their numbers in its table, as the change log tells it (pure). Null: it may be all of them. */
import type { Column } from './catalog.ts';

/** Of two rows of the table, `ours` being what `theirs` was made into; to the byte, since equal values can be stored differently. */
export function changedBetween(columns: readonly Column[], ours: string, theirs: string): string {
  const changed = columns.map(
    ({ position, quoted }) =>
      `case when row(${ours}.${quoted})::record *<> row(${theirs}.${quoted})::record then ${position}::smallint end`,
  );
  return `array_remove(array[${changed.join(', ')}], null)`;
}

/** Of all log rows of a group, as the text of an array. */
export function changedByAll(alias: string): string {
  return `case
      when bool_and(${alias}.changed is not null)
      then '{' || coalesce(string_agg(nullif(array_to_string(${alias}.changed, ','), ''), ','), '') || '}'
    end`;
}

/** `changed`: an array of numbers. */
export function hasChanged({ position }: Column, changed: string): string {
  return `(${changed} is null or ${position}::smallint = any (${changed}))`;
}
