/** Identifiers and literals that go into statement texts; values never do, they are bind parameters. */

/** Quotes a name that came from the catalog. */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) throw new TypeError('not an identifier');
  return `"${name.replaceAll('"', '""')}"`;
}

/** A literal inside a function's text, where no bind parameter can stand. */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new TypeError('not a literal');
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
