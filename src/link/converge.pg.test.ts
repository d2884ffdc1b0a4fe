import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TestDatabase, TestSession } from '../../test/support/databases.ts';
import { drain, linkRig, type LinkRig, settle, id } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { applyBatch } from '../apply/apply-page.ts';
import { batchOfPage } from '../apply/batch.ts';
import { toSnkError } from '../db/sqlstate.ts';
import type { ConflictPolicy } from '../topology/topology.ts';
import { freshState, tidyLink } from './drain.ts';
import { loadStanding } from './standing.ts';

/** How many histories there are of each policy: on two nodes, and on three, of which one stands between the others. */
const histories = Number(process.env['SNK_TEST_HISTORIES'] ?? 15);

interface Layout {
  readonly nodes: readonly string[];
  readonly pairs: readonly (readonly [string, string])[];
  /** Transactions that can be open on each node: six in all. */
  readonly writers: number;
  readonly runs: number;
}

const layouts: readonly Layout[] = [
  { nodes: ['a', 'b'], pairs: [['a', 'b']], writers: 3, runs: histories },
  {
    nodes: ['a', 'b', 'c'],
    pairs: [
      ['a', 'b'],
      ['b', 'c'],
    ],
    writers: 2,
    runs: Math.ceil(histories * 0.6),
  },
];

const keys = [1, 2, 3];
const key = fc.constantFrom(...keys);
const column = fc.constantFrom('text' as const, 'other' as const);
const text = fc.string({ unit: fc.constantFrom('x', 'y', 'z'), maxLength: 2 });

type Step =
  | {
      readonly do: 'insert' | 'upsert' | 'update';
      readonly at: string;
      readonly writer: number;
      readonly key: number;
      readonly text: string;
      readonly column: 'text' | 'other';
    }
  | { readonly do: 'delete'; readonly at: string; readonly writer: number; readonly key: number }
  | {
      readonly do: 'rekey';
      readonly at: string;
      readonly writer: number;
      readonly key: number;
      readonly to: number;
    }
  | { readonly do: 'commit' | 'rollback' | 'truncate'; readonly at: string; readonly writer: number }
  | { readonly do: 'tidy'; readonly link: string }
  | { readonly do: 'recopy'; readonly link: string }
  | { readonly do: 'read'; readonly link: string; readonly pageKeys: number }
  | { readonly do: 'apply'; readonly link: string }
  | { readonly do: 'drain'; readonly link: string; readonly pageKeys: number };

function steps({ nodes, pairs, writers }: Layout): fc.Arbitrary<Step[]> {
  const at = fc.constantFrom(...nodes);
  const writer = fc.nat(writers - 1);
  const link = fc.constantFrom(...pairs.flatMap(([one, other]) => [`${one}->${other}`, `${other}->${one}`]));
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('insert', 'upsert', 'update'),
        at,
        writer,
        key,
        text,
        column,
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('delete'), at, writer, key }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('rekey'), at, writer, key, to: key }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('commit', 'commit', 'rollback'), at, writer }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate'), at, writer }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('tidy'), link }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('recopy'), link }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('read'), link, pageKeys: fc.constantFrom(2, 10_000) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('apply'), link }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('drain'), link, pageKeys: fc.constantFrom(1, 2, 10_000) }),
    },
  );
  return fc.array(step, { minLength: 5, maxLength: 40 });
}

function statement(each: Extract<Step, { key: number }>): string {
  const at = `'${id(each.key)}'`;
  switch (each.do) {
    case 'insert':
      return `insert into record (uuid, ${each.column}) values (${at}, '${each.text}') on conflict do nothing`;
    case 'upsert':
      return `insert into record (uuid, text) values (${at}, '${each.text}') on conflict (uuid) do update set text = excluded.text, other = excluded.text`;
    case 'update':
      return `update record set ${each.column} = '${each.text}' where uuid = ${at}`;
    case 'rekey':
      return `update record set uuid = '${id(each.to)}' where uuid = ${at}`;
    default:
      return `delete from record where uuid = ${at}`;
  }
}

/** A transaction of an application: a statement that cannot have its row soon, or its key, ends it. */
class Writer {
  readonly #session: TestSession;
  #open = false;

  constructor(session: TestSession) {
    this.#session = session;
  }

  async run(text: string): Promise<void> {
    if (!this.#open) await this.#session.query('begin');
    this.#open = true;
    try {
      await this.#session.query(text);
    } catch {
      await this.end('rollback');
    }
  }

  async end(how: 'commit' | 'rollback'): Promise<void> {
    if (this.#open) await this.#session.query(how);
    this.#open = false;
  }
}

const rows = async (database: TestDatabase): Promise<object[]> =>
  await database.query('select * from record order by uuid');

async function play(
  rig: LinkRig,
  writers: ReadonlyMap<string, Writer>,
  history: readonly Step[],
): Promise<void> {
  const draining = new Map<string, Promise<unknown>>();
  const draw = async (link: string, pageKeys: number): Promise<void> => {
    const engine = await rig.engine(link);
    for (let tries = 0; ; tries += 1) {
      try {
        return void (await drain(engine, { page: { keys: pageKeys, logRows: 5_000 } }));
      } catch (error) {
        if (isStopped(error)) return;
        // As a run does it.
        if (tries === 10 || (error as { fate?: string }).fate !== 'retry') throw error;
      }
    }
  };
  const held = new Map<string, Promise<() => Promise<unknown>>>();
  const work = (link: string, doing: Promise<unknown>): void => {
    draining.set(
      link,
      doing.finally(() => draining.delete(link)),
    );
  };
  for (const each of history) {
    if (each.do === 'read') {
      // A page is on its way for as long as it likes; a link that is drained meanwhile forgets it, as after a kill.
      // Where another one holds the whole table it waits for him, and the others go on.
      if (!draining.has(each.link)) held.set(each.link, readPage(rig, each.link, each.pageKeys));
      continue;
    }
    if (each.do === 'apply') {
      const page = held.get(each.link);
      if (page === undefined || draining.has(each.link)) continue;
      held.delete(each.link);
      work(
        each.link,
        page.then(async (apply) => await apply()),
      );
      continue;
    }
    if (each.do === 'recopy') {
      // The first copy can come at any time: after a link was started anew, or a log that was full.
      await rig
        .other(each.link.split('->')[1] ?? '')
        .query('update snk.backfill set done_at = null, position = null where link = $1', [each.link]);
      continue;
    }
    if (each.do === 'tidy') {
      // Beside the other direction.
      if (draining.has(each.link)) continue;
      const engine = await rig.engine(each.link);
      await tidyLink(engine, { ...freshState, standing: await loadStanding(engine) }, testLimits);
      continue;
    }
    if (each.do === 'drain') {
      // Beside the writers; a link is drained by one at a time.
      held.delete(each.link);
      if (!draining.has(each.link)) work(each.link, draw(each.link, each.pageKeys));
      continue;
    }
    const at = writers.get(`${each.at}${each.writer}`);
    if ('key' in each) await at?.run(statement(each));
    else if (each.do === 'truncate') await at?.run('truncate record');
    else await at?.end(each.do);
  }
  for (const each of writers.values()) await each.end('commit');
  await Promise.all([...draining.values(), ...held.values()]);
}

/** Nobody is to win: the link stops. */
const isStopped = (error: unknown): boolean => (error as { code?: string }).code === 'SNK_CONFLICT';

/** Links that stopped at a conflict go on when a person has settled it, for one node or the other. */
async function settleByHand(rig: LinkRig): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      await settle(rig);
      return;
    } catch (error) {
      if (!isStopped(error)) throw error;
    }
    for (const { link, id: conflict } of await rig.snk.conflicts()) {
      const keep = link.split('->')[(tries + Number(conflict)) % 2] ?? '';
      await rig.snk.resolveConflict(link, conflict, { keep, force: true });
    }
  }
  throw new Error('there are conflicts without end');
}

/** Reads a page, and answers with how it is applied. What is refused for now is given up: the link reads it anew. */
async function readPage(rig: LinkRig, link: string, keysOfPage: number): Promise<() => Promise<unknown>> {
  const nothing = async (): Promise<null> => await Promise.resolve(null);
  const orRetry = (error: unknown): null => {
    if (toSnkError(error, link).fate !== 'retry' && !isStopped(error)) throw error;
    return null;
  };
  try {
    const engine = await rig.engine(link);
    const standing = await loadStanding(engine);
    const limits = { keys: keysOfPage, logRows: 5_000 };
    const page = await engine.source.read(standing.position, limits);
    if (page === null) return nothing;
    const batch = batchOfPage(standing.position, page);
    return async () => await applyBatch(engine.target.context, standing, batch, 'tolerant').catch(orRetry);
  } catch (error) {
    orRetry(error);
    return nothing;
  }
}

const choose = new URL('../../test/fixtures/choose-version.ts', import.meta.url).pathname;

const policies: readonly ConflictPolicy[] = [
  'priority',
  'newest',
  'merge',
  'stop',
  // a column that may go back
  { column: 'text' },
  { function: `${choose}#shorter` },
];

async function playHistories(conflict: ConflictPolicy, layout: Layout): Promise<void> {
  const { nodes, pairs, writers: perNode, runs } = layout;
  const rig = await linkRig({
    tables: 'alter table record alter column text drop not null, add column other text',
    links: pairs.map((between) => ({
      between,
      tables: ['public.record'],
      on: ['insert', 'update', 'delete'],
      conflict,
    })),
    nodes: nodes.slice(2),
  });
  await settle(rig);
  const sessions = new Map<string, TestSession>();
  const writers = new Map<string, Writer>();
  for (const at of nodes)
    for (let n = 0; n < perNode; n += 1) {
      const session = await rig.other(at).connect();
      await session.query(`set lock_timeout = '20ms'`);
      sessions.set(`${at}${n}`, session);
      writers.set(`${at}${n}`, new Writer(session));
    }
  const [first = '', ...others] = nodes;
  try {
    await fc.assert(
      fc.asyncProperty(steps(layout), async (history) => {
        await play(rig, writers, history);
        await settleByHand(rig);
        const policy = JSON.stringify(conflict);
        const wanted = { policy, rows: await rows(rig.other(first)) };
        for (const other of others) expect({ policy, rows: await rows(rig.other(other)) }).toEqual(wanted);
        for (const each of nodes) expect(await rig.other(each).query('select from snk.parked')).toEqual([]);
      }),
      { numRuns: runs, endOnFailure: true },
    );
  } finally {
    await Promise.all([...sessions.values()].map(async (session) => await session.end()));
  }
}

describe.each(layouts)('on the nodes $nodes', (layout) => {
  test(`all are equal when they have rested, whatever was done on them and whenever it travelled, under each policy (${layout.runs * policies.length} histories)`, async () => {
    // Beside each other: most of a history is waiting.
    const played = await Promise.allSettled(
      policies.map(async (policy) => await playHistories(policy, layout)),
    );
    for (const each of played) if (each.status === 'rejected') throw each.reason;
  }, 900_000);
});
