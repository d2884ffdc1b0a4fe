import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  drain,
  id,
  linkRig,
  type LinkRig,
  openSnk,
  type RigOptions,
  settle,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig, type Config } from '../config/config.ts';
import { databasesOf, type ConflictPolicy, type LinkDeclaration } from '../topology/topology.ts';
import { openEngine } from './engine.ts';
import { retryParked } from './retry-parked.ts';
import { Turns } from './turns.ts';

const everything = ['insert', 'update', 'delete'] as const;

const pair = (
  one: string,
  other: string,
  { on = everything, conflict }: { on?: LinkDeclaration['on']; conflict?: ConflictPolicy } = {},
): LinkDeclaration => ({ between: [one, other], tables: ['public.record'], on, conflict });

/** b stands between the others. */
async function chain(
  how: { on?: LinkDeclaration['on']; conflict?: ConflictPolicy } = {},
  options: RigOptions = {},
): Promise<LinkRig> {
  const rig = await linkRig({ links: [pair('a', 'b', how), pair('b', 'c', how)], nodes: ['c'], ...options });
  await settle(rig);
  return rig;
}

const rows = async (database: TestDatabase): Promise<string[]> =>
  (
    await database.query<{ row: string }>(
      `select right(uuid::text, 3) || ' ' || text as row from record order by uuid`,
    )
  ).map(({ row }) => row);

async function expectEverywhere(rig: LinkRig, expected: readonly string[]): Promise<void> {
  for (const { name } of rig.config.nodes)
    expect([name, await rows(rig.other(name))]).toEqual([name, expected]);
}

const put = (n: number, text: string): string => `insert into record values ('${id(n)}', '${text}')`;
const change = (n: number, text: string): string =>
  `update record set text = '${text}' where uuid = '${id(n)}'`;

/** How many keys a link has brought. */
const brought = async (rig: LinkRig, link: string): Promise<number> => {
  const target = rig.config.links.find(({ name }) => name === link)?.target ?? '';
  const [found] = await rig
    .other(target)
    .query<{ keys: number }>(
      'select coalesce(sum(row_count), 0)::int as keys from snk.ledger where link = $1',
      [link],
    );
  return found?.keys ?? 0;
};

describe('what a node received', () => {
  test('reaches those behind it, and never goes back to where it came from', async () => {
    const rig = await chain();
    await rig.a.query(`insert into record select gen_random_uuid(), 'x' from generate_series(1, 200) n`);
    await rig.a.query(put(1, 'one'));
    await rig.a.query(put(2, 'two'));
    await rig.a.query(put(3, 'three'));
    await rig.a.query(`delete from record where text = 'x'`);
    await settle(rig);
    await rig.a.query(change(1, 'one!'));
    await rig.a.query(`delete from record where uuid = '${id(2)}'`);
    await rig.a.query(`update record set uuid = '${id(4)}' where uuid = '${id(3)}'`);
    await settle(rig);
    await expectEverywhere(rig, ['001 one!', '004 three']);
    await rig.other('c').query(change(4, 'of c'));
    await settle(rig);
    await expectEverywhere(rig, ['001 one!', '004 of c']);
    await rig.b.query(put(5, 'of b'));
    await settle(rig);
    await expectEverywhere(rig, ['001 one!', '004 of c', '005 of b']);
    // to a goes what is of c and of b, and nothing else
    expect(await brought(rig, 'b->a')).toBe(2);
    for (const each of [rig.a, rig.b, rig.other('c')])
      expect(await each.query('select from snk.conflict')).toEqual([]);
  });

  test('comes with the images of its rows where nothing but inserts travels', async () => {
    const rig = await chain({ on: ['insert'] });
    await rig.a.query(
      `insert into record select gen_random_uuid(), 'n' || n from generate_series(1, 3000) n`,
    );
    await drain(await rig.engine('a->b'));
    expect(
      await rig.b.query(
        'select distinct images is not null as imaged, origin is not null as received from snk.change_log',
      ),
    ).toEqual([{ imaged: true, received: true }]);
    await settle(rig);
    expect(await rows(rig.other('c'))).toEqual(await rows(rig.a));
    expect(await brought(rig, 'b->a')).toBe(0);
  });

  test('passes through more than one node, and through one-way links', async () => {
    const rig = await linkRig({
      links: [
        pair('a', 'b'),
        pair('b', 'c'),
        { from: 'c', to: 'd', tables: ['public.record'], on: everything },
      ],
      nodes: ['c', 'd'],
    });
    await settle(rig);
    await rig.a.query(put(1, 'one'));
    await rig.other('c').query(put(2, 'two'));
    await settle(rig);
    await expectEverywhere(rig, ['001 one', '002 two']);
    await rig.b.query('delete from record');
    await settle(rig);
    await expectEverywhere(rig, []);
  });

  test('is captured with its first copy', async () => {
    const rig = await linkRig({ links: [pair('a', 'b'), pair('b', 'c')], nodes: ['c'] });
    await rig.a.query(put(1, 'one'));
    // b's copy to c is done before a's to b is
    for (const link of ['b->c', 'c->b', 'a->b', 'b->a']) await drain(await rig.engine(link));
    await settle(rig);
    await expectEverywhere(rig, ['001 one']);
  });

  test('is not captured by triggers of a time without the third node: plan says that they are made anew', async () => {
    const rig = await linkRig({ links: [pair('a', 'b')], nodes: ['c'] });
    const nodes = Object.fromEntries(databasesOf(rig.config).map(({ name, url }) => [name, { url }]));
    const snk = openSnk(parseConfig({ nodes, links: [pair('a', 'b'), pair('b', 'c')] }));
    const toCapture = async (): Promise<unknown> =>
      (await snk.plan()).nodes.map(({ name, capture }) => [name, ...capture]);
    expect(await toCapture()).toEqual([['a'], ['b', 'public.record'], ['c', 'public.record']]);
    await snk.install();
    expect(await toCapture()).toEqual([['a'], ['b'], ['c']]);
  });

  test('is not captured where nobody is behind it', async () => {
    const rig = await chain();
    await rig.a.query(put(1, 'one'));
    await settle(rig);
    expect(await rig.other('c').query('select from snk.change_log')).toEqual([]);
  });
});

describe('a conflict', () => {
  test.each([
    ['priority', 'of a'],
    [{ column: 'text' }, 'of c'],
  ] as const)(
    'of two nodes that are not neighbours is settled by %j between them',
    async (conflict, winner) => {
      const rig = await chain({ conflict });
      await rig.a.query(put(1, 'old'));
      await settle(rig);
      await rig.a.query(change(1, 'of a'));
      await rig.other('c').query(change(1, 'of c'));
      await drain(await rig.engine('c->b'));
      await settle(rig);
      await expectEverywhere(rig, [`001 ${winner}`]);
      expect((await rig.snk.conflicts()).length).toBeGreaterThan(0);
    },
  );

  test('is won by the newest change, also when an older one comes a longer way', async () => {
    const rig = await chain({ conflict: 'newest' });
    await rig.b.query(put(1, 'old'));
    await rig.b.query(put(2, 'old'));
    await settle(rig);
    await rig.other('c').query(change(1, 'older'));
    await rig.other('c').query(`delete from record where uuid = '${id(2)}'`);
    await rig.a.query(change(1, 'newer'));
    await rig.a.query(change(2, 'newer'));
    // b hears of c's changes when a's are made: they are no newer for that
    await drain(await rig.engine('c->b'));
    await settle(rig);
    await expectEverywhere(rig, ['001 newer', '002 newer']);
  });

  test('goes by the time of the last change, also where an earlier page has brought its row', async () => {
    const rig = await chain({ conflict: 'newest' });
    await rig.b.query(put(1, 'old'));
    await settle(rig);
    await rig.a.query(change(1, 'first'));
    await rig.other('c').query(`delete from record where uuid = '${id(1)}'`);
    await rig.a.query(change(1, 'last'));
    await drain(await rig.engine('a->b'), { page: { keys: 1, logRows: 5_000 } });
    await settle(rig);
    await expectEverywhere(rig, ['001 last']);
  });

  test('keeps the times of what is passed on, however many rows were changed at once', async () => {
    const rig = await chain({ conflict: 'newest' });
    await rig.a.query(`insert into record select gen_random_uuid(), 'n' from generate_series(1, 2500) n`);
    await settle(rig);
    const times = async (at: TestDatabase): Promise<unknown> =>
      await at.query(
        `select l.at, k.key from snk.change_log l cross join unnest(l.uuid_keys) as k (key) where l.op = 'U' order by 1, 2`,
      );
    await rig.a.query(`update record set text = 'x'`);
    await rig.a.query(`update record set text = 'y' where uuid > '80000000-0000-0000-0000-000000000000'`);
    const last = await rig.a.query(
      `select max(l.at) as at, k.key from snk.change_log l cross join unnest(l.uuid_keys) as k (key) where l.op = 'U' group by k.key order by 1, 2`,
    );
    await drain(await rig.engine('a->b'));
    expect(last).toHaveLength(2500);
    expect(await times(rig.b)).toEqual(last);
    await settle(rig);
    expect(await rows(rig.other('c'))).toEqual(await rows(rig.a));
  });

  test('that a change has lost goes no further: those behind know nothing of it', async () => {
    const rig = await chain({ conflict: 'newest' });
    await rig.b.query(put(1, 'old'));
    await settle(rig);
    await rig.a.query(change(1, 'late'));
    await rig.b.query(change(1, 'of b'));
    await drain(await rig.engine('b->c'));
    await rig.other('c').query(change(1, 'of c'));
    await drain(await rig.engine('a->b'));
    await settle(rig);
    await expectEverywhere(rig, ['001 of c']);
    expect(await rig.b.query('select from snk.conflict')).toHaveLength(1);
    expect(await rig.other('c').query('select from snk.conflict')).toEqual([]);
  });

  test('of rows that were inserted under one key ends alike everywhere', async () => {
    const rig = await chain({ on: ['insert'] });
    await rig.a.query(put(1, 'of a'));
    await rig.other('c').query(put(1, 'of c'));
    await drain(await rig.engine('c->b'));
    await settle(rig);
    await expectEverywhere(rig, ['001 of a']);
    await rig.b.query(put(2, 'of b'));
    await rig.other('c').query(put(2, 'of c'));
    await drain(await rig.engine('c->b'));
    await settle(rig);
    await expectEverywhere(rig, ['001 of a', '002 of b']);
  });
});

/** What was configured before c was linked to b. */
const before = ({ a, b }: LinkRig): Config =>
  parseConfig({ nodes: { b: { url: b.url }, a: { url: a.url } }, links: [pair('a', 'b')] });

describe('a node that begins to pass on', () => {
  test('is no hindrance to a process that does not know of it', async () => {
    const rig = await chain();
    await rig.a.query(put(1, 'old'));
    await settle(rig);
    const older = async (name: string): Promise<unknown> => {
      const link = before(rig).links.find((each) => each.name === name);
      if (link === undefined) throw new Error('there is a link');
      return await drain(
        await openEngine(link, rig.orm(link.source), rig.orm(link.target), randomUUID, new Turns()),
      );
    };
    await rig.a.query(change(1, 'new'));
    await older('a->b');
    await rig.a.query(change(1, 'newer'));
    await older('a->b');
    await older('b->a');
    await settle(rig);
    await expectEverywhere(rig, ['001 newer']);
    expect(await brought(rig, 'b->a')).toBe(0);
    expect(await rig.snk.conflicts()).toEqual([]);
  });

  test('waits for what is being written there: it would be neither in the log nor in the first copy', async () => {
    const rig = await bareRig({ links: [pair('a', 'b'), pair('b', 'c')], nodes: ['c'] });
    await openSnk(before(rig)).install();
    const [node] = await rig.a.query<{ id: string }>('select node_id as id from snk.node');
    const engine = await rig.b.connect();
    await engine.query(`begin; select set_config('snk.origin', '${node?.id}', true); ${put(1, 'one')}`);
    let installed = false;
    const installing = rig.snk.install().then(() => (installed = true));
    const isRefused = async (): Promise<boolean> =>
      (await rig.b.query('select from pg_locks where not granted')).length > 0;
    await waitUntil(async () => installed || (await isRefused()));
    expect(installed).toBe(false);
    await engine.query('commit');
    await installing;
    await settle(rig);
    await expectEverywhere(rig, ['001 one']);
  });
});

describe('a row that a node behind refuses', () => {
  test('is sent once more to that node alone: to the others it is no change, which would win over theirs', async () => {
    const rig = await linkRig({ links: [pair('a', 'b'), pair('a', 'c')], nodes: ['c'] });
    await rig.other('c').query(`alter table record add constraint good check (text <> 'bad')`);
    await settle(rig);
    await rig.b.query(put(1, 'bad'));
    await settle(rig);
    const retry = async (): Promise<void> => {
      await rig.other('c').query('update snk.parked set retry_at = clock_timestamp()');
      await retryParked(await rig.engine('a->c'));
    };
    await rig.b.query(change(1, 'bad again'));
    await retry();
    await rig.other('c').query('alter table record drop constraint good');
    const before = await brought(rig, 'a->b');
    await settle(rig);
    await expectEverywhere(rig, ['001 bad again']);
    expect(await rig.snk.conflicts()).toEqual([]);
    expect(await brought(rig, 'a->b')).toBe(before);
  });

  test('comes with the next try, and wins over what that node has made of it meanwhile', async () => {
    const rig = await linkRig({ links: [pair('a', 'b'), pair('a', 'c')], nodes: ['c'] });
    await rig.other('c').query(`alter table record add constraint good check (text <> 'bad')`);
    await rig.b.query(put(1, 'old'));
    await settle(rig);
    await rig.b.query(change(1, 'bad'));
    await settle(rig);
    await rig.other('c').query('alter table record drop constraint good');
    await rig.other('c').query('update snk.parked set retry_at = clock_timestamp()');
    await retryParked(await rig.engine('a->c'));
    await rig.other('c').query(change(1, 'of c'));
    await settle(rig);
    await expectEverywhere(rig, ['001 bad']);
  });
});

describe('a row that the node in the middle refuses', () => {
  test('is not passed on as if it had come, nor its time', async () => {
    const rig = await chain({ conflict: 'newest' });
    await rig.b.query(`alter table record add check (text <> 'bad')`);
    await rig.b.query(put(1, 'old'));
    await settle(rig);
    await rig.other('c').query(change(1, 'of c'));
    await rig.a.query(change(1, 'bad'));
    expect(await drain(await rig.engine('a->b'))).toMatchObject({ parked: 1 });
    expect(await drain(await rig.engine('c->b'))).toMatchObject({ conflicts: 0 });
    expect(await rows(rig.b)).toEqual(['001 of c']);
  });

  test('may have a key that is none there', async () => {
    const links = [pair('a', 'b'), pair('b', 'c')].map((link) => ({
      ...link,
      tables: ['t'],
      conflict: 'newest' as const,
    }));
    const rig = await bareRig({ links, nodes: ['c'] });
    for (const { name } of rig.config.nodes) {
      const kinds = name === 'b' ? `('x')` : `('x', 'y')`;
      await rig
        .other(name)
        .query(`create type kind as enum ${kinds}; create table t (k kind primary key, v text)`);
    }
    await rig.snk.install();
    await settle(rig);
    await rig.a.query(`insert into t values ('x', 'old')`);
    await settle(rig);
    await rig.a.query(`update t set v = 'new'; insert into t values ('y', 'new')`);
    expect(await settle(rig)).toMatchObject({ parked: 1 });
    expect(await rig.other('c').query('select * from t')).toEqual([{ k: 'x', v: 'new' }]);
  });
});

test('what is settled where inserts alone travel reaches those to whom they travel on, also beside one to whom all does', async () => {
  const insertsAlone = { on: ['insert'] as const };
  const rig = await linkRig({
    links: [
      pair('a', 'b', insertsAlone),
      pair('b', 'c', insertsAlone),
      { from: 'b', to: 'd', tables: ['public.record'], on: everything },
    ],
    nodes: ['c', 'd'],
  });
  await settle(rig);
  await rig.a.query(put(1, 'of a'));
  await rig.other('c').query(put(1, 'of c'));
  await drain(await rig.engine('c->b'));
  await settle(rig);
  await expectEverywhere(rig, ['001 of a']);
});
