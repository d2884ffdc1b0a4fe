/** The piscina worker: drains one link until nothing waits, with the ORMs that this thread keeps open. */
import { randomUUID } from 'node:crypto';
import { serializeError } from '../errors.ts';
import { openOrm, type MikroORM } from '../db/orm.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { drainLink, tidyLink } from './drain.ts';
import { openEngine, type LinkEngine } from './engine.ts';
import type { LinkAnswer, LinkTask } from './link-messages.ts';

const orms = new Map<string, MikroORM>();
const engines = new Map<string, LinkEngine>();

function ormOf(node: string, url: string): MikroORM {
  const key = `${node} ${url}`;
  let orm = orms.get(key);
  if (orm === undefined) {
    orm = openOrm({ purpose: 'link', node, url, poolMax: 8, prepares: true });
    orms.set(key, orm);
  }
  return orm;
}

async function engineOf(task: LinkTask): Promise<LinkEngine> {
  let engine = engines.get(task.link.name);
  if (engine === undefined || task.state.standing === null) {
    engine = await openEngine(
      task.link,
      ormOf(task.link.source, task.sourceUrl),
      ormOf(task.link.target, task.targetUrl),
      randomUUID,
    );
    engines.set(task.link.name, engine);
  }
  return engine;
}

/** Never rejects: an error crosses as data, or its code would be lost. */
export async function runTask(task: LinkTask): Promise<LinkAnswer> {
  try {
    const engine = await engineOf(task);
    if (task.kind === 'drain') return { ok: true, report: await drainLink(engine, task.state, task.limits) };
    const state = await tidyLink(engine, task.state, task.limits);
    return {
      ok: true,
      report: {
        state,
        windows: 0,
        rows: 0,
        conflicts: 0,
        parked: 0,
        drained: true,
        backfill: [],
        failure: null,
      },
    };
  } catch (error) {
    return { ok: false, error: serializeError(toSnkError(error, `link ${task.link.name}`)) };
  }
}

/** Closes this thread's connections; the last task of a worker before the pool ends. */
export async function closeWorker(): Promise<void> {
  engines.clear();
  await Promise.allSettled([...orms.values()].map(async (orm) => await orm.close(true)));
  orms.clear();
}
