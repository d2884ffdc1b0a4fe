/** How nodes and links fare, for any number of pages that ask every second: the databases are asked once for all of them. */
import type { Snk } from '../../snk.ts';
import type { Health } from '../../telemetry/health.ts';
import { databasesOf, ownLinks } from '../../topology/topology.ts';
import { Sampled } from '../sampled.ts';
import { History, span } from './history.ts';
import type { Overview, ReaderNow } from './wire.ts';

type Status = Awaited<ReturnType<Snk['status']>>;

/** Milliseconds. */
const sampling = { fresh: 900, patience: 1_500, stale: 60_000 } as const;
/** Databases that answer slowly are asked less often: for a fifth of the time at the most. */
const rest = 4;
/** Milliseconds after which an answer is not called fresh any more. */
const freshness = 15_000;

export class Overviews {
  readonly #snk: Snk;
  readonly #health: Health;
  readonly #history: History;
  readonly #status: Sampled<Status>;
  readonly #version: string;
  readonly #timer: NodeJS.Timeout;
  #last: { readonly status: Status; readonly endedAt: number; readonly tookMs: number } | null = null;

  constructor(snk: Snk, health: Health, version: string) {
    this.#snk = snk;
    this.#health = health;
    this.#version = version;
    const names = ownLinks(snk.config).map(({ name }) => name);
    this.#history = new History(names, snk.events, health);
    this.#status = new Sampled(async () => await this.#ask(), sampling);
    this.#timer = setInterval(() => this.#history.tick(), 1_000).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** With the points after `since`, in seconds. Never rejects. */
  async read(since: number): Promise<Overview> {
    const status = await this.#status.read();
    const health = new Map(this.#health.links.map((link) => [link.link, link]));
    const away = new Set(this.#health.unreachable);
    return {
      at: Date.now(),
      span,
      version: this.#version,
      isFresh: this.#last !== null && performance.now() - this.#last.endedAt < freshness,
      nodes:
        status?.nodes ??
        databasesOf(this.#snk.config).map(({ name }) => ({
          name,
          kind: 'database' as const,
          reachable: !away.has(name),
          version: null,
          changeLogRows: null,
        })),
      links: ownLinks(this.#snk.config).map(({ name, source, target, flows }) => ({
        name,
        source,
        target,
        tables: [...new Set(flows.map(({ from, to }) => (from === to ? from : `${from} → ${to}`)))],
        condition: health.get(name)?.state ?? 'waiting',
        code: health.get(name)?.code ?? null,
        status: status?.links.find((link) => link.name === name) ?? null,
        points: this.#history.points(name, since),
      })),
      readers: this.#readers(status),
      verifications: status?.verifications ?? [],
    };
  }

  #readers(status: Status | null): ReaderNow[] {
    const own = new Set(ownLinks(this.#snk.config).map(({ name }) => name));
    const nodes = new Set(this.#snk.config.nodes.map(({ name }) => name));
    return (status?.links ?? [])
      .filter(({ name }) => !own.has(name))
      .flatMap((each) => {
        const node = each.name.split('->').find((end) => !nodes.has(end));
        return node === undefined ? [] : [{ node, status: each }];
      });
  }

  async #ask(): Promise<Status> {
    const startedAt = performance.now();
    if (this.#last !== null && startedAt - this.#last.endedAt < rest * this.#last.tookMs)
      return this.#last.status;
    const status = await this.#snk.status();
    const endedAt = performance.now();
    this.#history.noteStatus(status.links);
    this.#last = { status, endedAt, tookMs: endedAt - startedAt };
    return status;
  }
}
