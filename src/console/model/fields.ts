/** A row as fields of a form: what may be written of it, and what of it was (pure). */
import type { FullRow, TableInfo } from '../../http/console/wire.ts';

export interface Field {
  readonly name: string;
  readonly type: string;
  /** Undefined: there is none yet. */
  readonly value: string | null | undefined;
  readonly nullable: boolean;
  /** All that it can be; null: anything. */
  readonly choices: readonly string[] | null;
  /** Why it cannot be written; null: it can. */
  readonly locked: string | null;
  /** What stands in an empty field. */
  readonly hint: string;
}

export function fieldsOf(table: TableInfo, row: FullRow | null): readonly Field[] {
  return table.columns.map(({ name, type, isKey, notNull, hasDefault, labels, identityAlways }) => {
    const shown = row?.values[name];
    return {
      name,
      type,
      value: row === null ? undefined : (shown?.text ?? null),
      nullable: !notNull,
      choices: type === 'boolean' ? ['true', 'false'] : labels,
      locked: whyLocked({ isNew: row === null, isKey, identityAlways, isCut: shown?.isCut === true }),
      hint: row === null && hasDefault ? 'its default' : notNull ? 'wanted' : '',
    };
  });
}

interface Lock {
  readonly isNew: boolean;
  readonly isKey: boolean;
  readonly identityAlways: boolean;
  readonly isCut: boolean;
}

function whyLocked({ isNew, isKey, identityAlways, isCut }: Lock): string | null {
  if (identityAlways) return 'the database numbers it';
  if (!isNew && isKey) return 'it is in the key';
  return isCut ? 'too long to be edited here' : null;
}

/** What is to be written: nothing that is as it was. */
export function changed(
  fields: readonly Field[],
  values: Readonly<Record<string, string | null>>,
): Readonly<Record<string, string | null>> {
  const news = fields.filter(({ name, value }) => Object.hasOwn(values, name) && values[name] !== value);
  return Object.fromEntries(news.map(({ name }) => [name, values[name] ?? null]));
}
