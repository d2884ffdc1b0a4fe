/** How the nodes fare that come with a key, all of them in a few words: there may be hundreds (pure). */
import type { ReaderNow } from '../../http/console/wire.ts';
import { plural } from './format.ts';

export interface ReadersView {
  readonly level: 'good' | 'busy' | 'idle' | 'bad';
  readonly label: string;
  /** How many there are, without those whose keys are revoked. */
  readonly nodes: number;
  /** `1 is behind, 2 are away`; empty where there is no more to say than that they come. */
  readonly told: string;
  /** Rows that wait for the one that is furthest behind; null where nobody knows, as of nodes that only push. */
  readonly pending: number | null;
  /** Links that stand still, of which only a person makes an end. */
  readonly stopped: readonly ReaderNow[];
}

/** Of a node that has several links the first of these counts. */
const standings = ['stopped', 'behind', 'paused', 'away', 'here'] as const;
type Standing = (typeof standings)[number];

const words: Readonly<Record<Exclude<Standing, 'here'>, readonly [one: string, more: string]>> = {
  stopped: ['stands still', 'stand still'],
  behind: ['is behind', 'are behind'],
  paused: ['is paused', 'are paused'],
  away: ['is away', 'are away'],
};

export function viewReaders(readers: readonly ReaderNow[]): ReadersView {
  const revoked = new Set(readers.flatMap(({ node, status }) => (status.state === 'revoked' ? [node] : [])));
  const coming = readers.filter(({ node }) => !revoked.has(node));
  const byNode = [...Map.groupBy(coming, ({ node }) => node).values()].map(standingOf);
  const counted = Object.entries(words).flatMap(([standing, [one, more]]) => {
    const number = byNode.filter((each) => each === standing).length;
    return number === 0 ? [] : [`${number} ${number === 1 ? one : more}`];
  });
  const known = coming.flatMap(({ status: { pendingRows } }) => pendingRows ?? []);
  const pending = known.length === 0 ? null : Math.max(...known);
  const isAny = (standing: Standing): boolean => byNode.includes(standing);
  const view = {
    nodes: byNode.length,
    told: counted.join(', '),
    pending,
    stopped: coming.filter(({ status }) => status.state === 'stopped'),
  };
  if (isAny('stopped')) return { ...view, level: 'bad', label: counted[0] ?? '' };
  const behind = pending === null || pending === 0 ? view.told : `${plural(pending, 'row')} behind`;
  if (isAny('behind')) return { ...view, level: 'busy', label: behind };
  if (isAny('paused') || isAny('away')) return { ...view, level: 'idle', label: view.told };
  if (behind !== '') return { ...view, level: 'busy', label: behind };
  return { ...view, level: 'good', label: pending === null ? 'Here' : 'Level' };
}

function standingOf(links: readonly ReaderNow[]): Standing {
  const its = new Set(links.map(({ status: { state } }) => wordOf(state)));
  return standings.find((standing) => its.has(standing)) ?? 'here';
}

/** Somewhat behind are all who follow a table that is written to: that is not worth a word. */
function wordOf(state: ReaderNow['status']['state']): Standing {
  if (state === 'stopped' || state === 'paused' || state === 'away') return state;
  if (state === 'unreachable') return 'away';
  return state === 'catching-up' || state === 'backfilling' ? 'behind' : 'here';
}
