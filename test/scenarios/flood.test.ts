import { expect, it } from 'vitest';
import { createPair } from '../support/databases.ts';
import { untilEqual, untilLogsEmpty } from '../support/equality.ts';
import {
  endSnk,
  full,
  residentMb,
  runSnk,
  runTst,
  snkJson,
  summaryOf,
  tailOf,
  untilLive,
  type StatusJson,
  type VerifyJson,
} from '../support/snk-run.ts';

const rows = full ? 1_000_000 : 200_000;

it('carries all that TST writes at full speed to the other side, within its memory', async ({ annotate }) => {
  const pair = await createPair();
  const snk = runSnk(pair);
  await untilLive(snk);

  const summary = await summaryOf(runTst(pair, '--rows', String(rows)));
  await untilEqual(pair, { rows, context: () => tailOf(snk) });
  const drainMs = Date.now() - Date.parse(summary.lastCommitAt);
  const memory = residentMb(snk.pid);
  await annotate(
    `TST ${summary.rowsPerSecond} rows/s, equal ${drainMs} ms after its last commit, RSS ${memory.now} MB (peak ${memory.peak})`,
  );

  const verify = await snkJson<VerifyJson>(pair, 'verify');
  expect(verify.report).toMatchObject({
    equal: true,
    tables: [{ rows: { a: rows, b: rows }, differences: [] }],
  });
  expect(verify.code).toBe(0);
  await untilLogsEmpty(pair);
  const status = await snkJson<StatusJson>(pair, 'status');
  expect(status.report.links.map(({ name, state, pendingRows }) => [name, state, pendingRows])).toEqual([
    ['a->b', 'live', 0],
    ['b->a', 'live', 0],
  ]);
  const [toB, toA] = status.report.links;
  expect((toB?.appliedRows ?? 0) + (toA?.appliedRows ?? 0)).toBe(rows);
  expect(status.code).toBe(0);

  expect(await endSnk(snk)).toBe(0);
  expect(memory.now).toBeLessThan(250);
  await pair.drop();
});
