import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createPair } from '../support/databases.ts';
import { untilEqual } from '../support/equality.ts';
import { TestProcess } from '../support/processes.ts';
import { waitUntil } from '../support/wait-until.ts';

const megabyte = 1_048_576;

it('a change log that nobody reads stops at its bound, no write fails, and all arrives once SNK runs again', async () => {
  const pair = await createPair();
  const cwd = mkdtempSync(path.join(tmpdir(), 'snk-test-config-'));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  writeFileSync(
    path.join(cwd, 'snk.config.json'),
    JSON.stringify({
      nodes: { a: { url: pair.a.url }, b: { url: pair.b.url } },
      links: [{ between: ['a', 'b'], tables: ['public.record'] }],
      limits: { changeLogMegabytes: 1 },
    }),
  );
  const snk = (...args: string[]): TestProcess => new TestProcess('src/cli/snk.ts', args, { cwd });
  expect(await snk('install').exited).toEqual({ code: 0, signal: null });

  // Statements of one row: 30,000 log rows would be several megabytes.
  const statements = `do $$ begin for i in 1..5000 loop insert into record values (gen_random_uuid(), 'one of many'); end loop; end $$`;
  for (let i = 0; i < 6; i += 1) await pair.a.query(statements);
  const [log] = await pair.a.query<{ bytes: number; rows: number; open: boolean }>(
    `select pg_table_size('snk.change_log')::float8 as bytes, (select count(*) from snk.change_log)::float8 as rows, is_open as open from snk.capture_gate`,
  );
  expect(log?.open).toBe(false);
  expect(log?.rows).toBeLessThan(30_000);
  expect(log?.bytes).toBeLessThan(1.2 * megabyte);

  // A writer that met the gate closed and commits late.
  const late = await pair.a.connect();
  await late.query('begin');
  await late.query(`insert into record values (gen_random_uuid(), 'late')`);
  const run = snk('run');
  await run.waitForLine(/"started"/);
  await pair.a.query(statements);
  await late.query('commit');
  await late.end();

  await untilEqual(pair, { rows: 35_001 });
  await waitUntil(
    async () =>
      (await pair.a.query<{ open: boolean }>('select is_open as open from snk.capture_gate'))[0]?.open,
    {
      message: 'capture to go on',
    },
  );
  await pair.a.query(`insert into record values (gen_random_uuid(), 'captured again')`);
  await untilEqual(pair, { rows: 35_002 });
  expect(await run.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  await pair.drop();
});
