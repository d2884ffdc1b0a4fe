/** A list of texts as PostgreSQL writes an array (pure). */

export function listOf(values: readonly (string | null)[]): string {
  const quoted = values.map((value) =>
    value === null ? 'NULL' : `"${value.replaceAll(/[\\"]/g, (character) => `\\${character}`)}"`,
  );
  return `{${quoted.join(',')}}`;
}
