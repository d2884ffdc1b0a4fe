import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { parseConfig, type Config, type UserConfig } from '../../src/config/config.ts';
import { openOrm, type MikroORM } from '../../src/db/orm.ts';
import { drainLink, freshState, type DrainLimits, type DrainReport } from '../../src/link/drain.ts';
import { openEngine, type LinkEngine } from '../../src/link/engine.ts';
import { Snk } from '../../src/snk.ts';
import { createPair, type TestDatabase } from './databases.ts';
import { opened } from './leftovers.ts';
import { testLimits } from './limits.ts';

/** An ORM as SNK opens it; closed when the test is finished. */
export function openTestOrm(database: { url: string }, node = 'a', purpose = 'test'): MikroORM {
  const orm = openOrm({ purpose, node, url: database.url });
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
}

/** Two databases with SNK installed and its links attached; nothing runs: a test makes each step itself. */
export class LinkRig {
  readonly a: TestDatabase;
  readonly b: TestDatabase;
  readonly config: Config;
  readonly snk: Snk;
  readonly orms: Readonly<Record<string, MikroORM>>;

  constructor(a: TestDatabase, b: TestDatabase, options: RigOptions) {
    this.a = a;
    this.b = b;
    this.config = parseConfig({
      nodes: { a: { url: a.url }, b: { url: b.url } },
      links: options.links ?? [{ between: ['a', 'b'], tables: ['public.record'] }],
      limits: options.limits,
    });
    this.snk = openSnk(this.config);
    this.orms = { a: openTestOrm(a, 'a'), b: openTestOrm(b, 'b') };
  }

  /** A link's engine, resolved against the tables as they are now. */
  async engine(name = 'a->b'): Promise<LinkEngine> {
    const link = this.config.links.find((each) => each.name === name);
    if (link === undefined) throw new Error(`there is no link ${name}`);
    return await openEngine(link, this.orm(link.source), this.orm(link.target), randomUUID);
  }

  orm(node: string): MikroORM {
    const orm = this.orms[node];
    if (orm === undefined) throw new Error(`there is no node ${node}`);
    return orm;
  }
}

/** A rig with the table `public.record (uuid, text)` and what the options add; dropped when the test is finished. */
export async function linkRig(options: RigOptions = {}): Promise<LinkRig> {
  const pair = await createPair();
  onTestFinished(async () => await pair.drop());
  if (options.tables !== undefined)
    await Promise.all([pair.a, pair.b].map((each) => each.query(options.tables as string)));
  const rig = new LinkRig(pair.a, pair.b, options);
  await rig.snk.install();
  return rig;
}

/** Drains a link in this process until nothing waits. */
export async function drain(engine: LinkEngine, limits: Partial<DrainLimits> = {}): Promise<DrainReport> {
  const report = await drainLink(engine, freshState, { ...testLimits, ...limits });
  if (!report.drained) throw new Error('the link was not drained within its budget');
  return report;
}
