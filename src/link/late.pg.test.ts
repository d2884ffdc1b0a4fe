/** What is asked of a target comes twice, or long after who asked for it has gone on: through a hub that is to be expected. */
import { describe, expect, test } from 'vitest';
import { nextFence } from '../apply/batch.ts';
import { drain, id, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { compareRange, readDifference, type Difference } from './backfill.ts';
import type { LinkBatch } from './ends.ts';
import type { LocalEngine } from './engine.ts';
import { loadStanding } from './standing.ts';

shareDatabases();

async function copying(rig: LinkRig): Promise<LocalEngine> {
  const engine = await rig.engine();
  await loadStanding(engine);
  return engine;
}

const copied = async (rig: LinkRig): Promise<unknown> =>
  await rig.b.query(
    `select position, done_at is not null as done from snk.backfill where link = 'a->b' and target_table = 'public.record'`,
  );

describe('a step of a first copy', () => {
  const ways = [
    ['has begun anew', async (engine: LocalEngine) => await engine.target.copyAnew('0', '1')],
    [
      'belongs to a link that was begun anew',
      async (_: LocalEngine, rig: LinkRig) => await rig.snk.rebaseline('a->b'),
    ],
  ] as const;

  test.each(ways)('that was equal passes nothing over once its copy %s', async (_, anew) => {
    const rig = await linkRig();
    const engine = await copying(rig);
    const { begun } = await engine.target.copyState(0);
    await anew(engine, rig);
    await engine.target.passOver({ flow: 0, from: null, to: [id(9)], compared: 9, begun });
    expect(await copied(rig)).toEqual([{ position: null, done: false }]);
  });

  test.each(ways)('that found the end of an empty table ends nothing once its copy %s', async (_, anew) => {
    const rig = await linkRig();
    const engine = await copying(rig);
    const { begun } = await engine.target.copyState(0);
    await engine.target.finish(0, null, begun);
    expect(await copied(rig)).toEqual([{ position: null, done: true }]);
    await anew(engine, rig);
    await engine.target.finish(0, null, begun);
    expect(await copied(rig)).toEqual([{ position: null, done: false }]);
    await rig.a.unseen(`insert into record values ('${id(1)}', 'missed')`);
    await drain(await rig.engine());
    expect(await rig.b.query('select text from record')).toEqual([{ text: 'missed' }]);
  });

  test('whose rows are in writes them no second time: what was changed since stays', async () => {
    const on = ['insert', 'update', 'delete'] as const;
    const rig = await linkRig({ links: [{ between: ['a', 'b'], tables: ['public.record'], on: [...on] }] });
    await rig.a.unseen(`insert into record values ('${id(1)}', 'one'), ('${id(2)}', 'two')`);
    const engine = await copying(rig);
    const standing = await loadStanding(engine);
    const found = (await compareRange(engine, 0, 0)) as Difference;
    const batch = (await readDifference(engine, standing, found, undefined)) as LinkBatch;
    const fence = nextFence({ link: 'a->b', newNonce: engine.newNonce }, standing);
    await engine.source.raise(fence);
    const { generation } = fence.next;
    await engine.target.applyBeside(standing.position, generation, batch);
    await rig.b.query(
      `update record set text = 'newer' where uuid = '${id(1)}'; delete from record where uuid = '${id(2)}'`,
    );
    await expect(engine.target.applyBeside(standing.position, generation, batch)).rejects.toMatchObject({
      code: 'SNK_OVERTAKEN',
    });
    expect(await rig.b.query('select text from record')).toEqual([{ text: 'newer' }]);
    expect(await rig.b.query('select from snk.conflict')).toEqual([]);
    expect(await rig.b.query('select row_count from snk.ledger')).toEqual([{ row_count: 2 }]);
  });
});
