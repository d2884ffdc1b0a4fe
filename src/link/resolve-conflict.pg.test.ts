import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  drain,
  linkRig,
  shareDatabases,
  type LinkRig,
  type RigOptions,
  settle,
  id,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import type { Flow, Link } from '../topology/topology.ts';
import { resolveConflict, routeOf } from './resolve-conflict.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;
const both: RigOptions = { links: [{ between: ['a', 'b'], tables: ['public.record'], on: everything }] };
const insertsAlone: RigOptions = { links: [{ between: ['a', 'b'], tables: ['public.record'] }] };

const rows = async (database: TestDatabase): Promise<string[]> =>
  (await database.query<{ text: string }>('select text from record order by uuid')).map((row) => row.text);

async function insert(database: TestDatabase, text: string): Promise<void> {
  await database.query(`insert into record values ('${id(1)}', '${text}')`);
}

/** One row that both sides have given another text, or have deleted (null); settled by node order. */
async function clashed(texts: { a: string | null; b: string | null }, options = both): Promise<LinkRig> {
  const rig = await linkRig(options);
  await settle(rig);
  if (options === both) {
    await insert(rig.a, 'first');
    await settle(rig);
  }
  for (const node of ['a', 'b'] as const) {
    const text = texts[node];
    if (options !== both) await insert(rig[node], text ?? '');
    else await rig[node].query(text === null ? 'delete from record' : `update record set text = '${text}'`);
  }
  return rig;
}

/** The only one, met by the link that is named. */
async function conflictOf(rig: LinkRig, link: string): Promise<string> {
  await drain(await rig.engine(link));
  await settle(rig);
  const found = await rig.snk.conflicts();
  expect(found.map((each) => each.link)).toEqual([link]);
  return found[0]?.id ?? '';
}

describe('a version that is kept', () => {
  const texts = { a: 'of a', b: 'of b' };

  for (const link of ['a->b', 'b->a']) {
    test.each(['a', 'b'] as const)(`by ${link} is the row of both nodes: that of %s`, async (keep) => {
      const rig = await clashed(texts);
      const number = await conflictOf(rig, link);
      expect(await rows(rig.b)).toEqual(['of a']);
      await rig.snk.resolveConflict(link, number, { keep });
      await settle(rig);
      for (const each of [rig.a, rig.b]) expect(await rows(each)).toEqual([texts[keep]]);
      expect(await rig.snk.conflicts()).toEqual([]);
    });
  }

  test.each(['a', 'b'] as const)('may be that there is no row: %s deleted it', async (deleter) => {
    for (const keep of ['a', 'b'] as const) {
      const rig = await clashed({ ...texts, [deleter]: null });
      const number = await conflictOf(rig, 'a->b');
      await rig.snk.resolveConflict('a->b', number, { keep });
      await settle(rig);
      for (const each of [rig.a, rig.b])
        expect(await rows(each)).toEqual(keep === deleter ? [] : [texts[keep]]);
    }
  });

  test('is written as by an application, at the node of the conflict', async () => {
    const rig = await clashed(texts);
    const number = await conflictOf(rig, 'a->b');
    for (const each of [rig.a, rig.b]) await each.query('delete from snk.change_log');
    await rig.snk.resolveConflict('a->b', number, { keep: 'b' });
    expect(await rig.b.query('select op, uuid_keys as keys from snk.change_log')).toEqual([
      { op: 'U', keys: [id(1)] },
    ]);
    expect(await rig.a.query('select from snk.change_log')).toEqual([]);
    expect(await rows(rig.a)).toEqual(['of a']);
  });

  test.each(['a', 'b'] as const)(
    'is written on both nodes by the engine where inserts alone travel: that of %s',
    async (keep) => {
      const rig = await clashed(texts, insertsAlone);
      await drain(await rig.engine('a->b'));
      const [conflict] = await rig.snk.conflicts();
      for (const each of [rig.a, rig.b]) await each.query('delete from snk.change_log');
      await rig.snk.resolveConflict('a->b', conflict?.id ?? '', { keep });
      for (const each of [rig.a, rig.b]) {
        expect(await rows(each)).toEqual([texts[keep]]);
        expect(await each.query('select from snk.change_log')).toEqual([]);
      }
    },
  );

  test('comes back where the row is gone, also where inserts alone travel', async () => {
    const rig = await clashed(texts, insertsAlone);
    await drain(await rig.engine('a->b'));
    const [conflict] = await rig.snk.conflicts();
    await rig.a.query('delete from record');
    await expect(rig.snk.resolveConflict('a->b', conflict?.id ?? '', { keep: 'b' })).rejects.toMatchObject({
      code: 'SNK_CONFLICT_STALE',
    });
    await rig.snk.resolveConflict('a->b', conflict?.id ?? '', { keep: 'b', force: true });
    for (const each of [rig.a, rig.b]) expect(await rows(each)).toEqual(['of b']);
  });

  test('of a target whose source alone may change rows is written at the source, and travels from there', async () => {
    const rig = await linkRig({
      links: [{ from: 'a', to: 'b', tables: ['public.record'], on: everything }],
    });
    await rig.a.unseen(`insert into record values ('${id(1)}', 'of a')`);
    await insert(rig.b, 'of b');
    const number = await conflictOf(rig, 'a->b');
    expect(await rows(rig.b)).toEqual(['of a']);
    await rig.snk.resolveConflict('a->b', number, { keep: 'b' });
    expect(await rows(rig.a)).toEqual(['of b']);
    expect(await rows(rig.b)).toEqual(['of a']);
    await settle(rig);
    expect(await rows(rig.b)).toEqual(['of b']);
  });

  test.each([both, insertsAlone])(
    'is equal as stored, with types and identities of any kind',
    async (options) => {
      const [link] = options.links ?? [];
      const rig = await linkRig({
        tables: `create table item (
        "K 1" numeric, k2 text, no bigint generated always as identity, j json, l integer[], x bytea,
        short varchar(3), f float8, "Sum" integer generated always as (cardinality(l)) stored, at timestamptz, primary key ("K 1", k2))`,
        links: [{ ...link, tables: ['public.item'] } as NonNullable<RigOptions['links']>[number]],
      });
      await settle(rig);
      const values = {
        a: `1.50, 'k', 7, '{"a":  1}', '{1,2}', '\\xff00', 'abc', 0.1::float8 + 0.2, '2026-01-02 03:04:05.678901+02'`,
        b: `1.5, 'k', 8, '[ 2 ]', '{3}', null, null, 'NaN', 'infinity'`,
      };
      for (const node of ['a', 'b'] as const)
        await rig[node].query(
          `insert into item ("K 1", k2, no, j, l, x, short, f, at) overriding system value values (${values[node]})`,
        );
      const whole = async (database: TestDatabase) =>
        await database.query('select t::text as row from item t');
      const [before] = await whole(rig.b);
      await drain(await rig.engine('b->a'));
      if (options === both) await settle(rig);
      const [conflict] = await rig.snk.conflicts();
      // An identity that is there stays what it is; here a row that was deleted since brings its own.
      for (const each of [rig.a, rig.b]) await each.query('delete from item');
      await settle(rig);
      await rig.snk.resolveConflict('b->a', conflict?.id ?? '', { keep: 'b', force: true });
      await settle(rig);
      expect(await whole(rig.a)).toEqual([before]);
      expect(await whole(rig.b)).toEqual([before]);
    },
  );

  test('leaves the identity that the row of a node has', async () => {
    const rig = await linkRig({
      tables: `create table item (id uuid primary key, no bigint generated always as identity, text text)`,
      links: [{ between: ['a', 'b'], tables: ['public.item'] }],
    });
    await settle(rig);
    await rig.a.query(`insert into item (id, text) values ('${id(1)}', 'of a')`);
    await rig.b.query(
      `insert into item (id, no, text) overriding system value values ('${id(1)}', 5, 'of b')`,
    );
    await drain(await rig.engine('b->a'));
    const [conflict] = await rig.snk.conflicts();
    await rig.snk.resolveConflict('b->a', conflict?.id ?? '', { keep: 'b' });
    const whole = async (database: TestDatabase) =>
      await database.query('select no::integer as no, text from item');
    expect(await whole(rig.a)).toEqual([{ no: 1, text: 'of b' }]);
    expect(await whole(rig.b)).toEqual([{ no: 5, text: 'of b' }]);
  });

  test('is written under the names that each node has for its table and its columns', async () => {
    const rig = await clashed(texts, insertsAlone);
    await drain(await rig.engine('a->b'));
    const [conflict] = await rig.snk.conflicts();
    await rig.a.query(`create table note (key uuid primary key, body text, "constructor" text)`);
    await rig.a.query(`insert into note values ('${id(1)}', 'of a', 'x')`);
    const [link] = rig.config.links as [Link];
    const [flow] = link.flows as [Flow];
    const mapped = { ...flow, from: 'public.note', columns: { uuid: 'key', text: 'body' } };
    await resolveConflict([], { ...link, flows: [mapped] }, (node) => rig.orm(node), conflict?.id ?? '', {
      keep: 'b',
    });
    expect(await rows(rig.b)).toEqual(['of b']);
    expect(await rig.a.query('select body from note')).toEqual([{ body: 'of b' }]);
  });
});

describe('a conflict that was settled by hand', () => {
  test('is counted and listed no more, unless all are asked for', async () => {
    const rig = await clashed({ a: 'of a', b: 'of b' });
    const number = await conflictOf(rig, 'a->b');
    const counted = async () => (await rig.snk.status()).links.map((link) => link.conflicts);
    expect(await counted()).toEqual([1, 0]);
    await rig.snk.resolveConflict('a->b', number, { keep: 'b' });
    expect(await counted()).toEqual([0, 0]);
    expect(await rig.snk.conflicts()).toEqual([]);
    expect(await rig.snk.conflicts('a->b', { all: true })).toMatchObject([
      { id: number, kept: 'b', resolvedAt: expect.any(String) },
    ]);
    await expect(rig.snk.resolveConflict('a->b', number, { keep: 'a' })).rejects.toMatchObject({
      code: 'SNK_USAGE',
      message: `conflict ${number} of link a->b has been settled for b`,
    });
  });

  test('is another one when the same versions clash again', async () => {
    const rig = await clashed({ a: 'of a', b: 'of b' });
    const number = await conflictOf(rig, 'a->b');
    await rig.snk.resolveConflict('a->b', number, { keep: 'b' });
    await settle(rig);
    await rig.a.query(`update record set text = 'of a'`);
    await rig.b.query(`update record set text = 'of b'`);
    expect(await conflictOf(rig, 'a->b')).not.toBe(number);
  });
});

describe('a conflict is not settled by hand', () => {
  const cases: [string, (rig: LinkRig) => Promise<unknown>, string, { keep?: string; id?: string }][] = [
    ['that there is not', async () => undefined, 'SNK_USAGE', { id: '99' }],
    ['for a node that is no end of the link', async () => undefined, 'SNK_USAGE', { keep: 'c' }],
    ['whose table is gone', async ({ a }) => await a.query('drop table record'), 'SNK_SCHEMA_DRIFT', {}],
    [
      'whose column is gone',
      async ({ b }) => await b.query('alter table record drop column text'),
      'SNK_SCHEMA_DRIFT',
      {},
    ],
    [
      'when the row of its node has become another one',
      async ({ b }) => await b.query(`update record set text = 'other'`),
      'SNK_CONFLICT_STALE',
      {},
    ],
    [
      'when the row of the other node has become another one',
      async ({ a }) => await a.query(`update record set text = 'other'`),
      'SNK_CONFLICT_STALE',
      {},
    ],
    [
      'when the row has been deleted',
      async ({ b }) => await b.query('delete from record'),
      'SNK_CONFLICT_STALE',
      {},
    ],
  ];

  for (const options of [both, insertsAlone]) {
    test.each(cases)(
      `%s (${options === both ? 'changes' : 'inserts'} travel)`,
      async (_, change, code, given) => {
        const rig = await clashed({ a: 'of a', b: 'of b' }, options);
        await drain(await rig.engine('a->b'));
        await change(rig);
        const [conflict] = await rig.snk.conflicts('a->b');
        const before = await Promise.all([rig.a, rig.b].map(contents));
        await expect(
          rig.snk.resolveConflict('a->b', given.id ?? conflict?.id ?? '', { keep: given.keep ?? 'b' }),
        ).rejects.toMatchObject({ code });
        expect(await rig.snk.conflicts('a->b')).toHaveLength(1);
        expect(await Promise.all([rig.a, rig.b].map(contents))).toEqual(before);
      },
    );
  }

  const contents = async (database: TestDatabase) =>
    await database.query('select t::text as row from record t').catch(() => 'no table');

  test('when the row has become another one, unless that is said to be meant', async () => {
    const rig = await clashed({ a: 'of a', b: 'of b' });
    const number = await conflictOf(rig, 'a->b');
    await rig.b.query(`update record set text = 'other'`);
    await settle(rig);
    await rig.snk.resolveConflict('a->b', number, { keep: 'b', force: true });
    await settle(rig);
    for (const each of [rig.a, rig.b]) expect(await rows(each)).toEqual(['of b']);
  });

  test('while an application holds its row: it gives up, so that nobody waits behind it for long', async () => {
    const rig = await clashed({ a: 'of a', b: 'of b' });
    const number = await conflictOf(rig, 'a->b');
    const writer = await rig.b.connect();
    await writer.query(`begin; update record set text = 'held'`);
    let refused: unknown = null;
    rig.snk.resolveConflict('a->b', number, { keep: 'b' }).catch((error: unknown) => (refused = error));
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'snk:main:b'`;
    await waitUntil(async () => (await rig.b.query(waiting)).length === 1);
    await waitUntil(() => refused !== null, { timeout: 5_000 });
    expect(refused).toMatchObject({ message: expect.stringContaining('lock timeout') });
    await writer.query('rollback');
    await writer.end();
    await rig.snk.resolveConflict('a->b', number, { keep: 'b' });
    expect(await rows(rig.b)).toEqual(['of b']);
  });

  test('when the target refuses the version: nothing is written, and no value is told', async () => {
    const rig = await clashed({ a: 'of a', b: 'of b' }, insertsAlone);
    await drain(await rig.engine('a->b'));
    const [conflict] = await rig.snk.conflicts();
    await rig.a.query(`alter table record add constraint only_a check (text <> 'of b')`);
    const error: unknown = await rig.snk
      .resolveConflict('a->b', conflict?.id ?? '', { keep: 'b' })
      .catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('only_a');
    expect(String(error)).not.toContain('of b');
    expect(await rows(rig.b)).toEqual(['of a']);
    expect(await rig.snk.conflicts()).toHaveLength(1);
  });
});

describe('a version is written', () => {
  const flow = (on: Flow['on'], more: Partial<Flow> = {}): Flow => ({
    from: 'public.x',
    to: 'public.x',
    on,
    columns: null,
    set: {},
    where: null,
    identity: null,
    synced: null,
    passesOn: false,
    write: 'upsert',
    missing: 'skip',
    echo: false,
    map: null,
    conflict: 'priority',
    truncate: 'ignore',
    existing: 'conflict',
    files: {},
    bothWays: false,
    ...more,
  });
  const back = (on: Flow['on']): Link => ({
    name: 'b->a',
    source: 'b',
    target: 'a',
    winner: 'target',
    every: null,
    flows: [flow(on, { bothWays: true })],
  });
  const row = { x: 'x' };

  test.each([
    [
      'at the target, from where it travels',
      flow(everything, { bothWays: true }),
      back(everything),
      row,
      'target',
    ],
    [
      'at the target, also as a delete',
      flow(everything, { bothWays: true }),
      back(everything),
      null,
      'target',
    ],
    [
      'on both nodes, as a delete that does not travel',
      flow(['insert', 'update'], { bothWays: true }),
      back(['insert', 'update']),
      null,
      'both',
    ],
    [
      'at the source, when it travels there alone',
      flow(everything, { bothWays: true }),
      back(['insert']),
      row,
      'source',
    ],
    ['at the source, where there is no way back', flow(everything), undefined, row, 'source'],
    ['on both nodes, where inserts alone travel', flow(['insert']), undefined, row, 'both'],
    [
      'on both nodes, where not every row travels',
      flow(everything, { where: 'true' }),
      undefined,
      row,
      'both',
    ],
  ] as const)('%s', (_, forth, home, version, route) => {
    expect(routeOf(forth, home, version)).toBe(route);
  });
});
