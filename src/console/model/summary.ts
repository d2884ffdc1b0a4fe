/** How all is, in one sentence: what somebody reads who looks for ten seconds (pure). */
import type { LinkNow, Overview } from '../../http/console/wire.ts';
import { count, duration, plural } from './format.ts';

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

export function summarize({ nodes }: Overview, links: readonly LinkView[]): Summary {
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
  const aside = links.reduce(
    (sum, { link }) => sum + (link.status?.conflicts ?? 0) + (link.status?.parked ?? 0),
    0,
  );
  const detail = [
    flowText(links),
    aside > 0 ? `${plural(aside, 'row')} ${aside === 1 ? 'stands' : 'stand'} aside.` : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
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

function flowText(links: readonly LinkView[]): string {
  const lag = Math.max(0, ...links.map((link) => link.lagMs ?? 0));
  const rate = links.reduce((sum, link) => sum + link.rowsPerSecond, 0);
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
