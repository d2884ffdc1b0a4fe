import { describe, expect, onTestFinished, test } from 'vitest';
import { drain, linkRig, openTestOrm, shareDatabases } from '../../test/support/link-rig.ts';
import { openOrm, session } from './orm.ts';
import { prepared } from './prepared.ts';
import { query } from './query.ts';

shareDatabases();

const kept = 'select statement from pg_prepared_statements where not from_sql';
const marked = prepared(
  'select $1::integer + 1 as next, (select count(*)::integer from public.record) as rows',
);

describe('a prepared statement', () => {
  test('is parsed once per session, and answers each time with what then stands', async () => {
    const rig = await linkRig();
    const em = session(openTestOrm(rig.a));
    await em.transactional(async (tx) => {
      expect(await query(tx, marked, [1])).toEqual([{ next: 2, rows: 0 }]);
      await rig.a.query(`insert into public.record values (gen_random_uuid(), 'x')`);
      expect(await query(tx, marked, [2])).toEqual([{ next: 3, rows: 1 }]);
      expect(await query(tx, kept)).toEqual([{ statement: marked }]);
      // Its plan may have been made while the table was empty.
      expect(await query(tx, 'show enable_seqscan')).toEqual([{ enable_seqscan: 'off' }]);
    });
  });

  test('is none in a session that does not prepare', async () => {
    const rig = await linkRig();
    const orm = openOrm({ purpose: 'test', node: 'a', url: rig.a.url });
    onTestFinished(async () => await orm.close(true));
    await session(orm).transactional(async (tx) => {
      await query(tx, marked, [1]);
      expect(await query(tx, kept)).toEqual([]);
      expect(await query(tx, 'show enable_seqscan')).toEqual([{ enable_seqscan: 'on' }]);
    });
  });

  test('of a link goes on when a column changes its type under it', async () => {
    const rig = await linkRig();
    const engine = await rig.engine();
    for (const type of ['text', 'varchar(40)', 'text']) {
      for (const side of [rig.a, rig.b]) {
        await side.query(`alter table public.record alter column text type ${type}`);
      }
      await rig.a.query(`insert into public.record values (gen_random_uuid(), '${type}')`);
      await drain(engine);
    }
    expect(await rig.b.query('select text from public.record')).toHaveLength(3);
  });
});
