import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  linkRig,
  type LinkRig,
  type RigOptions,
  settle,
  shareDatabases,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import type { FlowOptions } from '../topology/topology.ts';
import type { RepairOptions, RepairReport } from './repair.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;
const tables = 'create table t (id integer primary key, x text)';

/** Two databases, their links' first copies done. */
async function rigOf(links: RigOptions['links'], a = tables, b = a): Promise<LinkRig> {
  const rig = await bareRig(links === undefined ? {} : { links });
  await rig.a.query(a);
  await rig.b.query(b);
  await rig.snk.install();
  await settle(rig);
  return rig;
}

const both = (more: object = {}): RigOptions['links'] => [
  { between: ['a', 'b'], flows: [{ from: 't', ...more }] } as never,
];
const oneWay = (flow: Omit<FlowOptions, 'from'> = {}, from = 'a', to = 'b'): RigOptions['links'] => [
  { from, to, flows: [{ from: 't', ...flow }] },
];

const rows = async (database: TestDatabase, text = 'select id, x from t order by id'): Promise<string[]> =>
  (await database.query<Record<string, unknown>>(text)).map((row) => Object.values(row).join(' '));

const logged = async (database: TestDatabase): Promise<string[]> =>
  (
    await database.query<{ op: string; keys: string[] }>(
      'select op::text as op, keys from snk.change_log order by seq',
    )
  ).map(({ op, keys }) => `${op} ${keys.join(' ')}`);

const brief = (report: RepairReport): string[] =>
  report.tables.flatMap((table) =>
    table.rows
      .map(
        ({ key, kind, at, outcome, node }) =>
          `${Object.values(key).join(',')} ${kind} ${at}: ${outcome}${node === null ? '' : ` ${node}`}`,
      )
      .toSorted(),
  );
const whys = (report: RepairReport): (string | null)[] =>
  report.tables.flatMap((table) => table.rows.map((row) => row.why));

/** Logs what differs, and lets the links carry it. */
async function repair(rig: LinkRig, options: RepairOptions = {}): Promise<RepairReport> {
  const report = await rig.snk.repair({ patience: 10, wait: false, ...options });
  await settle(rig);
  return report;
}

const conflicts = async (rig: LinkRig): Promise<string[]> =>
  (
    await Promise.all(
      [rig.a, rig.b].map((database) =>
        rows(
          database,
          `select key->>'id' as id, source_row->>'x' as source, target_row->>'x' as target, winner from snk.conflict order by 1, 2, 3`,
        ),
      ),
    )
  ).flat();

const isEqual = async (rig: LinkRig): Promise<boolean> => (await rig.snk.verify({ patience: 10 })).equal;

/** The same four rows on both sides, and then one more on a, one less, and one other. */
async function threeDiffer(links: RigOptions['links']): Promise<LinkRig> {
  const rig = await rigOf(links);
  await rig.a.query(`insert into t select n, 'same' from generate_series(1, 4) n`);
  await settle(rig);
  await rig.b.unseen(
    `delete from t where id = 1; update t set x = 'of b' where id = 2; insert into t values (5, 'b has it')`,
  );
  return rig;
}

describe('repair of a pair that carries everything', () => {
  test('from one side makes the other what it is: adds, changes, deletes', async () => {
    const rig = await threeDiffer(both({ on: everything }));
    const report = await repair(rig, { from: 'a' });
    expect(brief(report)).toEqual([
      '1 missing b: add b',
      '2 different b: overwrite b',
      '5 missing a: delete b',
    ]);
    expect(report).toMatchObject({
      dryRun: false,
      equal: false,
      tables: [{ links: ['a->b', 'b->a'], left: null }],
    });
    expect(await rows(rig.b)).toEqual(['1 same', '2 same', '3 same', '4 same']);
    expect(await rows(rig.a)).toEqual(await rows(rig.b));
    expect(await repair(rig, { from: 'a' })).toMatchObject({ equal: true, tables: [{ rows: [], left: [] }] });
  });

  test('from the other side makes the first what that is, though conflicts would be won by the first', async () => {
    const rig = await threeDiffer(both({ on: everything }));
    const report = await repair(rig, { from: 'b' });
    expect(brief(report)).toEqual([
      '1 missing b: delete a',
      '2 different b: overwrite a',
      '5 missing a: add a',
    ]);
    expect(await rows(rig.a)).toEqual(['2 of b', '3 same', '4 same', '5 b has it']);
    expect(await isEqual(rig)).toBe(true);
  });

  test('by the policy settles as a conflict is settled, and keeps what goes', async () => {
    const rig = await threeDiffer(both({ on: everything }));
    const report = await repair(rig, { from: 'policy' });
    expect(brief(report)).toEqual([
      '1 missing b: add b',
      '2 different b: overwrite b',
      '5 missing a: delete b',
    ]);
    expect(report.tables[0]?.rows.map((row) => row.keeps)).toEqual([false, true, true]);
    expect(await rows(rig.b)).toEqual(['1 same', '2 same', '3 same', '4 same']);
    expect(await isEqual(rig)).toBe(true);
    // Each side may have met it.
    expect(new Set((await conflicts(rig)).map((each) => each.split(' ')[0]))).toEqual(new Set(['2', '5']));
    expect((await conflicts(rig)).join()).toContain('of b');
    expect((await conflicts(rig)).join()).toContain('b has it');
  });

  test('deletes nothing while nobody has said who is right', async () => {
    const rig = await threeDiffer(both({ on: everything }));
    const report = await repair(rig);
    expect(brief(report)).toEqual(['1 missing b: add b', '2 different b: overwrite b', '5 missing a: none']);
    expect(whys(report)[2]).toBe(
      'by the policy it would be deleted at b: say --from policy for that, --from b to add it at a, --from a to delete it',
    );
    expect(await rows(rig.b)).toEqual(['1 same', '2 same', '3 same', '4 same', '5 b has it']);
  });

  test('says what it would do, and does nothing, when it runs dry', async () => {
    const rig = await threeDiffer(both({ on: everything }));
    const before = [await logged(rig.a), await logged(rig.b)];
    const report = await repair(rig, { from: 'policy', dryRun: true });
    expect(report).toMatchObject({ dryRun: true, equal: false, tables: [{ left: null, waitingFor: [] }] });
    expect(brief(report)).toHaveLength(3);
    expect([await logged(rig.a), await logged(rig.b)]).toEqual(before);
    expect(await rows(rig.b)).toHaveLength(4);
  });

  test('without deletes adds what one side lacks, whoever would win', async () => {
    const rig = await threeDiffer(both({ on: ['insert', 'update'] }));
    const forced = await repair(rig, { from: 'a', dryRun: true });
    expect(brief(forced)).toContain('5 missing a: none');
    expect(whys(forced)).toContain('a has no such row, and deletes do not travel to b');
    const report = await repair(rig);
    expect(brief(report)).toEqual(['1 missing b: add b', '2 different b: overwrite b', '5 missing a: add a']);
    expect(await isEqual(rig)).toBe(true);
    expect(await rows(rig.a)).toEqual(['1 same', '2 same', '3 same', '4 same', '5 b has it']);
  });

  test('does not undo what is changed meanwhile', async () => {
    const rig = await threeDiffer(both({ on: everything }));
    await rig.snk.repair({ patience: 10, wait: false, from: 'b' });
    // logged on b, not carried yet; the first node's change is one that b does not know of
    await rig.a.query(`update t set x = 'newer' where id = 2`);
    await settle(rig);
    expect(await rows(rig.a)).toEqual(['2 newer', '3 same', '4 same', '5 b has it']);
    expect(await isEqual(rig)).toBe(true);
  });

  test('locks the rows that may lose until both logs know of them, or the version there would be gone unseen', async () => {
    const rig = await rigOf(both({ on: everything }));
    await rig.a.query(`insert into t values (1, 'same')`);
    await settle(rig);
    await rig.b.unseen(`update t set x = 'of b'`);
    const other = await rig.a.connect();
    onTestFinished(async () => await other.end());
    await other.query('begin; lock table snk.change_log in exclusive mode');
    const repairing = rig.snk.repair({ patience: 10, wait: false, from: 'policy' });
    await waitUntil(
      async () =>
        (
          await rig.a.query(
            `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'snk:main:a' and query ~ 'change_log'`,
          )
        ).length > 0,
    );
    const refused = await rig.b.query('select from t for update nowait').then(
      () => null,
      (error: unknown) => error,
    );
    await other.query('rollback');
    await repairing;
    expect(refused).toMatchObject({ code: '55P03' });
    await settle(rig);
    expect(await isEqual(rig)).toBe(true);
  });

  test('leaves rows alone that an application keeps locked, and says so', async () => {
    const rig = await threeDiffer(both({ on: everything }));
    const before = await logged(rig.a);
    const other = await rig.b.connect();
    onTestFinished(async () => await other.end());
    await rig.b.unseen(`delete from t where id = 5; insert into t values (1, 'same')`);
    await other.query('begin; select from t where id = 2 for update');
    await expect(rig.snk.repair({ patience: 10, from: 'policy' })).rejects.toMatchObject({
      code: 'SNK_LOCK_NOT_AVAILABLE',
      message: expect.stringContaining('lock rows of public.t on b'),
    });
    await other.query('rollback');
    expect(await logged(rig.a)).toEqual(before);
  });
});

describe('repair by a policy of its own', () => {
  test.each<[string, object, string[], string[]]>([
    [
      'newest',
      { conflict: 'newest' },
      ['2 different b: overwrite b', '5 missing a: delete b'],
      ['1 same', '2 same'],
    ],
    [
      'a column',
      { conflict: { column: 'x' } },
      ['2 different b: settle', '5 missing a: add a'],
      ['1 same', '2 zz'],
    ],
  ])('%s settles it', async (_, more, outcomes, expected) => {
    const rig = await rigOf(both({ on: everything, ...more }));
    await rig.a.query(`insert into t values (1, 'same'), (2, 'same')`);
    await settle(rig);
    await rig.b.unseen(`update t set x = 'zz' where id = 2; insert into t values (5, 'b has it')`);
    const report = await repair(rig, { from: 'policy' });
    expect(brief(report)).toEqual(outcomes);
    expect((await rows(rig.a)).slice(0, 2)).toEqual(expected);
    expect(await isEqual(rig)).toBe(true);
    expect((await conflicts(rig)).some((each) => each.startsWith('2 '))).toBe(true);
  });

  test('of the newest change takes none for the newer one, whichever clock is ahead', async () => {
    const rig = await rigOf(both({ on: everything, conflict: 'newest' }));
    await rig.a.query(`insert into t values (1, 'same')`);
    await settle(rig);
    await rig.b.unseen(`update t set x = 'of b'`);
    await rig.b.query(`update snk.capture_gate set clock_floor = clock_timestamp() + interval '1 hour'`);
    await repair(rig, { from: 'policy' });
    expect(await rows(rig.a)).toEqual(['1 same']);
    expect(await isEqual(rig)).toBe(true);
  });

  test('a function settles it', async () => {
    const module = new URL('../../test/fixtures/choose-version.ts', import.meta.url).pathname;
    const rig = await rigOf(both({ on: everything, conflict: { function: `${module}#byText` } }));
    await rig.a.query(`insert into t values (1, 'much longer')`);
    await settle(rig);
    await rig.b.unseen(`update t set x = 'short'; insert into t values (5, 'b has it')`);
    expect(brief(await repair(rig, { dryRun: true }))).toEqual([
      '1 different b: settle',
      '5 missing a: none',
    ]);
    expect(brief(await repair(rig, { from: 'policy' }))).toEqual([
      '1 different b: settle',
      '5 missing a: settle',
    ]);
    expect(await rows(rig.a)).toEqual(['1 short']);
    expect(await isEqual(rig)).toBe(true);
  });

  test('to stop is left to a person, who can say which side is right', async () => {
    const rig = await threeDiffer(both({ on: everything, conflict: 'stop' }));
    expect(brief(await repair(rig, { from: 'policy' }))).toEqual([
      '1 missing b: none',
      '2 different b: none',
      '5 missing a: none',
    ]);
    await repair(rig, { from: 'b' });
    expect(await rows(rig.a)).toEqual(['2 of b', '3 same', '4 same', '5 b has it']);
    expect(await isEqual(rig)).toBe(true);
  });
});

describe('repair where only inserts travel', () => {
  test('adds what either side lacks, and lets the first node win where both hold a key', async () => {
    const rig = await threeDiffer(both());
    const report = await repair(rig);
    expect(brief(report)).toEqual(['1 missing b: add b', '2 different b: overwrite b', '5 missing a: add a']);
    expect(await rows(rig.b)).toEqual(['1 same', '2 same', '3 same', '4 same', '5 b has it']);
    expect(await isEqual(rig)).toBe(true);
    expect((await conflicts(rig)).join()).toContain('of b');
  });

  test('says what cannot be done from the side that would lose', async () => {
    const rig = await threeDiffer(both());
    const report = await repair(rig, { from: 'b' });
    expect(brief(report)).toEqual(['1 missing b: none', '2 different b: none', '5 missing a: add a']);
    expect(whys(report)).toEqual([
      'b has no such row, and deletes do not travel to a',
      'only inserts travel, and where both hold a key a wins',
      null,
    ]);
    expect(await rows(rig.a)).toEqual(['1 same', '2 same', '3 same', '4 same', '5 b has it']);
    expect(report.equal).toBe(false);
  });

  test.each([
    ['a', 'b', 'overwrite b', ['1 of source', '2 of source']],
    ['b', 'a', 'none', ['1 of source', '2 of target']],
  ])('from %s to %s alone: what differs is %s', async (from, to, outcome, expected) => {
    const rig = await rigOf(oneWay({}, from, to));
    const [source, target] = [rig.other(from), rig.other(to)];
    await source.query(`insert into t values (1, 'of source'), (2, 'of source')`);
    await settle(rig);
    await target.unseen(`delete from t where id = 1; update t set x = 'of target'`);
    const report = await repair(rig);
    expect(brief(report)).toEqual([`1 missing ${to}: add ${to}`, `2 different ${to}: ${outcome}`]);
    expect(await rows(target)).toEqual(expected);
  });

  test('or inserts and deletes: each by what it was', async () => {
    const rig = await threeDiffer(both({ on: ['insert', 'delete'] }));
    expect(brief(await repair(rig, { from: 'a' }))).toEqual([
      '1 missing b: add b',
      '2 different b: overwrite b',
      '5 missing a: delete b',
    ]);
    expect((await logged(rig.a)).slice(-2)).toEqual(['I {1,2}', 'D {5}']);
    expect(await rows(rig.b)).toEqual(['1 same', '2 same', '3 same', '4 same']);
  });
});

describe('repair of a flow in one direction', () => {
  test('is from its source, and from nowhere else', async () => {
    const rig = await rigOf(oneWay({ on: everything }));
    await rig.a.query(`insert into t values (1, 'x')`);
    await settle(rig);
    await rig.b.unseen('delete from t');
    await expect(rig.snk.repair({ from: 'b' })).rejects.toMatchObject({
      code: 'SNK_USAGE',
      message: 'public.t of b is written by a->b and travels nowhere from there',
    });
    await expect(rig.snk.repair({ from: 'c' })).rejects.toMatchObject({
      code: 'SNK_USAGE',
      message: `there is no node 'c'; there are a, b`,
    });
    for (const from of ['a', 'policy', undefined])
      expect(brief(await repair(rig, { from, dryRun: true }))).toEqual(['1 missing b: add b']);
    await repair(rig, { from: 'a' });
    expect(await isEqual(rig)).toBe(true);
  });

  test('of a hub looks at the pairs that the node has a part in, and names who else carries it', async () => {
    const rig = await linkRig({
      nodes: ['c'],
      tables,
      links: [
        { from: 'a', to: 'b', tables: ['t'], on: everything },
        { from: 'a', to: 'c', tables: ['t'], on: everything },
        { from: 'c', to: 'b', tables: ['record'] },
      ],
    });
    await rig.a.query(`insert into t values (1, 'x'), (2, 'x')`);
    await settle(rig);
    await rig.b.unseen('delete from t where id = 1');
    await rig.other('c').unseen('delete from t where id = 2');
    const report = await repair(rig, { from: 'a' });
    expect(report.tables.map(({ links, also }) => [links, also])).toEqual([
      [['a->b'], ['a->c']],
      [['a->c'], ['a->b']],
    ]);
    expect(await isEqual(rig)).toBe(true);
    await expect(repair(rig, { from: 'c' })).rejects.toThrow('public.t of c is written by a->c');
    expect((await repair(rig, { from: 'c', tables: ['record'] })).tables.map((table) => table.links)).toEqual(
      [['c->b']],
    );
  });

  test('waits for the links that are at work, and says which are not', async () => {
    const rig = await rigOf(oneWay({ on: everything }));
    await rig.a.query(`insert into t values (1, 'x')`);
    await settle(rig);
    await rig.b.unseen('delete from t');
    expect(await rig.snk.repair({ patience: 10 })).toMatchObject({
      equal: false,
      tables: [{ waitingFor: [{ link: 'a->b', state: 'stopped' }], left: null }],
    });
    await rig.snk.pause('a->b');
    expect(await rig.snk.repair({ patience: 10 })).toMatchObject({
      tables: [{ waitingFor: [{ link: 'a->b', state: 'paused' }] }],
    });
    await rig.snk.resume('a->b');
    await settle(rig);
    expect(await rows(rig.b)).toEqual(['1 x']);
  });

  test('says so where nothing is captured', async () => {
    const rig = await rigOf(oneWay({ on: everything }));
    await rig.a.unseen(`insert into t values (1, 'x')`);
    await rig.a.query('update snk.capture_gate set is_open = false');
    await expect(rig.snk.repair({ patience: 10 })).rejects.toMatchObject({
      code: 'SNK_NOT_CAPTURED',
      message: 'a: nothing is captured of public.t',
    });
  });
});

describe('repair of a mapped flow', () => {
  test('finds the source under its own names, without the constants of the key, and the rows that travel', async () => {
    const rig = await rigOf(
      oneWay({
        to: 'u',
        columns: { number: 'id', label: 'x' },
        set: { tenant: 'one', loud: { sql: 'upper(x)' } },
        where: 'id < 10',
        on: everything,
      }),
      'create table t (part integer, id integer, x text, primary key (id, part))',
      `create table u (tenant text, number bigint, part integer, label text, loud text, own text, primary key (tenant, part, number))`,
    );
    const { a, b } = rig;
    await a.query(`insert into t select n % 2, n, 'row ' || n from generate_series(1, 12) n`);
    await settle(rig);
    await b.unseen(
      `delete from u where number = 3; update u set loud = 'wrong' where number = 4; update u set own = 'its own' where number = 5;
       insert into u values ('two', 3, 1, 'another tenant')`,
    );
    const report = await repair(rig);
    expect(report.tables[0]?.rows.map(({ key, outcome }) => [key, outcome])).toEqual([
      [{ tenant: 'one', part: '0', number: '4' }, 'overwrite'],
      [{ tenant: 'one', part: '1', number: '3' }, 'add'],
    ]);
    expect((await logged(a)).at(-1)).toBe('U {4,3} {0,1}');
    expect(
      await rows(b, `select tenant, number, loud, own from u where number in (3, 4, 5) order by 1, 2`),
    ).toEqual(['one 3 ROW 3 ', 'one 4 ROW 4 ', 'one 5 ROW 5 its own', 'two 3  ']);
    expect(await isEqual(rig)).toBe(true);
  });

  test('looks the source up where its key becomes another value', async () => {
    const rig = await rigOf(
      oneWay({ columns: { id: 'id', x: 'x' }, on: everything }),
      'create table t (id text primary key, x text)',
      'create table t (id integer primary key, x text)',
    );
    await rig.a.query(`insert into t values ('007', 'Bond'), (' 8', 'Bill'), ('9', 'Peter')`);
    await settle(rig);
    await rig.b.unseen(`delete from t where id in (7, 9); update t set x = 'other' where id = 8`);
    expect(brief(await repair(rig))).toEqual([
      '7 missing b: add b',
      '8 different b: overwrite b',
      '9 missing b: add b',
    ]);
    expect((await logged(rig.a)).at(-1)).toBe('U {007," 8",9}');
    expect(await rows(rig.b)).toEqual(['7 Bond', '8 Bill', '9 Peter']);
  });

  test('of both ways deletes under the names of either side, and nothing where a key was cast', async () => {
    const rig = await rigOf(
      both({ to: 'u', columns: { key: 'id', y: 'x' }, on: everything }),
      tables,
      'create table u (key integer primary key, y text)',
    );
    await rig.a.query(`insert into t values (1, 'x'), (2, 'x')`);
    await settle(rig);
    await rig.a.unseen('delete from t where id = 1');
    await rig.b.unseen('delete from u where key = 2');
    expect(brief(await repair(rig, { from: 'a' }))).toEqual(['1 missing a: delete b', '2 missing b: add b']);
    expect(await rows(rig.b, 'select key from u')).toEqual(['2']);
    await rig.b.unseen('delete from u where key = 2');
    expect(brief(await repair(rig, { from: 'b' }))).toEqual(['2 missing b: delete a']);
    expect(await rows(rig.a)).toEqual([]);
    const cast = await rigOf(
      both({ columns: { id: 'id', x: 'x' }, on: everything }),
      'create table t (id text primary key, x text)',
      tables,
    );
    await cast.a.query(`insert into t values ('1', 'x')`);
    await settle(cast);
    await cast.a.unseen('delete from t');
    const report = await repair(cast, { from: 'a' });
    expect(brief(report)).toEqual(['1 missing a: none']);
    expect(whys(report)).toEqual(['from this key there is no way back to one row of public.t on a']);
    expect(await rows(cast.b)).toEqual(['1 x']);
    await repair(cast, { from: 'b' });
    expect(await rows(cast.a)).toEqual(['1 x']);
  });

  test('that only updates changes rows that are there; one that several rows become is refused', async () => {
    const rig = await rigOf(
      oneWay({
        columns: { code: 'code', x: 'x' },
        write: 'update',
        missing: 'park',
        on: ['insert', 'update'],
      }),
      'create table t (id integer primary key, code text, x text)',
      'create table t (code text primary key, x text)',
    );
    await rig.b.query(`insert into t values ('one', 'b'), ('two', 'b')`);
    await rig.a.query(`insert into t values (1, 'one', 'a'), (2, 'two', 'a'), (3, 'three', 'a')`);
    await settle(rig);
    await rig.b.unseen(`update t set x = 'wrong'`);
    await rig.a.unseen(`insert into t values (4, 'two', 'another')`);
    const report = await repair(rig);
    expect(brief(report).toSorted()).toContain('one different b: overwrite b');
    expect(
      brief(report)
        .filter((each) => each.startsWith('two'))
        .every((each) => each.endsWith('none')),
    ).toBe(true);
    expect(brief(report)).toContain('three missing b: none');
    expect(whys(report)).toContain('link a->b changes rows of b and adds none');
    expect((await logged(rig.a)).at(-1)).toBe('U {1}');
    expect(await rows(rig.b, 'select code, x from t order by code')).toEqual(['one a', 'two wrong']);
  });

  test('of two owners leaves each its own columns, and what is written with echo comes back', async () => {
    const rig = await rigOf(
      [
        { from: 'a', to: 'b', flows: [{ from: 't', write: 'insert', set: { state: 'taken' }, echo: true }] },
        {
          from: 'b',
          to: 'a',
          flows: [
            {
              from: 't',
              on: ['insert', 'update'],
              columns: ['state'],
              where: `state <> 'draft'`,
              write: 'update',
            },
          ],
        },
      ],
      'create table t (id integer primary key, price integer, state text)',
    );
    await rig.a.query(`insert into t values (1, 10, 'new'), (2, 20, 'new'), (3, 30, 'new')`);
    await settle(rig);
    await rig.a.unseen(
      `update t set state = 'wrong', price = 11 where id = 1; update t set state = 'kept' where id = 3`,
    );
    await rig.b.unseen(
      `delete from t where id = 2; update t set price = 99 where id = 1; update t set state = 'draft' where id = 3`,
    );
    const report = await repair(rig);
    expect(report.tables.map((table) => table.links)).toEqual([['a->b'], ['b->a']]);
    expect(brief(report)).toEqual(['2 missing b: add b', '1 different a: overwrite a']);
    expect(await rows(rig.a, 'select * from t order by id')).toEqual([
      '1 11 taken',
      '2 20 taken',
      '3 30 kept',
    ]);
    expect(await rows(rig.b, 'select * from t order by id')).toEqual([
      '1 99 taken',
      '2 20 taken',
      '3 30 draft',
    ]);
    expect(await isEqual(rig)).toBe(true);
  });

  test('of composite keys with anything in them keeps each value in its place', async () => {
    const rig = await rigOf(
      both({ on: everything }),
      'create table t (x text, a text, "Up ""k""" numeric, primary key ("Up ""k""", a))',
    );
    const hostile = ['', ' ', '"', '\\', ',', '{}', 'NULL', 'ä', "'", '<script>'];
    for (const [i, value] of hostile.entries())
      await rig.a.query('insert into t values ($1, $2, $3)', ['x', value, i / 10]);
    await settle(rig);
    await rig.b.unseen(`delete from t where a <> ' '; update t set x = 'y'`);
    expect((await repair(rig, { from: 'a' })).tables[0]?.rows).toHaveLength(hostile.length);
    expect(await isEqual(rig)).toBe(true);
    expect(await rows(rig.b, 'select x from t')).toEqual(hostile.map(() => 'x'));
  });
});
