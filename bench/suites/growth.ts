/** What a row costs as tables, links, columns and rows grow: it must stay what it is. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { UserConfig } from '../../src/config/config.ts';
import { insertOne } from '../load.ts';
import { sides, type Pair } from '../pair.ts';
import { copy } from '../peers/copy.ts';
import { snk, startSnk } from '../peers/snk.ts';
import { untilSynced } from '../peers/peer.ts';
import { formatWhole } from '../report/format.ts';
import { goal } from '../result.ts';
import { check, fillAtOnce } from '../rows.ts';
import { quotient, Sheet } from '../sheet.ts';
import { beside, noteMemory, type Context, type Suite } from '../suite.ts';

const flooded = { id: 'growth.rows', label: 'CPU per row in a flood, by rows already there', unit: 'µs/row' };
const links = { id: 'growth.links', label: 'rows moved in all, by links in one process', unit: 'rows/s' };
const columns = { id: 'growth.columns', label: 'CPU per row, by columns', unit: 'µs/row' };
const sizes = { id: 'growth.size', label: 'CPU per row, by its size', unit: 'µs/row' };

export const growth: Suite = {
  name: 'growth',
  run: async (context) => {
    const { quick, full, rounds } = context;
    const sheet = new Sheet();
    const rows = full ? 1_000_000 : quick ? 20_000 : 52_000;
    const there = full ? [0, 1_000_000, 10_000_000] : quick ? [0, 100_000] : [0, 400_000];
    for (let round = 0; round < rounds; round += 1) {
      for (const count of there) await flood(context, sheet, rows * 2, count);
      for (const count of full ? [1, 4, 16] : [1, 16])
        await drain(context, sheet, { kind: 'links', rows: rows * (full ? 4 : 8), count });
      // Between the ends one round must do, but with --full.
      const all = full || (round === 0 && !quick);
      for (const count of all ? [2, 8, 32] : [2, 32])
        await drain(context, sheet, { kind: 'columns', rows: rows / 2, count });
      for (const count of all ? [100, 1_000, 10_000] : [100, 10_000])
        await drain(context, sheet, { kind: 'size', rows: count === 10_000 ? rows / 32 : rows / 2, count });
    }
    const most = there.at(-1) ?? 0;
    const flat = quotient(sheet.median('snk', flooded.id, 10_000_000), sheet.median('snk', flooded.id, 0));
    const many = quotient(sheet.median('snk', links.id, 16), sheet.median('snk', links.id, 1));
    sheet.goals.push(
      goal(
        'growth.rows',
        'growth: cost per row at 10,000,000 rows ÷ at none (with --full)',
        '<=',
        1.15,
        '×',
        flat,
      ),
      goal('growth.links', 'growth: total rate of 16 links ÷ of one', '>=', 0.95, '×', many),
    );
    sheet.notes.push(
      slope(sheet, flooded.id, [0, most], 'rows already there'),
      slope(sheet, links.id, [1, 16], 'links', 'the rate'),
      slope(sheet, columns.id, [2, 32], 'columns'),
      slope(sheet, sizes.id, [100, 10_000], 'bytes in a row'),
      'all but the flood: one way, rows that came in while the process was halted (SIGSTOP), so that its start does not count',
      ...(full
        ? []
        : [`the issue's sizes (10,000,000 rows already there) take --full; here ${formatWhole(most)}`]),
    );
    return sheet.result('growth', 'Growth: the cost of a row as all else grows', null);
  },
};

function slope(
  sheet: Sheet,
  id: string,
  [from, to]: [number, number],
  what: string,
  cost = 'the cost of a row',
): string {
  const ratio = quotient(sheet.median('snk', id, to), sheet.median('snk', id, from));
  return `from ${formatWhole(from)} to ${formatWhole(to)} ${what}, ${cost} goes to ${ratio?.toFixed(2) ?? '?'} times what it was`;
}

async function flood(context: Context, sheet: Sheet, rows: number, there: number): Promise<void> {
  const { pair, say } = context;
  const prepare = async (): Promise<void> => {
    if (there === 0) return;
    await fillAtOnce(pair, there);
    await copy(pair, [['a', 'b']]);
    await pair.both('vacuum (analyze) public.record');
    await pair.both('checkpoint');
  };
  await beside(
    context,
    snk,
    async (running) => {
      const before = pair.cpu(running.pids);
      await pair.tst(['--rows', String(rows)]);
      await untilSynced(running);
      const perRow = ((pair.cpu(running.pids) - before) / rows) * 1_000_000;
      sheet.add('snk', flooded, perRow, { value: there, label: 'rows already there' });
      noteMemory(sheet, 'growth', snk, running);
      say(`flood with ${formatWhole(there)} rows there: ${perRow.toFixed(1)} µs CPU/row`);
      await check(pair, there + rows);
    },
    prepare,
  );
}

interface Case {
  readonly kind: 'links' | 'columns' | 'size';
  readonly rows: number;
  readonly count: number;
}

/** A pair of databases for each link: between two nodes there is one at the most, whatever the number of tables. */
async function drain({ pair, say }: Context, sheet: Sheet, { kind, rows, count }: Case): Promise<void> {
  const databases = Array.from({ length: kind === 'links' ? count : 1 }, (_, i) => `grown_${i + 1}`);
  const shape = { length: kind === 'size' ? count : 36, columns: kind === 'columns' ? count : 2 };
  const perLink = Math.floor(rows / databases.length);
  try {
    for (const database of databases) await create(pair, database, shape.columns);
    const running = await startSnk(pair, configOf(pair, databases));
    try {
      for (const pid of running.pids) process.kill(pid, 'SIGSTOP');
      for (const database of databases) await fillAtOnce(pair, perLink, shape, database);
      const last = await Promise.all(databases.map(async (database) => await finalRow(pair, database)));
      await pair.both('checkpoint');
      const before = pair.cpu(running.pids);
      const started = performance.now();
      for (const pid of running.pids) process.kill(pid, 'SIGCONT');
      for (const row of last) await row.arrived();
      const seconds = (performance.now() - started) / 1_000;
      const perRow = ((pair.cpu(running.pids) - before) / rows) * 1_000_000;
      const x = {
        value: count,
        label: { links: 'links', columns: 'columns', size: 'bytes in a row' }[kind],
      };
      if (kind === 'links') sheet.add('snk', links, rows / seconds, x);
      else sheet.add('snk', kind === 'columns' ? columns : sizes, perRow, x);
      const memory = noteMemory(sheet, 'growth', snk, running);
      say(
        `${count} ${x.label}: ${formatWhole(rows / seconds)} rows/s, ${perRow.toFixed(1)} µs CPU/row, ${Math.round(memory)} MB`,
      );
      for (const database of databases) await check(pair, perLink + 1, { database });
    } finally {
      for (const pid of running.pids) process.kill(pid, 'SIGCONT');
      await running.stop();
    }
  } finally {
    for (const database of databases) await pair.both(`drop database if exists ${database} with (force)`);
  }
}

/** One more row, which arrives last: to look for it costs nothing beside what is measured. */
async function finalRow(pair: Pair, database: string): Promise<{ readonly arrived: () => Promise<void> }> {
  const uuid = randomUUID();
  const writer = await pair.connect('a', database);
  await insertOne(writer, 'last', uuid);
  await writer.end();
  return {
    arrived: async () => {
      const watcher = await pair.connect('b', database);
      const text = 'select from public.record where uuid = $1';
      const deadline = Date.now() + 300_000;
      while ((await watcher.query({ name: 'last', text, values: [uuid] })).rowCount === 0) {
        if (Date.now() > deadline) throw new Error('void: the last row did not arrive');
        await wait(5);
      }
      await watcher.end();
    },
  };
}

function configOf(pair: Pair, databases: readonly string[]): UserConfig {
  const ends = sides.flatMap((side) =>
    databases.map((database) => {
      const url = new URL(pair.urls[side]);
      url.pathname = database;
      return [`${side}-${database}`, { url: url.href }] as const;
    }),
  );
  const each = databases.map((database) => ({
    from: `a-${database}`,
    to: `b-${database}`,
    tables: ['public.record'],
  }));
  return { nodes: Object.fromEntries(ends), links: each };
}

async function create(pair: Pair, database: string, count: number): Promise<void> {
  const more = Array.from({ length: count - 2 }, (_, i) => `, c${i + 3} text`).join('');
  await pair.both(`create database ${database}`);
  for (const side of sides) {
    const client = await pair.connect(side, database);
    await client.query(`create table public.record (uuid uuid primary key, text text not null${more})`);
    await client.end();
  }
}
