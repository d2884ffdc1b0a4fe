/** SNK is off while rows come in on both sides, then on: how fast it catches up, beside a pipe of COPY. */
import type { Side } from '../pair.ts';
import { copy } from '../peers/copy.ts';
import { logical } from '../peers/logical.ts';
import { untilSynced, type Peer } from '../peers/peer.ts';
import { snk } from '../peers/snk.ts';
import { formatWhole } from '../report/format.ts';
import { goal } from '../result.ts';
import { check, fill } from '../rows.ts';
import { Sheet } from '../sheet.ts';
import { noteMemory, reset, type Context, type Suite } from '../suite.ts';

const rate = { id: 'backlog.rate', label: 'rows moved', unit: 'rows/s' };
const cpu = { id: 'backlog.cpu', label: 'CPU of servers and sync process', unit: 's/M rows' };
const live = { id: 'backlog.live', label: 'from its start until all is in sync', unit: 'ms' };

export const backlog: Suite = {
  name: 'backlog',
  run: async (context) => {
    const sheet = new Sheet();
    const rows = context.full ? 2_000_000 : context.quick ? 100_000 : 1_000_000;
    for (let round = 0; round < context.rounds; round += 1) {
      await piped(context, sheet, rows);
      await caughtUp(context, sheet, snk, rows);
      if (round === 0 || context.full) await caughtUp(context, sheet, logical, rows);
    }
    sheet.notes.push(
      `${formatWhole(rows)} rows come in, half on each side, 1000 in a statement`,
      'the time of SNK counts from the start of its process; that of copy and logical from their first statement',
      ...(context.full ? [] : ["the issue's 2,000,000 rows take --full; beside logical in one round only"]),
    );
    const ratio = sheet.ratio(rate.id, 'snk', 'copy');
    sheet.goals.push(
      goal('backlog.rate', 'backlog: rows/s of SNK ÷ of a pipe of COPY, both ways', '>=', 0.5, '×', ratio),
    );
    return sheet.result('backlog', 'Backlog: rows that came in while sync was off', 'copy');
  },
};

const both: readonly Side[] = ['a', 'b'];

async function piped({ pair, say }: Context, sheet: Sheet, rows: number): Promise<void> {
  await reset(pair);
  for (const side of both) await fill(pair, side, rows / 2);
  const before = pair.cpu([]);
  const own = process.cpuUsage();
  const started = performance.now();
  await copy(pair, [
    ['a', 'b'],
    ['b', 'a'],
  ]);
  const seconds = (performance.now() - started) / 1_000;
  const spent = process.cpuUsage(own);
  const used = pair.cpu([]) - before + (spent.user + spent.system) / 1_000_000;
  await check(pair, rows);
  sheet.add('copy', rate, rows / seconds);
  sheet.add('copy', cpu, (used / rows) * 1_000_000);
  sheet.add('copy', live, seconds * 1_000);
  say(`copy: ${formatWhole(rows / seconds)} rows/s`);
}

async function caughtUp({ pair, say }: Context, sheet: Sheet, peer: Peer, rows: number): Promise<void> {
  await reset(pair);
  await (await peer.start(pair)).stop();
  for (const side of both) await fill(pair, side, rows / 2);
  const before = pair.cpu([]);
  const started = performance.now();
  const running = await peer.start(pair);
  try {
    await untilSynced(running);
    const seconds = (performance.now() - started) / 1_000;
    // All of the process counts: it was started for this.
    const used = pair.cpu(running.pids) - before;
    await check(pair, rows);
    sheet.add(peer.name, rate, rows / seconds);
    sheet.add(peer.name, cpu, (used / rows) * 1_000_000);
    sheet.add(peer.name, live, seconds * 1_000);
    noteMemory(sheet, 'backlog', peer, running);
    say(`${peer.name}: ${formatWhole(rows / seconds)} rows/s, in sync after ${seconds.toFixed(1)} s`);
  } finally {
    await running.stop();
  }
}
