/** What a flow costs that makes its rows into others, beside a plain flow: the same work, in turn. */
import { oneWay, type FlowOptions } from '../../src/topology/topology.ts';
import { atFullSpeed, perStatement, type Bulk } from '../bulk.ts';
import type { Pair } from '../pair.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { snkWith } from '../peers/snk.ts';
import { inserts, updates } from '../record-bulks.ts';
import { formatWhole } from '../report/format.ts';
import { check } from '../rows.ts';
import { Sheet } from '../sheet.ts';
import { beside, interleaved, noteMemory, ratioGoal, reset, type Context, type Suite } from '../suite.ts';

/** A flow out of `public.record`, and what its target is to hold then. */
interface Variant {
  /** Behind `snk`; none for the plain flow. */
  readonly name: string;
  readonly flow: Omit<FlowOptions, 'from'>;
  readonly target: string;
  /** The source's rows as the target is to have them, as a select in brackets. */
  readonly wanted: string;
}

const variants: readonly Variant[] = [
  { name: '', flow: {}, target: 'public.record', wanted: 'public.record' },
  {
    name: 'columns+set',
    flow: {
      to: 'public.mapped',
      columns: { uuid: 'uuid', body: 'text' },
      set: { origin: 'a', size: { sql: 'length(text)' } },
    },
    target: 'public.mapped',
    wanted: "(select uuid, text as body, 'a'::text as origin, length(text) as size from public.record)",
  },
  {
    name: 'where',
    flow: { where: "text < '8'" },
    target: 'public.record',
    wanted: "(select * from public.record where text < '8')",
  },
];

export const mapping: Suite = {
  name: 'mapping',
  run: async (context) => {
    const { pair, full, quick } = context;
    const sheet = new Sheet();
    const rows = full ? 1_000_000 : quick ? 20_000 : 60_000;
    await pair.pools.b.query(
      'create table public.mapped (uuid uuid primary key, body text not null, origin text not null, size integer not null)',
    );
    const peers = new Map(variants.map((variant) => [peerOf(variant), variant] as const));
    await interleaved(context, [...peers.keys()], async (peer) => {
      const variant = peers.get(peer) as Variant;
      const work = async (running: Running): Promise<void> =>
        await one(context, sheet, { peer, variant, running, rows });
      await beside(context, peer, work, async () => {
        await pair.pools.b.query('truncate public.mapped');
      });
    });
    await reset(pair);
    await pair.pools.b.query('drop table public.mapped');
    sheet.notes.push(
      `one way; ${formatWhole(rows)} rows come in on the source's side and are updated then, by key, ${formatWhole(perStatement)} in a statement; all flows carry inserts, updates and deletes`,
      'columns+set: a column under another name, one that is a constant, and one that is reckoned by SQL over the row',
      'where: half of the rows match, and an update makes half of those leave and as many others come; rates and CPU are by rows of the source',
    );
    for (const { name } of variants.slice(1))
      for (const what of ['inserts', 'updates']) {
        const id = `mapping.${what}.cpu`;
        const label = `mapping: CPU per million ${what} of a flow with ${name} ÷ of a plain one`;
        ratioGoal(sheet, { id: `${id}.${name}`, label, sign: '<=', value: 1.15 }, [id, `snk ${name}`, 'snk']);
      }
    return sheet.result('mapping', 'Mapping: flows that rename, set and filter, beside a plain one', 'snk');
  },
};

function peerOf({ name, flow }: Variant): Peer {
  const link = oneWay('a', 'b', {
    flows: [{ from: 'public.record', ...flow }],
    on: ['insert', 'update', 'delete'],
  });
  return snkWith(link, `snk ${name}`.trim());
}

interface Run {
  readonly peer: Peer;
  readonly variant: Variant;
  readonly running: Running;
  readonly rows: number;
}

async function one(context: Context, sheet: Sheet, { peer, variant, running, rows }: Run): Promise<void> {
  const { pair } = context;
  const place = { rows: { a: variant.wanted, b: variant.target } };
  const run = async (name: string, label: string, bulk: Bulk): Promise<void> => {
    const probe = { seenIn: variant.target, text: '0 matches' };
    const task = { id: `mapping.${name}`, label, rows, bulks: [bulk], probe };
    await atFullSpeed(context, sheet, peer, running, task);
    await untilSynced(running);
    await check(pair, await countWanted(pair, variant), place);
  };
  await run('inserts', 'inserts', inserts(rows));
  await run('updates', 'updates by key', await updates(pair, rows));
  noteMemory(sheet, 'mapping', peer, running);
}

async function countWanted({ pools }: Pair, { wanted }: Variant): Promise<number> {
  const { rows } = await pools.a.query<{ n: string }>(`select count(*) as n from ${wanted} as one`);
  return Number(rows[0]?.n ?? 0);
}
