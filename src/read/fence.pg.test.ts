import { describe, expect, test } from 'vitest';
import { drain, linkRig, openTestOrm, type LinkRig, shareDatabases } from '../../test/support/link-rig.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import { session } from '../db/orm.ts';
import { acknowledge, loadSubscriber, raiseFence, type Fence } from './fence.ts';

shareDatabases();

const link = 'a->b';
const nonce = (n: number): string => `00000000-0000-0000-0000-00000000000${n}`;

async function fenceOf(rig: LinkRig, changes: Partial<Fence> = {}): Promise<Fence> {
  const expected = await loadSubscriber(session(rig.orm('a')), link);
  if (expected === null) throw new Error('there is no subscriber');
  const next = {
    generation: String(BigInt(expected.generation) + 1n),
    nonce: nonce((Number(expected.generation) % 9) + 1),
    prevNonce: expected.nonce,
  };
  return { link, expected, next, safe: '1:1:', ...changes };
}

/** Notes the setting under which each commit that touches this table is made, at the commit itself. */
async function watchCommits(database: TestDatabase, table: string): Promise<() => Promise<string[]>> {
  await database.query(`
    create table commits (n integer generated always as identity, setting text);
    create function note_commit() returns trigger language plpgsql security definer as $$ begin
      insert into public.commits (setting) values (current_setting('synchronous_commit')); return null; end $$;
    create constraint trigger note_commit after insert or update on ${table} deferrable initially deferred
      for each row execute function note_commit()`);
  return async () =>
    (await database.query<{ setting: string }>('select setting from commits order by n')).map(
      (row) => row.setting,
    );
}

async function setDefault(database: TestDatabase, synchronousCommit: string): Promise<void> {
  await database.query(`alter database "${database.name}" set synchronous_commit = '${synchronousCommit}'`);
}

describe('the fence', () => {
  test('is committed durably whatever the database defaults to; stronger defaults stay', async () => {
    const rig = await linkRig();
    const settings = await watchCommits(rig.a, 'snk.subscriber');
    const defaults = ['off', 'local', 'on', 'remote_write', 'remote_apply'];
    for (const setting of defaults) {
      await setDefault(rig.a, setting);
      const em = session(openTestOrm(rig.a));
      await raiseFence(em, await fenceOf(rig));
      // only that one transaction pays for it
      expect(await em.execute('show synchronous_commit')).toEqual([{ synchronous_commit: setting }]);
    }
    expect(await settings()).toEqual(['on', 'on', 'on', 'remote_write', 'remote_apply']);
  });

  test('and the apply are both committed durably where the databases default to off', async () => {
    const rig = await linkRig();
    await Promise.all([setDefault(rig.a, 'off'), setDefault(rig.b, 'off')]);
    const fences = await watchCommits(rig.a, 'snk.subscriber');
    const applies = await watchCommits(rig.b, 'snk.cursor');
    const engine = await rig.engine();
    await drain(engine); // the first copy, of nothing
    await rig.a.query(`insert into record values ('${nonce(1)}', 'plain')`);
    await drain(engine);
    await rig.b.query(`insert into record values ('${nonce(2)}', 'conflict')`);
    await rig.a.query(`insert into record values ('${nonce(2)}', 'careful')`);
    await drain(engine);
    expect(new Set(await fences())).toEqual(new Set(['on']));
    expect(await applies()).toEqual(['on', 'on']);
  });

  test('moves by one, keeps the nonce before it, and says what is safe', async () => {
    const rig = await linkRig();
    const fence = await fenceOf(rig);
    await raiseFence(session(rig.orm('a')), fence);
    expect(await loadSubscriber(session(rig.orm('a')), link)).toMatchObject(fence.next);
    expect(await rig.a.query(`select safe::text from snk.subscriber where link = $1`, [link])).toEqual([
      { safe: '1:1:' },
    ]);
  });

  test('of a process that was overtaken does not land', async () => {
    const rig = await linkRig();
    const mine = await fenceOf(rig);
    const others = { ...mine, next: { ...mine.next, nonce: nonce(2) } };
    await raiseFence(session(rig.orm('a')), others);
    await expect(raiseFence(session(rig.orm('a')), mine)).rejects.toMatchObject({
      code: 'SNK_OVERTAKEN',
      fate: 'retry',
    });
    expect(await loadSubscriber(session(rig.orm('a')), link)).toMatchObject(others.next);
  });

  test('of two processes at once lands for one of them', async () => {
    const rig = await linkRig();
    const fence = await fenceOf(rig);
    const tries = [1, 2, 3, 4].map(async (n) => {
      const mine = { ...fence, next: { ...fence.next, nonce: nonce(n) } };
      return await raiseFence(session(rig.orm('a')), mine).then(
        () => n,
        () => 0,
      );
    });
    const winners = (await Promise.all(tries)).filter((n) => n > 0);
    expect(winners).toHaveLength(1);
    expect(await loadSubscriber(session(rig.orm('a')), link)).toMatchObject({
      nonce: nonce(winners[0] ?? 0),
    });
  });

  test('is acknowledged only by its holder', async () => {
    const rig = await linkRig();
    const safe = async () =>
      (
        await rig.a.query<{ safe: string }>(`select safe::text from snk.subscriber where link = $1`, [link])
      )[0]?.safe;
    const before = await safe();
    await acknowledge(session(rig.orm('a')), link, nonce(9), '5:5:');
    expect(await safe()).toBe(before);
    await acknowledge(session(rig.orm('a')), link, (await fenceOf(rig)).expected.nonce, '5:5:');
    expect(await safe()).toBe('5:5:');
  });
});
