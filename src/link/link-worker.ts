/** The piscina worker: watches over links with the sessions that this thread keeps open; they end with the thread. */
import { randomUUID } from 'node:crypto';
import { serializeError } from '../errors.ts';
import { openOrm, type MikroORM } from '../db/orm.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { FarBell } from '../remote/far-bell.ts';
import { farEnd, HubLink } from '../remote/far-end.ts';
import { HubClient } from '../remote/hub-client.ts';
import type { DatabaseNode, HubNode } from '../topology/topology.ts';
import { LocalBell, type Bell } from './bell.ts';
import { Doorbell } from './doorbell.ts';
import { drainLink, tidyLink, type DrainReport, type DrainState } from './drain.ts';
import { openEngine, openFarEngine, type LinkEngine } from './engine.ts';
import type { LinkAnswer, LinkTask } from './link-messages.ts';
import { retryParked } from './retry-parked.ts';
import { emptyTally } from './tally.ts';
import { Turns } from './turns.ts';
import { Watch } from './watch.ts';

const turns = new Turns();
const orms = new Map<string, MikroORM>();
const hubs = new Map<string, HubClient>();
const hubLinks = new Map<string, HubLink>();
const doorbells = new Map<string, Doorbell>();
const engines = new Map<string, LinkEngine>();
const watches = new Map<string, Watch>();

function ormOf({ name, url }: DatabaseNode): MikroORM {
  const key = `${name} ${url}`;
  let orm = orms.get(key);
  if (orm === undefined) {
    orm = openOrm({ purpose: 'link', node: name, url, poolMax: 8, prepares: true });
    orms.set(key, orm);
  }
  return orm;
}

/** One for all links of a source: see LinkPool, which gives them to one thread. */
function doorbellOf(node: DatabaseNode): Doorbell {
  let doorbell = doorbells.get(node.name);
  if (doorbell === undefined) {
    doorbell = new Doorbell(ormOf(node));
    doorbells.set(node.name, doorbell);
    void doorbell.session.run(new AbortController().signal);
  }
  return doorbell;
}

function hubLinkOf(node: HubNode, link: string): HubLink {
  let hub = hubs.get(node.name);
  if (hub === undefined) hubs.set(node.name, (hub = new HubClient(node)));
  let known = hubLinks.get(link);
  if (known === undefined) hubLinks.set(link, (known = new HubLink(hub, link)));
  return known;
}

async function engineOf({ link, ends, state }: LinkTask): Promise<LinkEngine> {
  let engine = engines.get(link.name);
  if (engine === undefined || state.standing === null) {
    engine = await opened(link, ends);
    engines.set(link.name, engine);
  }
  return engine;
}

async function opened(link: LinkTask['link'], { source, target }: LinkTask['ends']): Promise<LinkEngine> {
  if (source.kind === 'database' && target.kind === 'database')
    return await openEngine(link, ormOf(source), ormOf(target), randomUUID, turns);
  const [end, near, hub] =
    source.kind === 'database'
      ? (['source', source, target as HubNode] as const)
      : (['target', target as DatabaseNode, source] as const);
  const far = farEnd(hubLinkOf(hub, link.name));
  return await openFarEngine(link, { end, orm: ormOf(near) }, far, randomUUID, turns);
}

function bellOf({ link, ends: { source } }: LinkTask): Bell {
  return source.kind === 'database'
    ? new LocalBell(doorbellOf(source))
    : new FarBell(hubLinkOf(source, link.name));
}

/** Only a link that is kept live has one: a doorbell takes a session. */
function watchOf(task: LinkTask): Watch {
  let watch = watches.get(task.link.name);
  if (watch === undefined) watches.set(task.link.name, (watch = new Watch(bellOf(task))));
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
    return { ok: true, report: { ...nothingDone, ...(await attend(engine, task)) } };
  } catch (error) {
    return { ok: false, error: serializeError(toSnkError(error, `link ${task.link.name}`)) };
  } finally {
    task.end.close();
  }
}

async function attend(
  engine: LinkEngine,
  { kind, state, limits }: LinkTask,
): Promise<Pick<DrainReport, 'state' | 'filesFailure'>> {
  if (kind === 'retry') return { state: { ...state, parked: await retryParked(engine) } };
  const tended = kind === 'tidy' ? await tidyLink(engine, state, limits) : await checked(engine, state);
  return { state: tended, filesFailure: (await engine.files?.tidy()) ?? null };
}

async function checked(engine: LinkEngine, state: DrainState): Promise<DrainState> {
  await Promise.all([engine.source.check(), engine.target.check()]);
  // A hub counts what it missed when it is started anew, and its links are opened anew then: hundreds of them ask for nothing more.
  if (engine.isRemote) return state;
  // Triggers that were gone between two looks are counted at the gate, which is read where a link is tidied. And a verb in another
  // process may have set the copies of a link back that is at work: see attach.ts.
  return { ...state, untidy: true, backfilling: state.backfilling === true ? true : null };
}

const nothingDone = {
  ...emptyTally,
  drained: true,
  backfill: [],
  busy: 0,
  lags: [],
  failure: null,
};
