/** The piscina worker: watches over links with the sessions that this thread keeps open; they end with the thread. */
import { randomUUID } from 'node:crypto';
import { serializeError } from '../errors.ts';
import { openOrm, type MikroORM } from '../db/orm.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { Doorbell } from './doorbell.ts';
import { drainLink, tidyLink, type DrainState } from './drain.ts';
import { openEngine, type LinkEngine } from './engine.ts';
import type { LinkAnswer, LinkTask } from './link-messages.ts';
import { retryParked } from './retry-parked.ts';
import { emptyTally } from './tally.ts';
import { Turns } from './turns.ts';
import { Watch } from './watch.ts';

const turns = new Turns();
const orms = new Map<string, MikroORM>();
const doorbells = new Map<string, Doorbell>();
const engines = new Map<string, LinkEngine>();
const watches = new Map<string, Watch>();

function ormOf(node: string, url: string): MikroORM {
  const key = `${node} ${url}`;
  let orm = orms.get(key);
  if (orm === undefined) {
    orm = openOrm({ purpose: 'link', node, url, poolMax: 8, prepares: true });
    orms.set(key, orm);
  }
  return orm;
}

/** One for all links of a source: see LinkPool, which gives them to one thread. */
function doorbellOf(node: string, url: string): Doorbell {
  let doorbell = doorbells.get(node);
  if (doorbell === undefined) {
    doorbell = new Doorbell(ormOf(node, url));
    doorbells.set(node, doorbell);
    void doorbell.session.run(new AbortController().signal);
  }
  return doorbell;
}

async function engineOf({ link, sourceUrl, targetUrl, state }: LinkTask): Promise<LinkEngine> {
  let engine = engines.get(link.name);
  if (engine === undefined || state.standing === null) {
    engine = await openEngine(
      link,
      ormOf(link.source, sourceUrl),
      ormOf(link.target, targetUrl),
      randomUUID,
      turns,
    );
    engines.set(link.name, engine);
  }
  return engine;
}

/** Only a link that is kept live has one: a doorbell takes a session. */
function watchOf({ link, sourceUrl }: LinkTask): Watch {
  let watch = watches.get(link.name);
  if (watch === undefined) watches.set(link.name, (watch = new Watch(doorbellOf(link.source, sourceUrl))));
  return watch;
}

/** Never rejects: an error crosses as data, or its code would be lost. */
export async function runTask(task: LinkTask): Promise<LinkAnswer> {
  const ending = new AbortController();
  task.end.once('message', () => ending.abort());
  try {
    const engine = await engineOf(task);
    const { kind, state, limits } = task;
    if (kind === 'drain') return { ok: true, report: await drainLink(engine, state, limits) };
    if (kind === 'watch')
      return { ok: true, report: await watchOf(task).run(engine, state, limits, ending.signal) };
    return { ok: true, report: { ...nothingDone, state: await attend(engine, task) } };
  } catch (error) {
    return { ok: false, error: serializeError(toSnkError(error, `link ${task.link.name}`)) };
  } finally {
    task.end.close();
  }
}

async function attend(engine: LinkEngine, { kind, state, limits }: LinkTask): Promise<DrainState> {
  if (kind === 'tidy') return await tidyLink(engine, state, limits);
  if (kind === 'retry') return { ...state, parked: await retryParked(engine) };
  await Promise.all([engine.source.check(), engine.target.check()]);
  return state;
}

const nothingDone = {
  ...emptyTally,
  drained: true,
  backfill: [],
  busy: 0,
  lags: [],
  failure: null,
};
