/** The table TST writes to, as the user names it. Letters keep their case: SQL's folding would hide a typing error. */

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/**
 * `record` or `public.record`.
 *
 * @returns undefined when it is no table name
 */
export function parseTableName(text: string): TableName | undefined {
  const found = /^(?:([^."\0]{1,63})\.)?([^."\0]{1,63})$/.exec(text);
  const name = found?.[2];
  return name === undefined ? undefined : { schema: found?.[1] ?? 'public', name };
}
