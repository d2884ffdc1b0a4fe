import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { drain, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { describeTables, type Table } from '../db/catalog.ts';
import { session } from '../db/orm.ts';
import { logKeys } from './log-keys.ts';

shareDatabases();

const id = (n: number): string => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;

async function tableOf(rig: LinkRig, name: string): Promise<Table> {
  const table = (await describeTables(session(rig.orm('a')), [name])).get(name);
  if (table === undefined) throw new Error(`there is no ${name}`);
  return table;
}

describe('keys that are logged again', () => {
  test('bring what stands under them, however many', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    await rig.a.query(`select set_config('snk.origin', 'behind', true);
      insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 2500) n`);
    const keys = Array.from({ length: 2500 }, (_, i) => [id(i + 1)]);
    const table = await tableOf(rig, 'public.record');
    expect(await logKeys(session(rig.orm('a')), { table, op: 'I', keys })).toBe(true);
    expect(await rig.a.query('select key_count as n from snk.change_log order by seq')).toEqual(
      [1000, 1000, 500].map((n) => ({ n })),
    );
    await drain(await rig.engine());
    expect(await rig.b.query('select count(*)::integer as n from record')).toEqual([{ n: 2500 }]);
  });

  test('are of any type, with anything in them', async () => {
    const rig = await linkRig({
      tables: `create type mood as enum ('so', 'la la'); create domain code as text;
        create table t (m mood, c code, r int4range, d timestamptz, primary key (r, m, c, d))`,
      links: [{ from: 'a', to: 'b', tables: ['t'] }],
    });
    await drain(await rig.engine());
    await rig.a.query(`select set_config('snk.origin', 'behind', true);
      insert into t select 'la la', v, int4range(1, 5), '2026-01-01 12:00+02' from unnest(array['', ' ', '"', '\\', ',', '{}', 'NULL', '''']) v`);
    const table = await tableOf(rig, 'public.t');
    const found = await rig.a.query<{ key: string[] }>(
      `select array[r::text, m::text, c::text, d::text] as key from t`,
    );
    await logKeys(session(rig.orm('a')), { table, op: 'I', keys: found.map((row) => row.key) });
    await drain(await rig.engine());
    expect(await rig.b.query('select * from t order by c')).toEqual(
      await rig.a.query('select * from t order by c'),
    );
    expect(await rig.b.query('select from t')).toHaveLength(8);
  });

  test('ring for a reader that sleeps, once they are committed', async () => {
    const rig = await linkRig();
    const reader = new Client({ connectionString: rig.a.url });
    await reader.connect();
    onTestFinished(async () => await reader.end());
    const rung: string[] = [];
    reader.on('notification', ({ channel }) => rung.push(channel));
    await reader.query('listen snk_doorbell');
    const table = await tableOf(rig, 'public.record');
    await session(rig.orm('a')).transactional(async (tx) => {
      await logKeys(tx, { table, op: 'U', keys: [[id(1)]] });
      await reader.query('select 1');
      expect(rung).toEqual([]);
    });
    await reader.query('select 1');
    expect(rung).toEqual(['snk_doorbell']);
  });

  test('are kept from a log that takes none', async () => {
    const rig = await linkRig();
    const table = await tableOf(rig, 'public.record');
    const log = async (): Promise<boolean> =>
      await logKeys(session(rig.orm('a')), { table, op: 'I', keys: [[id(1)]] });
    await rig.a.query('update snk.capture_gate set is_open = false');
    expect(await log()).toBe(false);
    await rig.a.query('update snk.capture_gate set is_open = true');
    expect(await log()).toBe(true);
    await rig.a.query('delete from snk.captured_table');
    expect(await log()).toBe(false);
  });

  test('count as changed when they are told to, and never before what the node has received', async () => {
    const rig = await linkRig();
    const table = await tableOf(rig, 'public.record');
    await rig.a.query(`update snk.capture_gate set clock_floor = '2100-01-01'`);
    const em = session(rig.orm('a'));
    await logKeys(em, { table, op: 'U', keys: [[id(1)]] });
    await logKeys(em, { table, op: 'U', keys: [[id(1)]], at: '2026-01-01 00:00:00+00' });
    expect(
      await rig.a.query(
        `select extract(year from at at time zone 'UTC')::integer as y from snk.change_log order by seq`,
      ),
    ).toEqual([{ y: 2100 }, { y: 2026 }]);
  });
});
