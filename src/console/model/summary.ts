/** How all is, in one sentence: what somebody reads who looks for ten seconds (pure). */
import type { LinkNow, LinkStatus, Overview } from '../../http/console/wire.ts';
import { count, duration, plural } from './format.ts';
import { viewReaders, type ReadersView } from './readers.ts';

/** `good`: nothing to do. `busy`: it works its way there. `care`: somebody should look. `bad`: something stands still. */
export type Level = 'good' | 'busy' | 'care' | 'bad' | 'idle';

export interface LinkView {
  readonly link: LinkNow;
  readonly state: string;
  readonly label: string;
  readonly level: Level;
  readonly lagMs: number | null;
  readonly rowsPerSecond: number;
  readonly pending: number | null;
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
}

export interface Summary {
  readonly level: Level;
  readonly title: string;
  readonly detail: string;
}

const words: Readonly<Record<string, readonly [label: string, level: Level]>> = {
  live: ['Live', 'good'],
  scheduled: ['Scheduled', 'good'],
  standby: ['Standby', 'good'],
  'catching-up': ['Catching up', 'busy'],
  backfilling: ['First copy', 'busy'],
  waiting: ['Starting', 'busy'],
  paused: ['Paused', 'idle'],
  retrying: ['Trying again', 'care'],
  unreachable: ['Unreachable', 'bad'],
  stopped: ['Stopped', 'bad'],
};

/** Seconds over which a rate is told. */
const rateOver = 5;

export function viewLink(link: LinkNow): LinkView {
  const state = stateOf(link);
  const [label, level] = words[state] ?? [state, 'care'];
  const last = link.points.slice(-rateOver);
  const rows = last.reduce((sum, point) => sum + point.rows, 0);
  const told = link.status?.lastError ?? null;
  const error =
    told ?? (link.code === null ? null : { code: link.code, message: messageOf(link), hint: null });
  return {
    link,
    state,
    label,
    level,
    lagMs: last.findLast((point) => point.lagMs !== null)?.lagMs ?? link.status?.lagMs ?? null,
    rowsPerSecond: last.length === 0 ? 0 : rows / last.length,
    pending: link.status?.pendingRows ?? null,
    error: level === 'good' && told === null ? null : error,
  };
}

/** This process knows first that it fails; of pauses and stops the databases have the word, also of another process's. */
function stateOf({ condition, status }: LinkNow): string {
  if (condition === 'retrying' || condition === 'stopped') return condition;
  // The other end of a link over HTTP is in no database of ours: this process alone knows of it.
  if (status === null || status.state === 'unreachable') return condition;
  if (status.state === 'stopped' && status.lastError === null && condition !== 'waiting') return condition;
  return status.state === 'stopped' && condition === 'waiting' ? 'waiting' : status.state;
}

function messageOf({ source, target }: LinkNow): string {
  return `something between ${source} and ${target} failed`;
}

/** Of all links, those too of nodes that come with a key: what they set aside stands here. */
export function aside({ links, readers }: Overview, what: 'conflicts' | 'parked'): number {
  return [...links, ...readers].reduce((sum, { status }) => sum + (status?.[what] ?? 0), 0);
}

export function summarize(overview: Overview, links: readonly LinkView[]): Summary {
  const { nodes } = overview;
  const readers = viewReaders(overview.readers);
  const away = nodes.filter((node) => !node.reachable).map(({ name }) => name);
  const of = (level: Level): readonly LinkView[] => links.filter((link) => link.level === level);
  const [bad, care, busy, idle] = [of('bad'), of('care'), of('busy'), of('idle')];
  if (away.length > 0)
    return {
      level: 'bad',
      title: `${listed(away)} ${away.length === 1 ? 'does' : 'do'} not answer.`,
      detail: 'SNK tries again by itself; nothing is lost meanwhile.',
    };
  const trouble = bad.length + care.length;
  if (trouble > 0) {
    const does = bad.length > 0 ? verb(trouble, 'needs', 'need') : verb(trouble, 'has', 'have');
    const title = `${some(trouble, links.length)} ${does} ${bad.length > 0 ? 'you' : 'trouble'}.`;
    return { level: bad.length > 0 ? 'bad' : 'care', title, detail: 'What to do stands with it.' };
  }
  if (readers.stopped.length > 0) return standingStill(readers);
  const rows = aside(overview, 'conflicts') + aside(overview, 'parked');
  const asideText = rows > 0 ? `${plural(rows, 'row')} ${verb(rows, 'stands', 'stand')} aside.` : '';
  if (links.length === 0) return ofReaders(overview, readers, asideText);
  const detail = joined(flowText(links, readers), asideText);
  if (busy.length > 0) {
    const does = verb(busy.length, 'is on its way', 'are on their way');
    return { level: 'busy', title: `${some(busy.length, links.length)} ${does}.`, detail };
  }
  if (idle.length > 0) {
    const does = verb(idle.length, 'is paused', 'are paused');
    return { level: 'idle', title: `${some(idle.length, links.length)} ${does}.`, detail };
  }
  const title = links.length === 1 ? 'The link is well.' : `All ${links.length} links are well.`;
  return { level: 'good', title, detail };
}

/** A hub that works no link itself. */
function ofReaders({ isFresh }: Overview, readers: ReadersView, asideText: string): Summary {
  const { level, nodes, told, pending } = readers;
  if (nodes === 0 && !isFresh)
    return { level: 'busy', title: 'The databases are asked.', detail: 'That takes a moment.' };
  if (nodes === 0) {
    const detail = joined('Make one a key, and give it to that node.', asideText);
    return { level: 'idle', title: 'No node comes with a key.', detail };
  }
  const come = `${plural(nodes, 'node')} ${verb(nodes, 'comes', 'come')} with a key`;
  const title = told === '' ? `${come}.` : `${come}; ${told}.`;
  const waiting = pending === 0 ? 'Nothing waits.' : waitText(pending);
  // Rows that are on their way to somebody who is not behind are no news.
  return { level: told === '' ? 'good' : level, title, detail: joined(waiting, asideText) };
}

/** It has no card: what to do is said here. */
function standingStill({ stopped }: ReadersView): Summary {
  const names = [...new Set(stopped.map(({ node }) => node))];
  const [{ name, lastError }] = stopped.map(({ status }) => status) as [LinkStatus];
  const detail =
    lastError === null ? `${name} stopped.` : joined(`${name}: ${lastError.message}.`, lastError.hint ?? '');
  return { level: 'bad', title: `${listed(names)} ${verb(names.length, 'stands', 'stand')} still.`, detail };
}

const waitText = (rows: number | null): string =>
  rows === null ? '' : `Up to ${plural(rows, 'row')} ${verb(rows, 'waits', 'wait')}.`;

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(' ');

function flowText(links: readonly LinkView[], { nodes, told }: ReadersView): string {
  const lag = Math.max(0, ...links.map((link) => link.lagMs ?? 0));
  const rate = links.reduce((sum, link) => sum + link.rowsPerSecond, 0);
  if (rate < 0.05 && told !== '') return `Of ${plural(nodes, 'node')} with a key ${told}.`;
  if (rate < 0.05) return 'Nothing waits.';
  return `${count(rate < 10 ? Math.ceil(rate) : rate)} rows a second, ${duration(lag)} behind.`;
}

const verb = (links: number, one: string, more: string): string => (links === 1 ? one : more);

function some(links: number, all: number): string {
  if (links < all) return `${links} of ${all} links`;
  return all === 1 ? 'The link' : `All ${all} links`;
}

function listed(names: readonly string[]): string {
  return names.length < 3 ? names.join(' and ') : `${names.length} nodes`;
}
