import { describe, expect, test } from 'vitest';
import { linkRig, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';

shareDatabases();

const hostile = `<img src=x onerror=alert(1)>'; drop table "odd one"; --\u202e`;

async function open(more = ''): Promise<LinkRig> {
  const tables = `
    create table item (
      place text,
      number integer,
      "odd ""name" text,
      note text,
      primary key (place, number)
    );
    create table aside (id integer primary key);
    ${more}`;
  return await linkRig({
    tables,
    links: [{ between: ['a', 'b'], tables: ['public.item'], on: ['insert', 'update', 'delete'] }],
  });
}

const item = ['a', 'public.item'] as const;
const read = async (rig: LinkRig, node: 'a' | 'b') =>
  await rig[node].query('select place, number, "odd ""name" as odd, note from item order by place, number');

describe('tables', () => {
  test('are those that are synced, with what may be done there and where it goes', async () => {
    const rig = await open();
    const list = await rig.snk.tables.list();
    expect(list.map(({ node, table }) => [node, table])).toEqual([
      ['a', 'public.item'],
      ['b', 'public.item'],
    ]);
    expect(list[0]).toMatchObject({
      key: ['place', 'number'],
      may: { insert: true, update: true, delete: true },
      goesTo: { insert: ['b'], update: ['b'], delete: ['b'] },
      comesFrom: ['b'],
    });
    expect(list[0]?.columns.map(({ name, isKey }) => [name, isKey])).toEqual([
      ['place', true],
      ['number', true],
      ['odd "name', false],
      ['note', false],
    ]);
  });

  test('are no others', async () => {
    const rig = await open();
    const { tables } = rig.snk;
    const usage = { code: 'SNK_USAGE' };
    for (const [node, table] of [
      ['a', 'public.aside'],
      ['a', 'snk.cursor'],
      ['a', 'pg_catalog.pg_authid'],
      ['nowhere', 'public.item'],
      ['a', 'public.item" t; drop table public.item; --'],
    ] as const) {
      await expect(tables.page(node, table)).rejects.toMatchObject(usage);
      await expect(tables.row(node, table, ['1'])).rejects.toMatchObject(usage);
      await expect(tables.insert(node, table, { id: '1' })).rejects.toMatchObject(usage);
      await expect(tables.update(node, table, ['1'], '1', {})).rejects.toMatchObject(usage);
      await expect(tables.delete(node, table, ['1'], '1')).rejects.toMatchObject(usage);
    }
  });
});

describe('a page', () => {
  test('follows the key, each row once, while rows come and go', async () => {
    const rig = await open();
    await rig.a.query(
      `insert into item select (array['x', 'y'])[1 + g % 2], g / 2, 'r' || g from generate_series(1, 25) g`,
    );
    const seen: string[] = [];
    let after: readonly string[] | null = null;
    for (let pages = 0; pages < 20; pages += 1) {
      const page = await rig.snk.tables.page(...item, { after, limit: 4 });
      seen.push(...page.rows.map(({ key }) => key.join(' ')));
      if (pages === 1) await rig.a.query(`delete from item where (place, number) = ('x', 1)`);
      if (!page.hasMore) break;
      after = page.rows.at(-1)?.key ?? null;
    }
    const sorted = Array.from({ length: 25 }, (_, i) => i + 1)
      .map((g) => [g % 2 === 0 ? 'x' : 'y', Math.floor(g / 2)] as const)
      .sort(([p, n], [q, m]) => p.localeCompare(q) || n - m);
    expect(seen).toEqual(sorted.map((key) => key.join(' ')));
  });

  test('finds a text in any column, as it is written and no pattern', async () => {
    const rig = await open();
    await rig.a.query(
      `insert into item values ('100%', 1, null, 'a'), ('1000', 2, 'SOME Thing', 'b'), ('z', 3, 'x_y', 'c'), ('z', 4, 'xay', $1)`,
      [hostile],
    );
    const find = async (search: string) =>
      (await rig.snk.tables.page(...item, { search })).rows.map(({ key }) => key[1]);
    expect(await find('0%')).toEqual(['1']);
    expect(await find('x_y')).toEqual(['3']);
    expect(await find('some thing')).toEqual(['2']);
    expect(await find(hostile)).toEqual(['4']);
    expect(await find(`' or 1=1 --`)).toEqual([]);
  });

  test('is bounded, however long values and however many columns there are', async () => {
    const many = Array.from({ length: 1_500 }, (_, i) => `c${i} text`).join(', ');
    const rig = await linkRig({
      tables: `create table wide (${many}, id integer primary key)`,
      links: [{ from: 'a', to: 'b', tables: ['public.wide'] }],
    });
    await rig.a.query(`insert into wide (id, c0, c1) values (1, repeat('x', 3000000), '')`);
    const page = await rig.snk.tables.page('a', 'public.wide');
    expect([page.columns.length, page.columnsInAll, page.columns[0]]).toEqual([40, 1_501, 'id']);
    expect(page.rows[0]?.values[1]).toEqual({ text: 'x'.repeat(160), isCut: true });
    expect(page.rows[0]?.values.slice(2, 4)).toEqual([
      { text: '', isCut: false },
      { text: null, isCut: false },
    ]);
    const row = await rig.snk.tables.row('a', 'public.wide', ['1']);
    expect(Object.keys(row?.values ?? {}).length).toBe(1_501);
    expect(row?.values['c0']).toEqual({ text: 'x'.repeat(100_000), isCut: true });
    expect((await rig.snk.tables.list())[0]?.goesTo).toEqual({ insert: ['b'], update: [], delete: [] });
  });
});

describe('a row', () => {
  test('is added, changed and deleted as an application would, and travels', async () => {
    const rig = await open();
    const { tables } = rig.snk;
    const values = { place: 'Rome', number: '7', 'odd "name': hostile, note: null };
    expect(await tables.insert(...item, values)).toEqual(['Rome', '7']);
    await settle(rig);
    const was = { place: 'Rome', number: 7, odd: hostile, note: null };
    expect(await read(rig, 'b')).toEqual([was]);
    const row = await tables.row(...item, ['Rome', '7']);
    expect(row?.values['odd "name']).toEqual({ text: hostile, isCut: false });
    await tables.update(...item, ['Rome', '7'], row?.version ?? '', { note: '', 'odd "name': null });
    await settle(rig);
    expect(await read(rig, 'b')).toEqual([{ ...was, odd: null, note: '' }]);
    const now = await tables.row(...item, ['Rome', '7']);
    await tables.delete(...item, ['Rome', '7'], now?.version ?? '');
    await settle(rig);
    expect(await read(rig, 'b')).toEqual([]);
    expect(await tables.row(...item, ['Rome', '7'])).toBeNull();
  });

  test('that became another one since it was shown is left alone', async () => {
    const rig = await open();
    const { tables } = rig.snk;
    await rig.a.query(`insert into item values ('x', 1, null, 'shown')`);
    const { version } = (await tables.row(...item, ['x', '1'])) ?? { version: '' };
    await rig.a.query(`update item set note = 'newer'`);
    const stale = { code: 'SNK_ROW_STALE' };
    await expect(tables.update(...item, ['x', '1'], version, { note: 'mine' })).rejects.toMatchObject(stale);
    await expect(tables.delete(...item, ['x', '1'], version)).rejects.toMatchObject(stale);
    expect(await read(rig, 'a')).toMatchObject([{ note: 'newer' }]);
    await rig.a.query('delete from item');
    await expect(tables.update(...item, ['x', '1'], version, { note: 'mine' })).rejects.toMatchObject(stale);
    expect(await read(rig, 'a')).toEqual([]);
  });

  test('that the table refuses is a fault without its values', async () => {
    const rig = await open(`alter table item add check (note <> 'secret')`);
    const { tables } = rig.snk;
    await tables.insert(...item, { place: 'x', number: '1' });
    for (const values of [
      { place: 'x', number: '1' },
      { place: 'y', number: 'secret' },
      { place: 'y', number: '1', note: 'secret' },
      { note: 'no key' },
    ]) {
      const error: unknown = await tables.insert(...item, values).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'SNK_ROW_REFUSED' });
      expect(String(error)).not.toContain('secret');
    }
    const row = await tables.row(...item, ['x', '1']);
    const change = async (values: Record<string, string>) =>
      await tables.update(...item, ['x', '1'], row?.version ?? '', values);
    await expect(change({ number: '2' })).rejects.toMatchObject({ code: 'SNK_USAGE' });
    await expect(change({ nothing: '2' })).rejects.toMatchObject({ code: 'SNK_USAGE' });
    await expect(change({ constructor: '2' })).rejects.toMatchObject({ code: 'SNK_USAGE' });
    await expect(tables.row(...item, ['x'])).rejects.toMatchObject({ code: 'SNK_USAGE' });
  });

  test('is written under the search_path of an application, and waited for no longer than by one', async () => {
    const rig = await open(`
      create function noted() returns trigger language plpgsql as $$
      begin
        insert into aside values (new.number);
        return new;
      end $$;
      create trigger noted before insert or update on item for each row execute function noted();`);
    const { tables } = rig.snk;
    await tables.insert(...item, { place: 'x', number: '1' });
    expect(await rig.a.query('select id from aside')).toEqual([{ id: 1 }]);
    const { version } = (await tables.row(...item, ['x', '1'])) ?? { version: '' };
    const holder = await rig.a.connect();
    await holder.query('begin');
    await holder.query('select from item for update');
    const error = await tables.delete(...item, ['x', '1'], version).catch((reason: unknown) => reason);
    await holder.end();
    expect(error).toMatchObject({ code: 'SNK_ROW_LOCKED' });
  });
});
