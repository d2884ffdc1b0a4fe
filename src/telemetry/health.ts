/** How each link of a run fares, and the hub, by what they tell: whether they do what they are to do, and what holds them up. */
import type { Events, LinkState } from './events.ts';

/** `retrying`: something failed, and the link tries again. */
export type Condition = LinkState | 'retrying';

export const conditions = [
  'waiting',
  'standby',
  'backfilling',
  'catching-up',
  'live',
  'scheduled',
  'paused',
  'retrying',
  'stopped',
] as const satisfies readonly Condition[];

export interface LinkHealth {
  readonly link: string;
  readonly state: Condition;
  /** The code of the error that holds it up. */
  readonly code: string | null;
  /** It is live or on its way there, or does nothing because somebody wants it so. */
  readonly ready: boolean;
}

/** Standby: another process has the link, and this one would take it over. */
const wanted: ReadonlySet<Condition> = new Set([
  'live',
  'catching-up',
  'backfilling',
  'scheduled',
  'standby',
  'paused',
]);
/** What failed last says nothing of a link that is in one of these. */
const settled: ReadonlySet<Condition> = new Set(['waiting', 'standby', 'paused', 'stopped']);

export class Health {
  readonly #links: Map<string, { readonly state: LinkState; readonly code: string | null }>;
  readonly #unreachable = new Set<string>();
  /** How many links are served to those who come with a key. */
  readonly served: number;
  #hasServed = false;

  constructor(events: Events, links: readonly string[], served = 0) {
    this.served = served;
    this.#links = new Map(links.map((link) => [link, { state: 'waiting', code: null }]));
    events.on('link:state', ({ link, state }) => this.#note(link, { state }));
    events.on('link:failed', ({ link, error }) => this.#note(link, { code: error.code }));
    events.on('link:recovered', ({ link }) => this.#note(link, { code: null }));
    events.on('hub:turned', () => (this.#hasServed = true));
    events.on('node:unreachable', ({ node }) => this.#unreachable.add(node));
    events.on('node:reached', ({ node }) => this.#unreachable.delete(node));
  }

  get links(): readonly LinkHealth[] {
    return [...this.#links].map(([link, { state, code }]) => {
      const now = code === null || settled.has(state) ? state : 'retrying';
      return { link, state: now, code: wanted.has(now) ? null : code, ready: wanted.has(now) };
    });
  }

  get ready(): boolean {
    return this.links.every((link) => link.ready) && (this.served === 0 || this.serves);
  }

  /** Who comes with a key is answered, and the databases are there. */
  get serves(): boolean {
    return this.#hasServed && this.#unreachable.size === 0;
  }

  /** Every link has been at work, or has stopped, and the hub serves: what was to be done before is done. */
  get hasRun(): boolean {
    return this.links.every((link) => link.state !== 'waiting') && (this.served === 0 || this.#hasServed);
  }

  /** Nodes that the start waits for, or without which the hub can serve nobody. */
  get unreachable(): readonly string[] {
    return [...this.#unreachable];
  }

  #note(link: string, news: { readonly state?: LinkState; readonly code?: string | null }): void {
    const before = this.#links.get(link);
    if (before !== undefined) this.#links.set(link, { ...before, ...news });
  }
}
