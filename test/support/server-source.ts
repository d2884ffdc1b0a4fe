/**
 * Where the servers come from: `SNK_TEST_POSTGRES` is `embedded` (the default), `testcontainers`, or the URL of a
 * server that is there already, whose user may create databases.
 */
export function serverSource(): { kind: 'embedded' | 'testcontainers' } | { kind: 'existing'; url: string } {
  const value = process.env.SNK_TEST_POSTGRES ?? 'embedded';
  if (value === '' || value === 'embedded') return { kind: 'embedded' };
  if (value === 'testcontainers') return { kind: value };
  if (/^postgres(ql)?:\/\//.test(value)) return { kind: 'existing', url: value };
  throw new Error(`SNK_TEST_POSTGRES is '${value}', wanted: embedded, testcontainers, or a postgres:// URL`);
}

/** How many test files run at once. A server that is there already is one, and not to be shared: see global-setup.ts. */
export function testWorkers(): number {
  return serverSource().kind === 'existing' ? 1 : 2;
}
