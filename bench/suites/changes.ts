/** Inserts, updates and deletes of many rows by key on one side, over a link that carries them all, beside each peer. */
import { atFullSpeed, perStatement, type Bulk } from '../bulk.ts';
import type { Pair } from '../pair.ts';
import { copy } from '../peers/copy.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { changing } from '../peers/snk.ts';
import { deletes, inserts, updates } from '../record-bulks.ts';
import { formatWhole } from '../report/format.ts';
import { check, fillAtOnce } from '../rows.ts';
import { Sheet } from '../sheet.ts';
import {
  beside,
  interleaved,
  noteMemory,
  ratioGoal,
  takingPart,
  type Context,
  type Suite,
} from '../suite.ts';

export const changes: Suite = {
  name: 'changes',
  run: async (context) => {
    const sheet = new Sheet();
    const there = context.full ? 2_000_000 : context.quick ? 40_000 : 120_000;
    const rows = context.full ? 1_000_000 : context.quick ? 20_000 : 60_000;
    const peers = await takingPart(context.quick ? ['snk', 'logical'] : ['bare', 'snk', 'logical'], sheet, [
      changing,
    ]);
    await interleaved(context, peers, async (peer) => {
      const work = async (running: Running) => await one(context, sheet, peer, running, { there, rows });
      await beside(context, peer, work, async () => await prepare(context.pair, there));
    });
    sheet.skipped.push({ peer: 'id-cursor', why: 'a cursor on id sees neither updates nor deletes' });
    sheet.notes.push(
      `${formatWhole(there)} rows are there on both sides; one side inserts ${formatWhole(rows)}, then updates, then deletes as many by key, picked at random, ${formatWhole(perStatement)} in a statement`,
      'the link of SNK carries inserts, updates and deletes both ways, so that rows travel by their keys and each is looked at for a change of the other side',
    );
    for (const [name, what] of [
      ['updates', 'updates by key'],
      ['deletes', 'deletes by key'],
    ] as const) {
      const id = `changes.${name}.equal`;
      const label = `changes: ${what} until both sides are equal, rows/s of SNK ÷ of logical replication`;
      ratioGoal(sheet, { id, label, sign: '>=', value: 1 }, [id, 'snk', 'logical']);
    }
    return sheet.result('changes', 'Changes: updates and deletes of many rows by key', 'logical');
  },
};

async function prepare(pair: Pair, rows: number): Promise<void> {
  await fillAtOnce(pair, rows);
  await copy(pair, [['a', 'b']]);
  await pair.both('vacuum (analyze) public.record');
}

async function one(
  context: Context,
  sheet: Sheet,
  peer: Peer,
  running: Running,
  { there, rows }: { readonly there: number; readonly rows: number },
): Promise<void> {
  const { pair } = context;
  const run = async (name: string, label: string, bulk: Bulk): Promise<number> => {
    const task = { id: `changes.${name}`, label, rows, bulks: [bulk] };
    const added = await atFullSpeed(context, sheet, peer, running, task);
    await untilSynced(running);
    return added;
  };
  let expected = there + rows;
  expected += await run('inserts', 'inserts', inserts(rows));
  expected += await run('updates', 'updates by key', await updates(pair, rows));
  // Rows that differ could be deleted next, and nobody would know.
  if (peer.name !== 'bare') await check(pair, expected);
  expected += (await run('deletes', 'deletes by key', await deletes(pair, rows))) - rows;
  noteMemory(sheet, 'changes', peer, running);
  if (peer.name !== 'bare') await check(pair, expected);
}
