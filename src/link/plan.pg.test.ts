import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../config/config.ts';
import type { Fault } from '../errors.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  drain,
  linkRig,
  openSnk,
  openTestOrm,
  shareDatabases,
  type LinkRig,
  type RigOptions,
} from '../../test/support/link-rig.ts';
import { hasPgBouncer, startPgBouncer, type PgBouncerOptions } from '../../test/support/pgbouncer.ts';
import { freePort } from '../dev/port.ts';
import type { Snk } from '../snk.ts';
import type { Link } from '../topology/topology.ts';
import { testLimits } from '../../test/support/limits.ts';
import { tidyLink } from './drain.ts';
import { openEngine } from './engine.ts';
import { Turns } from './turns.ts';

shareDatabases();

const brief = (faults: readonly Fault[]): string[] =>
  faults.map(({ code, at }) => `${code} ${at}`).toSorted();

/** The faults of the rig with another URL for one of its nodes. */
async function faultsWith(rig: LinkRig, urls: { a?: string; b?: string }): Promise<readonly Fault[]> {
  const tables = rig.config.links[0]?.flows.map((flow) => flow.from);
  return (await snkOf({ a: rig.a.url, b: rig.b.url, ...urls }, tables).plan()).faults;
}

function snkOf({ a, b }: { a: string; b: string }, tables = ['public.record']): Snk {
  return openSnk(
    parseConfig({ nodes: { a: { url: a }, b: { url: b } }, links: [{ between: ['a', 'b'], tables }] }),
  );
}

function changed(url: string, change: (url: URL) => void): string {
  const other = new URL(url);
  change(other);
  return other.href;
}

/** Faults of tables made for the purpose: `both`, then on `b` alone. */
async function tableFaults(
  both: string,
  onB = 'select 1',
  table = 'public.t',
  links?: RigOptions['links'],
): Promise<readonly Fault[]> {
  const rig = await bareRig({ tables: both, links: links ?? [{ between: ['a', 'b'], tables: [table] }] });
  await rig.b.query(onB);
  const { faults } = await rig.snk.plan();
  await expectUntouched(rig.a, rig.b);
  return faults;
}

async function expectUntouched(...databases: TestDatabase[]): Promise<void> {
  for (const database of databases) {
    expect(await database.query(`select from pg_namespace where nspname = 'snk'`)).toEqual([]);
    expect(await database.query(`select from pg_trigger where tgname like 'snk%'`)).toEqual([]);
  }
}

describe('a plan', () => {
  test('of two sound nodes has no fault, says what would be done, and does nothing', async () => {
    const rig = await bareRig();
    const plan = await rig.snk.plan();
    expect(plan).toMatchObject({
      nodes: [
        {
          name: 'a',
          installed: false,
          capture: ['public.record'],
          version: expect.stringMatching(/^\d+\.\d+/),
        },
        { name: 'b', installed: false, capture: ['public.record'] },
      ],
      links: [
        { name: 'a->b', flows: [expect.stringContaining('a wins')] },
        { name: 'b->a', flows: [expect.stringContaining('a wins')] },
      ],
      faults: [],
      warnings: [],
    });
    await expectUntouched(rig.a, rig.b);
  });

  test('holds all faults at once, and install writes nothing then', async () => {
    const rig = await bareRig({
      tables: 'create table keyless (x integer); create view seen as select * from record',
      links: [
        { between: ['a', 'b'], tables: ['public.keyless', 'public.seen', 'public.recrod', 'public.record'] },
      ],
    });
    await rig.b.query('alter table record add column more integer');
    const found = [
      'SNK_NO_PRIMARY_KEY a: public.keyless',
      'SNK_NO_PRIMARY_KEY b: public.keyless',
      'SNK_SHAPE_DIFFERS a: public.record -> b: public.record',
      'SNK_SHAPE_DIFFERS b: public.record -> a: public.record',
      'SNK_TABLE_KIND a: public.seen',
      'SNK_TABLE_KIND b: public.seen',
      'SNK_TABLE_MISSING a: public.recrod',
      'SNK_TABLE_MISSING b: public.recrod',
    ];
    expect(brief((await rig.snk.plan()).faults)).toEqual(found);
    const error: unknown = await rig.snk.install().catch((reason: unknown) => reason);
    expect(brief((error as { faults: readonly Fault[] }).faults)).toEqual(found);
    await expectUntouched(rig.a, rig.b);
  });
});

describe('a node', () => {
  test('that cannot be reached is named without its URL, and the other one is still looked at', async () => {
    const rig = await bareRig({ links: [{ between: ['a', 'b'], tables: ['public.record'] }] });
    const port = String(await freePort());
    const faults = await faultsWith(rig, { b: changed(rig.b.url, (url) => (url.port = port)) });
    expect(faults).toMatchObject([
      { code: 'SNK_UNREACHABLE', at: 'b', message: 'cannot be reached (ECONNREFUSED)' },
    ]);
    expect(JSON.stringify(faults)).not.toContain(new URL(rig.b.url).password);
  });

  test('whose name is not known cannot be reached', async () => {
    const rig = await bareRig();
    const faults = await faultsWith(rig, {
      b: changed(rig.b.url, (url) => (url.hostname = 'no-such-host.invalid')),
    });
    expect(brief(faults)).toEqual(['SNK_UNREACHABLE b']);
  });

  test('with a wrong password is told from one with a wrong database', async () => {
    const rig = await bareRig();
    const a = changed(rig.a.url, (url) => (url.password = 'wrong'));
    const b = changed(rig.b.url, (url) => (url.pathname = '/no_such_database'));
    expect(brief(await faultsWith(rig, { a, b }))).toEqual(['SNK_LOGIN a', 'SNK_NO_DATABASE b']);
  });

  test('that is the same database as the other one under another name is found', async () => {
    const rig = await bareRig();
    const host = new URL(rig.a.url).hostname === 'localhost' ? '127.0.0.1' : 'localhost';
    const b = changed(rig.a.url, (url) => (url.hostname = host));
    expect(await faultsWith(rig, { b })).toMatchObject([{ code: 'SNK_SAME_DATABASE', at: 'a, b' }]);
    await expectUntouched(rig.a);
  });

  test('that is another database of the same server is none', async () => {
    const rig = await bareRig({ nodes: ['c'] });
    expect(await faultsWith(rig, { b: rig.other('c').url })).toEqual([]);
  });
});

describe('a table', () => {
  test('that is missing is named with the nearest name there', async () => {
    const faults = await tableFaults(
      'create table public.recrod (x integer primary key)',
      'drop table record',
      'public.record',
    );
    expect(faults).toMatchObject([
      { code: 'SNK_TABLE_MISSING', at: 'b: public.record', hint: expect.stringContaining("'public.recrod'") },
    ]);
  });

  test.each([
    ['a view', 'create view t as select * from record', 'is a view'],
    ['a materialized view', 'create materialized view t as select * from record', 'is a view'],
    ['unlogged', 'create unlogged table t (id integer primary key)', 'is unlogged'],
    [
      'a partition',
      'create table p (id integer primary key) partition by range (id); create table t partition of p for values from (0) to (9)',
      'is a partition',
    ],
    [
      'a child of another table',
      'create table p (id integer primary key); create table t (primary key (id)) inherits (p)',
      'inheritance',
    ],
    [
      'a parent of another table',
      'create table t (id integer primary key); create table c () inherits (t)',
      'inheritance',
    ],
    ['a sequence', 'create sequence t', 'not an ordinary table'],
  ])('that is %s is refused', async (_, tables, message) => {
    const faults = await tableFaults(tables);
    expect(brief(faults)).toEqual(['SNK_TABLE_KIND a: public.t', 'SNK_TABLE_KIND b: public.t']);
    expect(faults[0]?.message).toContain(message);
  });

  test.each([
    ['nothing unique', 'create table t (id integer)'],
    ['a unique column that may be null', 'create table t (id integer unique)'],
    [
      'a unique index over some rows',
      'create table t (id integer not null); create unique index on t (id) where id > 0',
    ],
    [
      'a unique index over an expression',
      'create table t (id integer not null); create unique index on t ((id + 1))',
    ],
    ['a unique constraint that waits', 'create table t (id integer not null unique deferrable)'],
  ])('with %s has no key', async (_, tables) => {
    expect(brief(await tableFaults(tables))).toEqual([
      'SNK_NO_PRIMARY_KEY a: public.t',
      'SNK_NO_PRIMARY_KEY b: public.t',
    ]);
  });

  test('with a deferrable key is refused', async () => {
    const faults = await tableFaults('create table t (id integer primary key deferrable initially deferred)');
    expect(brief(faults)).toEqual(['SNK_KEY_DEFERRABLE a: public.t', 'SNK_KEY_DEFERRABLE b: public.t']);
  });

  test.each([
    ['a column less', 'alter table t drop column x', 'column x is missing on b'],
    ['a column more', 'alter table t add column y integer', 'column y is missing on a'],
    ['another type', 'alter table t alter column x type bigint', 'column x is integer on a and bigint on b'],
    [
      'another length',
      'alter table t alter column v type varchar(4)',
      'column v is character varying(5) on a and character varying(4) on b',
    ],
    [
      'another scale',
      'alter table t alter column n type numeric(9,3)',
      'column n is numeric(9,2) on a and numeric(9,3) on b',
    ],
    [
      'a column that may not be null',
      'alter table t alter column x set not null',
      'column x may be null on a and not on b',
    ],
    [
      'a generated column',
      'alter table t drop column x; alter table t add column x integer generated always as (1) stored',
      'column x is missing on b',
    ],
    [
      'another key',
      'alter table t drop constraint t_pkey; alter table t add primary key (id2, id)',
      'the primary key is (id, id2) on a and (id2, id) on b',
    ],
    [
      'a type of the same name in another schema',
      `create schema s; create type s.mood as enum ('x'); alter table t alter column m type s.mood using 'x'`,
      'column m is mood on a and s.mood on b',
    ],
  ])('that has %s on the other side differs', async (_, onB, message) => {
    const tables = `create type mood as enum ('x');
      create table t (id integer, id2 integer, x integer, v varchar(5), n numeric(9,2), m mood, primary key (id, id2))`;
    const faults = await tableFaults(tables, onB, 'public.t', [{ from: 'a', to: 'b', tables: ['public.t'] }]);
    expect(faults.map((fault) => fault.code)).toEqual(['SNK_SHAPE_DIFFERS']);
    expect(faults[0]?.message).toBe(message.replace(' mood on a', ' public.mood on a'));
  });

  test('of any name and shape is sound', async () => {
    const columns = Array.from({ length: 1000 }, (_, i) => `c${i} integer`).join(', ');
    const long = 'n'.repeat(63);
    const faults = await tableFaults(
      `create schema "Über ""s"""; create table "Über ""s"""."select" ("a""b" integer, "A""B" text, ${columns}, primary key ("a""b", "A""B"));
       create table ${long} (${'k'.repeat(63)} uuid primary key)`,
      'select 1',
      '',
      [{ between: ['a', 'b'], tables: [`public.${long}`] }],
    );
    expect(faults).toEqual([]);
  });
});

describe('a role with too few rights', () => {
  /** A role of its own on both servers, and the rig's URLs with it. */
  async function limitedRole(rig: LinkRig): Promise<{ role: string; a: string; b: string }> {
    const role = `limited_${randomBytes(4).toString('hex')}`;
    for (const database of [rig.a, rig.b])
      await database.query(`create role ${role} login password 'secret'`);
    onTestFinished(async () => {
      for (const database of [rig.a, rig.b]) {
        await database.query(`drop owned by ${role} cascade`);
        await database.query(`drop role ${role}`);
      }
    });
    const as = (url: string): string =>
      changed(url, (other) => {
        other.username = role;
        other.password = 'secret';
      });
    return { role, a: as(rig.a.url), b: as(rig.b.url) };
  }

  /** Does what the hints say, as far as they are statements. */
  async function grantAll(rig: LinkRig, faults: readonly Fault[]): Promise<void> {
    for (const { at, hint } of faults) {
      const isStatement = hint?.startsWith('grant') === true && !hint.includes("owner's");
      if (isStatement) await rig[at.slice(0, 1) as 'a' | 'b'].query(hint);
    }
  }

  test('is told each right it lacks, by a hint that grants it', async () => {
    const rig = await bareRig({
      tables: 'create table "Odd Table" (id integer primary key)',
      links: [{ between: ['a', 'b'], tables: ['public.Odd Table'] }],
    });
    const { role, ...urls } = await limitedRole(rig);
    const faults = await faultsWith(rig, urls);
    expect(
      faults
        .filter((fault) => fault.at.startsWith('a'))
        .map((fault) => `${fault.code} ${fault.message.replace(role, 'r')}`),
    ).toEqual([
      'SNK_PRIVILEGE user r may not create schema snk',
      'SNK_PRIVILEGE user r may not use its schema',
      'SNK_PRIVILEGE user r may not select it',
      'SNK_PRIVILEGE user r does not own it: only the owner can make a trigger that always fires',
      'SNK_PRIVILEGE user r may not insert it',
    ]);
    await expectUntouched(rig.a, rig.b);
    await grantAll(rig, faults);
    const left = await faultsWith(rig, urls);
    expect(left.every((fault) => fault.message.includes('does not own it'))).toBe(true);
    for (const node of ['a', 'b'] as const) await rig[node].query(`alter table "Odd Table" owner to ${role}`);
    expect(await faultsWith(rig, urls)).toEqual([]);
  });

  test('needs no ownership where the owner has installed SNK before, but rights on its schema', async () => {
    const rig = await linkRig();
    const { role, ...urls } = await limitedRole(rig);
    const faults = await faultsWith(rig, urls);
    expect(faults.filter((fault) => fault.at === 'a')).toMatchObject([
      { code: 'SNK_PRIVILEGE', message: `user ${role} may not use schema snk` },
    ]);
    await grantAll(rig, faults);
    expect(await faultsWith(rig, urls)).toEqual([]);
    // and that is enough to work
    await snkOf(urls).install();
    await rig.a.query(`insert into record values (gen_random_uuid(), 'x')`);
    const engine = await openEngine(
      rig.config.links[0] as Link,
      openTestOrm({ url: urls.a }),
      openTestOrm({ url: urls.b }),
      randomUUID,
      new Turns(),
    );
    await drain(engine);
    await tidyLink(engine, (await drain(engine)).state, testLimits);
    expect(await rig.b.query('select text from record')).toEqual([{ text: 'x' }]);
    expect(await rig.a.query('select from snk.change_log')).toEqual([]);
  });

  test('is told of row level security that would hide rows', async () => {
    const rig = await bareRig();
    const { role, ...urls } = await limitedRole(rig);
    for (const node of ['a', 'b'] as const) {
      await rig[node].query(
        `grant create on database "${rig[node].name}" to ${role}; grant all on record to ${role}; alter table record enable row level security`,
      );
    }
    const faults = await faultsWith(rig, urls);
    expect(faults.filter((fault) => fault.code === 'SNK_ROW_SECURITY')).toMatchObject([
      { at: 'a: public.record', hint: expect.stringContaining('bypassrls') },
      { at: 'b: public.record' },
    ]);
  });
});

describe.skipIf(!hasPgBouncer)(
  'a connection pooler (skipped where pgbouncer is not installed: npm has none)',
  () => {
    const ignored =
      'options, statement_timeout, lock_timeout, idle_in_transaction_session_timeout, extra_float_digits, application_name';

    async function faultsThrough(options: PgBouncerOptions): Promise<readonly Fault[]> {
      const rig = await bareRig();
      const bouncer = await startPgBouncer(rig.b.url, options);
      // runs after the ORMs, which are opened later, are closed
      onTestFinished(async () => await bouncer.stop());
      return await faultsWith(rig, { b: bouncer.url });
    }

    test('that refuses the settings of a session is found', async () => {
      expect(brief(await faultsThrough({ mode: 'transaction' }))).toEqual(['SNK_POOLER b']);
    });

    test('in session mode is found when it drops the settings of a session: values would change on their way', async () => {
      const faults = await faultsThrough({ mode: 'session', ignored });
      expect(faults).toMatchObject([
        { code: 'SNK_POOLER', at: 'b', message: expect.stringContaining('settings') },
      ]);
    });

    test('in transaction mode is found although its sessions have the settings', async () => {
      const faults = await faultsThrough({
        mode: 'transaction',
        ignored,
        onConnect: 'set search_path = pg_catalog',
      });
      expect(faults).toMatchObject([
        { code: 'SNK_POOLER', at: 'b', message: expect.stringContaining('in transaction mode') },
      ]);
    });
  },
);
