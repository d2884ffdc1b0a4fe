import { expect, it } from 'vitest';
import { createPair } from '../support/databases.ts';
import { untilEqual, untilLogsEmpty } from '../support/equality.ts';
import { endSnk, full, residentMb, runSnk, tailOf, untilLive } from '../support/snk-run.ts';

const rows = full ? 1_000_000 : 150_000;

it('carries one transaction of very many rows within its memory', async ({ annotate }) => {
  const pair = await createPair();
  const snk = runSnk(pair);
  await untilLive(snk);

  await pair.a.query(
    `insert into public.record select gen_random_uuid(), md5(n::text) from generate_series(1, $1::int) as n`,
    [rows],
  );
  const committedAt = performance.now();
  await untilEqual(pair, { rows, timeout: 60_000, context: () => tailOf(snk) });
  const ms = Math.round(performance.now() - committedAt);
  const memory = residentMb(snk.pid);
  await annotate(`${rows} rows there ${ms} ms after the commit, RSS ${memory.now} MB (peak ${memory.peak})`);
  await untilLogsEmpty(pair);

  expect(await endSnk(snk)).toBe(0);
  expect(memory.now).toBeLessThan(250);
  await pair.drop();
});
