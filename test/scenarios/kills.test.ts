import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { auditRecords, expectWrittenOnce } from '../support/audit.ts';
import { createPair, type Pair } from '../support/databases.ts';
import { countRows, untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import type { TestProcess } from '../support/processes.ts';
import { startServer } from '../support/servers.ts';
import { endSnk, full, runSnk, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const kills = 20;
const outageMs = full ? 30_000 : 3000;

it('applies every row exactly once through kills of SNK, crashes of the servers and outages', async ({
  annotate,
}) => {
  const [serverA, serverB] = await Promise.all([startServer(), startServer()]);
  const pair = await createPair({ a: serverA.url(), b: serverB.url() });
  await auditRecords(pair);
  let snk = runSnk(pair);
  await untilLive(snk);
  const loads = [pair.a, pair.b].map((database) => new Load(database, { rows: 10, pause: 10 }));

  // kill -9 at random moments: at work every other time, and else at any time from its start on
  for (let i = 0; i < kills; i += 1) {
    if (i % 2 === 0) await untilLive(snk);
    await pause(Math.random() * (i % 2 === 0 ? 200 : 800));
    expect(await snk.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
    snk = runSnk(pair);
  }
  await untilLive(snk);
  await untilRowsPass(pair, snk);

  for (const server of [serverA, serverB]) {
    await server.crash();
    await server.start();
    await untilRowsPass(pair, snk);
  }

  await Promise.all([serverA.crash(), serverB.crash()]);
  await pause(outageMs);
  await Promise.all([serverA.start(), serverB.start()]);
  await untilRowsPass(pair, snk);
  expect(await endSnk(snk)).toBe(0);

  // SNK first, then the servers
  await Promise.all([serverA.stop(), serverB.stop()]);
  snk = runSnk(pair);
  await snk.waitForLine(/node unreachable/);
  await Promise.all([serverA.start(), serverB.start()]);
  await untilLive(snk);
  await untilRowsPass(pair, snk);

  const written = await Promise.all(loads.map((load) => load.stop()));
  const rows = (written[0] ?? 0) + (written[1] ?? 0);
  await untilEqual(pair, { rows, context: () => tailOf(snk) });
  await expectWrittenOnce(pair);
  await annotate(`${rows} rows, ${kills} kills`);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
  await Promise.all([serverA.remove(), serverB.remove()]);
});

/** Waits until more rows arrive than have so far, on both sides; SNK must live all along. */
async function untilRowsPass(pair: Pair, snk: TestProcess): Promise<void> {
  const sides = [pair.a, pair.b];
  const counts = async () => await Promise.all(sides.map((side) => countCopied(side)));
  const before = await waitUntil(() => counts().catch(() => false as const));
  await waitUntil(
    async () => {
      if (snk.exit) throw new Error(`snk run ended by itself:\n${snk.stderr}`);
      const now = await counts();
      return now.every((count, i) => count > (before[i] ?? 0));
    },
    { interval: 50, message: () => `rows to pass both ways:\n${tailOf(snk)}` },
  );
}

async function countCopied(database: Pair['a']): Promise<number> {
  return await countRows(database, `public.audit where writer like 'snk:%'`);
}
