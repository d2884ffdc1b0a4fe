import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { parseConfig, type Config, type UserConfig, type UserNode } from '../../src/config/config.ts';
import { openOrm, type MikroORM } from '../../src/db/orm.ts';
import { deserializeError } from '../../src/errors.ts';
import {
  drainLink,
  freshState,
  tidyLink,
  type DrainLimits,
  type DrainReport,
  type DrainState,
} from '../../src/link/drain.ts';
import { openEngine, type LocalEngine } from '../../src/link/engine.ts';
import { Turns } from '../../src/link/turns.ts';
import { Snk } from '../../src/snk.ts';
import { createDatabase, createPair, type Pair, type TestDatabase } from './databases.ts';
import { opened } from './leftovers.ts';
import { testLimits } from './limits.ts';

/** An ORM as a link opens it; closed when the test is finished. */
export function openTestOrm(
  database: { url: string },
  node = 'a',
  purpose = 'test',
  prepares = true,
): MikroORM {
  const orm = openOrm({ purpose, node, url: database.url, poolMax: 4, prepares });
  const closed = opened(`ORM of ${node}`, () => orm.close(true));
  onTestFinished(async () => {
    closed();
    await orm.close(true);
  });
  return orm;
}

/** SNK over these databases; closed when the test is finished. */
export function openSnk(config: Config): Snk {
  const snk = new Snk(config);
  onTestFinished(async () => await snk.close());
  return snk;
}

export interface RigOptions {
  /** Run in both databases before SNK is installed. */
  readonly tables?: string;
  readonly links?: UserConfig['links'];
  readonly limits?: UserConfig['limits'];
  /** Where nodes keep files. */
  readonly files?: Readonly<Record<string, Extract<UserNode, { url: unknown }>['files']>>;
  /** Further databases, on server a. */
  readonly nodes?: readonly string[];
}

/** Two databases with SNK installed and its links attached; nothing runs: a test makes each step itself. */
export class LinkRig {
  readonly a: TestDatabase;
  readonly b: TestDatabase;
  readonly config: Config;
  readonly snk: Snk;
  readonly #databases: Readonly<Record<string, TestDatabase>>;
  readonly #options: RigOptions;
  readonly #orms: ReadonlyMap<string, MikroORM>;

  constructor(databases: Readonly<Record<string, TestDatabase>>, options: RigOptions) {
    this.#databases = databases;
    this.#options = options;
    this.a = this.other('a');
    this.b = this.other('b');
    this.config = parseConfig({
      nodes: Object.fromEntries(
        Object.entries(databases).map(([name, { url }]) => [name, { url, files: options.files?.[name] }]),
      ),
      links: options.links ?? [{ between: ['a', 'b'], tables: ['public.record'] }],
      limits: options.limits,
    });
    this.snk = openSnk(this.config);
    this.#orms = new Map(
      Object.entries(databases).map(([name, database]) => [name, openTestOrm(database, name)]),
    );
  }

  other(node: string): TestDatabase {
    const database = this.#databases[node];
    if (database === undefined) throw new Error(`there is no node ${node}`);
    return database;
  }

  /** A link's engine, resolved against the tables as they are now. */
  async engine(name = 'a->b'): Promise<LocalEngine> {
    const link = this.config.links.find((each) => each.name === name);
    if (link === undefined) throw new Error(`there is no link ${name}`);
    return await openEngine(link, this.orm(link.source), this.orm(link.target), randomUUID, new Turns());
  }

  /** The same link ends with sessions that begin anew, under the settings of now. */
  reopened(): LinkRig {
    return new LinkRig(this.#databases, this.#options);
  }

  orm(node: string): MikroORM {
    const orm = this.#orms.get(node);
    if (orm === undefined) throw new Error(`there is no node ${node}`);
    return orm;
  }
}

let shared: Pair | undefined;

/** Called at the top of a test file: its rigs share two databases, emptied for each, which is much faster. */
export function shareDatabases(): void {
  beforeAll(async () => {
    shared = await createPair();
  });
  afterAll(async () => {
    await shared?.drop();
    shared = undefined;
  });
}

/** A rig with the table `public.record (uuid, text)` and what the options add; closed when the test is finished. */
export async function linkRig(options: RigOptions = {}): Promise<LinkRig> {
  const rig = await bareRig(options);
  await rig.snk.install();
  return rig;
}

/** The same without SNK installed. */
export async function bareRig(options: RigOptions = {}): Promise<LinkRig> {
  const { a, b } = shared ?? (await createPair());
  const own: TestDatabase[] = [];
  const databases: Record<string, TestDatabase> = { a, b };
  for (const name of options.nodes ?? []) own.push((databases[name] = await createDatabase()));
  if (shared === undefined) own.push(a, b);
  onTestFinished(async () => {
    await Promise.all(own.map((each) => each.drop()));
  });
  await Promise.all(
    Object.values(databases).map(async (database) => {
      await database.query(emptyDatabase);
      if (options.tables !== undefined) await database.query(options.tables);
    }),
  );
  return new LinkRig(databases, options);
}

const emptyDatabase = `
do $$
declare
  name text;
begin
  for name in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
    execute format('drop schema %I cascade', name);
  end loop;
  execute format('alter database %I reset all', current_database());
end
$$;
create schema public;
create table public.record (uuid uuid primary key, text text not null)`;

/** Drains a link in this process until nothing waits. */
export async function drain(engine: LocalEngine, limits: Partial<DrainLimits> = {}): Promise<DrainReport> {
  const report = await drainLink(engine, freshState, { ...testLimits, ...limits });
  if (report.failure !== null) throw deserializeError(report.failure);
  if (!report.drained) throw new Error('the link was not drained within its budget');
  return report;
}

/** Drains and tidies until the link says that it is complete, or `rounds` have passed. */
export async function tidyUntilComplete(engine: LocalEngine, rounds = 10): Promise<DrainState> {
  let { state } = await drain(engine);
  for (let round = 0; round < rounds; round += 1) {
    state = await tidyLink(engine, state, testLimits);
    ({ state } = await drainLink(engine, state, testLimits));
    if (!state.untidy && state.backfilling === false) return state;
  }
  return state;
}

export interface Settled {
  /** Rounds in which something was found. */
  readonly rounds: number;
  readonly conflicts: number;
  readonly parked: number;
}

/** Drains all links in turns until none of them finds anything, as a run would; throws when they do not come to rest. */
export async function settle(rig: LinkRig): Promise<Settled> {
  let [conflicts, parked] = [0, 0];
  for (let rounds = 0; rounds < 20; rounds += 1) {
    let moved = false;
    for (const { name } of rig.config.links) {
      const report = await drain(await rig.engine(name));
      moved ||= report.windows + report.rows > 0;
      conflicts += report.conflicts;
      parked += report.parked;
    }
    if (!moved) return { rounds, conflicts, parked };
  }
  throw new Error('the links do not come to rest');
}

/** The n-th key of `public.record`. */
export const id = (n: number): string => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;
