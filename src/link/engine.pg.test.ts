import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { drain, id, linkRig, type LinkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { session } from '../db/orm.ts';
import { loadSubscriber, raiseFence } from '../read/fence.ts';
import { drainLink, freshState, tidyLink } from './drain.ts';
import { type LocalEngine } from './engine.ts';
import { loadStanding } from './standing.ts';

shareDatabases();

const insert = async (rig: LinkRig, text: string): Promise<void> => {
  await rig.a.query('insert into record values (gen_random_uuid(), $1)', [text]);
};

const texts = async (rig: LinkRig): Promise<string[]> =>
  (await rig.b.query<{ text: string }>('select text from record order by text')).map((row) => row.text);

/** Keeps a table's rows, and gives a function that puts them back: what a restore of this database does to it. */
async function backup(rig: LinkRig, node: 'a' | 'b', ...tables: string[]): Promise<() => Promise<void>> {
  const database = rig[node];
  for (const [i, table] of tables.entries())
    await database.query(`create table backup_${i} as table ${table}`);
  return async () => {
    for (const [i, table] of tables.entries()) {
      await database.query(`begin; set local session_replication_role = replica; select set_config('snk.origin', 'x', true);
        delete from ${table}; insert into ${table} overriding system value table backup_${i}; commit`);
    }
  };
}

const restoreTarget = async (rig: LinkRig) =>
  await backup(rig, 'b', 'record', 'snk.cursor', 'snk.ledger', 'snk.backfill');

async function refusal(rig: LinkRig): Promise<unknown> {
  const before = await texts(rig);
  const error: unknown = await rig.engine().then(
    async (engine) =>
      await drainLink(engine, freshState, testLimits).then(
        () => 'drained',
        (reason: unknown) => reason,
      ),
    (reason: unknown) => reason,
  );
  expect(await texts(rig)).toEqual(before); // nothing was written
  return error;
}

const untilTidy = async (engine: LocalEngine): Promise<void> => {
  await tidyLink(engine, (await drain(engine)).state, testLimits);
};

describe('a link goes on', () => {
  test('after a fence whose apply never came: the same window is read again', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    await insert(rig, 'x');
    const em = session(rig.orm('a'));
    const expected = await loadSubscriber(em, 'a->b');
    if (expected === null) throw new Error('there is no subscriber');
    const nonce = '00000000-0000-0000-0000-000000000001';
    const next = { generation: String(BigInt(expected.generation) + 1n), nonce, prevNonce: expected.nonce };
    await raiseFence(em, { link: 'a->b', expected, next, safe: expected.safe });
    await drain(await rig.engine());
    expect(await texts(rig)).toEqual(['x']);
  });

  test('after a target lost its last transaction, while the source still has the window', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    const restore = await restoreTarget(rig);
    await insert(rig, 'x');
    await drain(await rig.engine());
    await restore();
    expect(await texts(rig)).toEqual([]);
    await drain(await rig.engine());
    expect(await texts(rig)).toEqual(['x']);
  });
});

describe('a link is stopped before it writes', () => {
  test('when the target lost its last transaction, and the source has purged the window', async () => {
    const rig = await linkRig();
    await untilTidy(await rig.engine());
    const restore = await restoreTarget(rig);
    await insert(rig, 'x');
    await untilTidy(await rig.engine());
    await restore();
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_TARGET_REGRESSED', fate: 'stop-link' });
  });

  test('when the target was restored', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    const restore = await restoreTarget(rig);
    for (const text of ['x', 'y']) {
      await insert(rig, text);
      await drain(await rig.engine());
    }
    await restore();
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_TARGET_REGRESSED' });
  });

  test('when the source was restored', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    const restore = await backup(rig, 'a', 'record', 'snk.subscriber', 'snk.change_log');
    await insert(rig, 'x');
    await drain(await rig.engine());
    await restore();
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_SOURCE_REGRESSED' });
  });

  test('when the source lost its end of the link', async () => {
    const rig = await linkRig();
    await rig.a.query('delete from snk.subscriber');
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_SOURCE_REGRESSED' });
  });

  test('when the target lost its end of the link', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    await insert(rig, 'x');
    await drain(await rig.engine());
    await rig.b.query('delete from snk.cursor');
    await rig.snk.install();
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_TARGET_REGRESSED' });
  });

  test('when schema snk was copied into another database', async () => {
    const rig = await linkRig();
    await rig.a.query(`update snk.node set database_oid = '1'`);
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_NODE_COPIED' });
  });

  test('when schema snk was copied to another server, whose database has the same number', async () => {
    const rig = await linkRig();
    await rig.a.query(`update snk.node set system_identifier = '1'`);
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_NODE_COPIED' });
  });

  test('when another database stands in the place of the source', async () => {
    const rig = await linkRig();
    await rig.a.query('update snk.node set node_id = gen_random_uuid()');
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_SOURCE_REPLACED' });
  });

  test('when it is paused', async () => {
    const rig = await linkRig();
    await rig.b.query(`update snk.cursor set state = 'paused'`);
    expect(await refusal(rig)).toMatchObject({ code: 'SNK_PAUSED', fate: 'retry' });
  });

  test.each([
    ['a table of the source is gone', 'a', 'drop table record'],
    ['a table of the target is gone', 'b', 'drop table record'],
    ['a column of the target is gone', 'b', 'alter table record drop column text'],
  ] as const)('when %s', async (_, node, statement) => {
    const rig = await linkRig();
    await rig[node].query(statement);
    const error: unknown = await rig.engine().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'SNK_SCHEMA_DRIFT', fate: 'stop-link' });
  });
});

test('a new baseline makes both sides equal again after the target was restored', async () => {
  const rig = await linkRig();
  await untilTidy(await rig.engine());
  const restore = await restoreTarget(rig);
  for (const text of ['x', 'y']) {
    await insert(rig, text);
    await untilTidy(await rig.engine());
  }
  await restore();
  await rig.snk.rebaseline('a->b');
  await insert(rig, 'z');
  await drain(await rig.engine());
  expect(await texts(rig)).toEqual(['x', 'y', 'z']);
});

test('a link whose two sides are read while another process moves them is tried again, and not taken for a restored one', async () => {
  const rig = await linkRig();
  await drain(await rig.engine());
  const engine = await rig.engine();
  const holders = { a: await rig.a.connect(), b: await rig.b.connect() };
  await holders.a.query('begin; lock table snk.subscriber in access exclusive mode');
  await holders.b.query('begin; lock table snk.cursor in access exclusive mode');
  const loading = loadStanding(engine).then(
    () => 'loaded',
    (error: unknown) => error,
  );
  const waiting = async (database: TestDatabase): Promise<number> =>
    await waitUntil(
      async () =>
        (await database.query<{ pid: number }>('select pid from pg_locks where not granted'))[0]?.pid,
    );
  const [reader] = await Promise.all([waiting(rig.a), waiting(rig.b)]);
  // What the source says has been read when the cursor moves.
  await holders.a.query('rollback');
  await waitUntil(
    async () =>
      (await rig.a.query('select from pg_stat_activity where pid = $1 and state = $2', [reader, 'idle']))
        .length === 1,
  );
  const moved = `generation = generation + 2, nonce = '${id(7)}'`;
  await rig.a.query(`update snk.subscriber set ${moved}`);
  await holders.b.query(`update snk.cursor set ${moved}; commit`);
  await Promise.all([holders.a.end(), holders.b.end()]);
  expect(await loading).toMatchObject({ code: 'SNK_OVERTAKEN', fate: 'retry' });
  expect(await loadStanding(engine)).toMatchObject({ position: { nonce: id(7) } });
});
