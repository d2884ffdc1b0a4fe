/** TST at full speed beside each peer in turn: rate, share in sync, drain, lag, CPU and memory. */
import type { Client } from 'pg';
import { Batches } from '../../src/tst/batches.ts';
import { sides, type Side } from '../pair.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { Probe, sample } from '../probe.ts';
import { formatWhole } from '../report/format.ts';
import { goal } from '../result.ts';
import { check, lost } from '../rows.ts';
import { Sheet, tell } from '../sheet.ts';
import {
  beside,
  interleaved,
  noteMemory,
  ratioGoal,
  takingPart,
  type Context,
  type Suite,
} from '../suite.ts';

const seed = 1;
const rate = { id: 'flood.rate', label: "TST's rate", unit: 'rows/s' };
const share = { id: 'flood.synced', label: "in sync at TST's last commit", unit: '%' };
const drain = { id: 'flood.drain', label: "all in sync after TST's last commit", unit: 'ms' };
const cpu = { id: 'flood.cpu', label: 'CPU of servers and sync process', unit: 's/M rows' };
const gone = { id: 'flood.lost', label: 'rows that never arrived', unit: 'rows' };

export const flood: Suite = {
  name: 'flood',
  run: async (context) => {
    const sheet = new Sheet();
    const peers = await takingPart(['bare', 'snk', 'logical', 'id-cursor'], sheet);
    const rows = context.quick ? 200_000 : 800_000;
    const fewer = context.quick ? 20_000 : 60_000;
    const load = makeLoad(rows);
    const smallLoad = makeLoad(fewer);
    await interleaved(context, peers, async (peer) => {
      const own = peer.name === 'id-cursor' ? smallLoad : load;
      await beside(context, peer, async (running) => await one(context, sheet, peer, running, own));
    });
    sheet.notes.push(
      `TST inserts ${formatWhole(rows)} rows (${formatWhole(fewer)} beside id-cursor, which is slow, and in one round only), 1000 in a statement, into a side picked at random`,
      'lag is sampled by a row of its own about every 100 ms on each side, looked for every 2 ms',
    );
    goals(sheet);
    return sheet.result('flood', 'Flood: bulk inserts at full speed on both sides', 'logical');
  },
};

interface Load {
  readonly rows: number;
  /** The last row that each side gets, so that nobody has to ask during the load whether all is there. */
  readonly last: ReadonlyMap<Side, string>;
}

function makeLoad(rows: number): Load {
  const batches = new Batches({ seed, batch: 1_000, rows, databases: sides.length });
  const last = new Map<Side, string>();
  for (let batch = batches.next(); batch !== undefined; batch = batches.next())
    last.set(sides[batch.database] as Side, batch.uuids.slice(-37, -1));
  return { rows, last };
}

async function one(
  { pair, say }: Context,
  sheet: Sheet,
  peer: Peer,
  running: Running,
  load: Load,
): Promise<void> {
  const syncs = peer.name !== 'bare';
  const probes = await Promise.all(sides.map(async (side) => await Probe.open(pair, side)));
  const counters = await Promise.all(sides.map(async (side) => await pair.connect(side)));
  const before = pair.cpu(running.pids);
  const sampler = await sample(pair, 100, { watched: syncs });
  const report = await pair.tst(['--rows', String(load.rows), '--seed', String(seed)]);
  // Snapshots now, counted when the drain is over: a count would take the CPU that the drain needs.
  await Promise.all(counters.map(async (client) => await client.query(snapshot)));
  if (syncs) await arrived(probes, load);
  const drained = Date.now() - Date.parse(report.lastCommitAt);
  const perMillion = ((pair.cpu(running.pids) - before) / load.rows) * 1_000_000;
  const sampled = await sampler.finish();
  const there = await Promise.all(counters.map(async (client) => await countTst(client)));
  await Promise.all([
    ...counters.map(async (client) => await client.end()),
    ...probes.map(async (probe) => await probe.close()),
  ]);

  sheet.add(peer.name, rate, report.rowsPerSecond);
  sheet.add(peer.name, cpu, perMillion);
  say(`${peer.name}: ${formatWhole(report.rowsPerSecond)} rows/s, CPU ${perMillion.toFixed(1)} s/M rows`);
  if (!syncs) return;
  // Every row is on its own side; what is above that is on both.
  const inSync = (there.reduce((sum, count) => sum + count, -load.rows) / load.rows) * 100;
  sheet.add(peer.name, share, inSync);
  sheet.add(peer.name, drain, drained);
  sheet.addLags(peer.name, 'flood.lag', 'lag in the flood', sampled.lags);
  noteMemory(sheet, 'flood', peer, running);
  say(
    `  ${inSync.toFixed(2)} % in sync at the last commit, all of it ${drained} ms later; lag ${tell(sampled.lags)}`,
  );
  const all = load.rows + sampled.rows;
  if (peer.name === 'id-cursor') {
    await untilSynced(running);
    sheet.add(peer.name, gone, await lost(pair, all));
  } else await check(pair, all);
}

const snapshot = 'begin isolation level repeatable read; select from public.record limit 1';

async function arrived(probes: readonly Probe[], load: Load): Promise<void> {
  const all = await Promise.all(
    sides.map(async (side, i) => await probes[i]?.sees(load.last.get(side) ?? '')),
  );
  if (all.includes(false)) throw new Error("void: TST's last row did not arrive");
}

/** TST's texts are longer than those of the probes. */
async function countTst(client: Client): Promise<number> {
  const { rows } = await client.query<{ n: string }>(
    "select count(*) as n from public.record where text <> 'one row'",
  );
  return Number(rows[0]?.n ?? 0);
}

function goals(sheet: Sheet): void {
  const against = ['snk', 'logical'] as const;
  const beside = "TST's rate beside SNK ÷ beside logical replication";
  ratioGoal(sheet, { id: 'flood.rate', label: beside, sign: '>=', value: 1 }, ['flood.rate', ...against]);
  sheet.goals.push(
    goal('flood.synced', share.label, '>=', 99.5, '%', sheet.median('snk', share.id)),
    goal('flood.drain', drain.label, '<=', 100, 'ms', sheet.median('snk', drain.id)),
  );
  for (const name of ['p50', 'p99']) {
    const label = `flood: lag ${name} ÷ logical replication's`;
    ratioGoal(sheet, { id: `flood.lag.${name}`, label, sign: '<=', value: 1 }, [
      `flood.lag.${name}`,
      ...against,
    ]);
  }
  const label = "flood: CPU per million rows ÷ logical replication's";
  ratioGoal(sheet, { id: 'flood.cpu', label, sign: '<=', value: 1 }, ['flood.cpu', ...against]);
}
