import { expect, test } from 'vitest';
import { linkRig, openTestOrm, shareDatabases } from '../../../test/support/link-rig.ts';

shareDatabases();

test('the entities are the tables that the migrations make', async () => {
  const rig = await linkRig();
  const orm = openTestOrm(rig.a, 'a', 'model', false);
  const difference = async (): Promise<string[]> =>
    (await orm.schema.getUpdateSchemaSQL({ schema: 'snk', wrap: false }))
      .split('\n')
      .filter((line) => line !== '');
  // tables that are worked on by statements alone have no entity
  const without = [
    'assigned',
    'audit',
    'capture_gate',
    'captured_table',
    'conflict',
    'file',
    'file_column',
    'identity',
    'key',
    'parked',
    'purged',
    'verification',
  ];
  expect(await difference()).toEqual(
    without.map((table) => `drop table if exists "snk"."${table}" cascade;`),
  );
  // and a column more would show
  await rig.a.query('alter table snk.ledger add column more integer');
  expect(await difference()).toContain('alter table "snk"."ledger" drop column "more";');
});
