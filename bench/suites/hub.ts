/** Nodes behind a hub: what hundreds of them cost it while nothing comes, how soon they have a row, and the rate through it. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { oneWay } from '../../src/topology/topology.ts';
import { spokeConfig, startHub, startSpoke, type Ends } from '../hub.ts';
import type { Pair, Side } from '../pair.ts';
import { snkWith } from '../peers/snk.ts';
import { cpuSeconds, peakMegabytes } from '../processes.ts';
import { goal, percentile } from '../result.ts';
import { Sheet } from '../sheet.ts';
import { interleaved, reset, takingPart, type Context, type Suite } from '../suite.ts';

const readers = 200;
const text = 'x'.repeat(100);

const cpu = { id: 'hub.cpu', label: `CPU of a hub with ${readers} idle readers`, unit: '%' };
const servers = { id: 'hub.servers', label: 'CPU of its database server', unit: '%' };
const memory = { id: 'hub.memory', label: 'its memory while they wait', unit: 'MB' };
const peak = { id: 'hub.peak', label: 'most memory of the hub', unit: 'MB' };
const rate = { id: 'hub.rate', label: 'rows that reach the target', unit: 'rows/s' };

const residentMegabytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_000;

interface Told {
  readonly ready?: string;
  readonly failed?: string;
  readonly read?: number;
  readonly at?: number;
}

async function idle({ pair, quick, say }: Context, sheet: Sheet): Promise<void> {
  const ends: Ends = { from: 'main', to: 'office' };
  await reset(pair);
  const hub = await startHub(pair, 'a', ends);
  try {
    const all = await Promise.all(
      Array.from({ length: readers }, async (_, i) => ({ name: `r${i}`, key: await hub.key(`r${i}`) })),
    );
    const [first] = all;
    if (first === undefined) return;
    const config = spokeConfig(pair, 'b', hub, first.name, first.key, ends);
    // What the readers say of their tables is what this database has.
    const described = await startSpoke(pair, config);
    const child = fork(fileURLToPath(new URL('../hub-readers.ts', import.meta.url)), {
      env: {
        ...pair.env,
        SNK_BENCH_READERS: JSON.stringify({
          config,
          url: pair.urls.b,
          address: hub.address,
          readers: all.slice(1),
        }),
      },
    });
    const arrivals: number[] = [];
    const failures: string[] = [];
    const ready = new Set<string>();
    child.on('message', (told: Told) => {
      if (told.ready !== undefined) ready.add(told.ready);
      if (told.failed !== undefined) failures.push(told.failed);
      if (told.read !== undefined) for (let i = 0; i < told.read; i += 1) arrivals.push(told.at ?? 0);
    });
    try {
      const until = Date.now() + 120_000;
      while (ready.size < all.length - 1) {
        if (Date.now() > until) throw new Error(`${ready.size} readers are ready: ${failures.at(-1) ?? ''}`);
        await wait(100);
      }
      await wait(10_000);
      const seconds = quick ? 30 : 60;
      const [hubBefore, serversBefore] = [cpuSeconds([hub.pid]), pair.cpu([])];
      await wait(seconds * 1_000);
      const ofHub = ((cpuSeconds([hub.pid]) - hubBefore) / seconds) * 100;
      const ofServers = ((pair.cpu([]) - serversBefore) / seconds) * 100;
      sheet.add('snk', cpu, ofHub);
      sheet.add('snk', servers, ofServers);
      sheet.add('snk', memory, residentMegabytes(hub.pid));
      say(
        `${readers} idle readers: ${ofHub.toFixed(2)} % of a core, ${ofServers.toFixed(2)} % in the servers, ${residentMegabytes(hub.pid).toFixed(0)} MB`,
      );
      for (let i = 0; i < (quick ? 3 : 10); i += 1) {
        arrivals.length = 0;
        const busyBefore = cpuSeconds([hub.pid]);
        const writtenAt = Date.now();
        await pair.pools.a.query('insert into record values (gen_random_uuid(), $1)', [text]);
        const late = Date.now() + 30_000;
        while (arrivals.length < readers - 1 && Date.now() < late) await wait(20);
        const lags = arrivals.map((at) => at - writtenAt);
        sheet.addLags('snk', 'hub.arrival', 'from the insert to a reader', lags);
        say(
          `one row: at ${lags.length} readers; half ${percentile(lags, 0.5)} ms, last ${percentile(lags, 1)} ms; CPU of the hub ${((cpuSeconds([hub.pid]) - busyBefore) * 1_000).toFixed(0)} ms`,
        );
        await wait(3_000);
      }
      sheet.add('snk', peak, peakMegabytes([hub.pid]));
      say(
        `most memory of the hub: ${peakMegabytes([hub.pid]).toFixed(0)} MB; failures: ${failures.length} ${failures.at(-1) ?? ''}`,
      );
    } finally {
      child.kill('SIGKILL');
      await described.stop();
    }
  } finally {
    await hub.stop();
  }
}

async function carried(
  pair: Pair,
  to: Side,
  rows: number,
  say: (line: string) => void,
  name: string,
): Promise<number> {
  const from: Side = to === 'a' ? 'b' : 'a';
  const count = async (): Promise<number> => {
    const { rows: found } = await pair.pools[to].query<{ n: string }>('select count(*) as n from record');
    return Number(found[0]?.n ?? 0);
  };
  const write = async (n: number): Promise<void> => {
    for (let done = 0; done < n; done += 1_000)
      await pair.pools[from].query(
        'insert into record select gen_random_uuid(), $1 from generate_series(1, $2::integer)',
        [text, Math.min(1_000, n - done)],
      );
  };
  // Until it is there, the link does not work yet.
  await write(1);
  while ((await count()) < 1) await wait(50);
  await wait(2_000);
  const startedAt = performance.now();
  await write(rows);
  while ((await count()) < rows + 1) await wait(50);
  const perSecond = rows / ((performance.now() - startedAt) / 1_000);
  say(`${name}: ${perSecond.toFixed(0)} rows/s`);
  return perSecond;
}

async function rates(context: Context, sheet: Sheet): Promise<void> {
  const { pair, quick, say } = context;
  const rows = quick ? 20_000 : 100_000;
  const direct = snkWith(oneWay('a', 'b', { tables: ['public.record'] }));
  const through = async (ends: Ends): Promise<number> => {
    await reset(pair);
    const side: Side = ends.from === 'main' ? 'a' : 'b';
    const hub = await startHub(pair, side, ends);
    try {
      const key = await hub.key('lyon');
      const config = spokeConfig(pair, side === 'a' ? 'b' : 'a', hub, 'lyon', key, ends);
      const spoke = await startSpoke(pair, config);
      try {
        const name = ends.from === 'main' ? 'pull from a hub' : 'push to a hub';
        return await carried(pair, 'b', rows, say, name);
      } finally {
        await spoke.stop();
      }
    } finally {
      await hub.stop();
    }
  };
  const [peer] = await takingPart(['snk'], sheet, [direct]);
  if (peer === undefined) return;
  await interleaved(context, [peer], async () => {
    await reset(pair);
    const running = await peer.start(pair);
    try {
      sheet.add('database to database', rate, await carried(pair, 'b', rows, say, 'database to database'));
    } finally {
      await running.stop();
    }
    sheet.add('pull', rate, await through({ from: 'main', to: 'office' }));
    sheet.add('push', rate, await through({ from: 'office', to: 'main' }));
  });
  for (const way of ['pull', 'push'])
    say(
      `${way}: ${(sheet.ratio(rate.id, way, 'database to database') ?? 0).toFixed(2)} × database to database`,
    );
}

export const hub: Suite = {
  name: 'hub',
  run: async (context) => {
    const sheet = new Sheet();
    const only = process.env['SNK_BENCH_HUB'] ?? '';
    if (only !== 'rates') await idle(context, sheet);
    if (only !== 'idle') await rates(context, sheet);
    sheet.notes.push(
      `${readers} readers on long-poll, in one process, that stand in memory; each asks what a node asks, its look at the tables included`,
      'rates: 100,000 rows of 100 bytes, written a thousand at a time while the link is live; hub, node and both servers on one machine, over loopback',
    );
    sheet.goals.push(
      goal('hub.cpu', `${readers} idle readers: CPU of the hub`, '<=', 2, '%', sheet.median('snk', cpu.id)),
      goal(
        'hub.memory',
        `${readers} idle readers: memory of the hub`,
        '<=',
        200,
        'MB',
        sheet.median('snk', memory.id),
      ),
      goal(
        'hub.arrival',
        'one row: until all readers have it',
        '<=',
        500,
        'ms',
        sheet.median('snk', 'hub.arrival.max'),
      ),
    );
    return sheet.result('hub', 'Nodes behind a hub', 'database to database');
  },
};
