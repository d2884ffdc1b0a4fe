/** The metrics of a run, in a registry of its own: counted from events, and set from what the databases say at a scrape. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Gauges } from '../snk.ts';
import type { Events } from '../telemetry/events.ts';
import { conditions, type Health } from '../telemetry/health.ts';
import type { Link } from '../topology/topology.ts';

const ofLink = ['link', 'source', 'target'] as const;

/** Seconds: from a doorbell that is answered at once to a link that has been away. */
const lagBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200,
];

/**
 * Delays of the event loop by sampling: it wakes a process that is to stay idle a hundred times a second, and what is shown
 * is never less than the time between two samples. `nodejs_eventloop_lag_seconds` is measured at the scrape, and stays.
 */
const sampledDelays = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (name) => `nodejs_eventloop_lag_${name}_seconds`,
);
/** Milliseconds between two samples. */
const seldom = 3_600_000;

export class Metrics {
  readonly registry = new Registry();
  readonly #health: Health;
  readonly #labels: ReadonlyMap<string, Record<(typeof ofLink)[number], string>>;

  readonly #lag = new Histogram({
    name: 'snk_link_lag_seconds',
    help: 'Of each window with changes: from the capture of its oldest change until its commit in the target was answered; the age at reading by the clock of the source, the rest by that of this process.',
    labelNames: ofLink,
    buckets: lagBuckets,
    registers: [this.registry],
  });
  readonly #rows = this.#counter('snk_link_rows_total', 'Rows written in the target.');
  readonly #windows = this.#counter('snk_link_windows_total', 'Windows, or pages of them, applied.');
  readonly #conflicts = this.#counter('snk_link_conflicts_total', 'Conflicts met.');
  readonly #parkedTotal = this.#counter(
    'snk_link_parked_total',
    'Rows parked, those that have gone in since among them.',
  );
  readonly #files = this.#counter('snk_link_files_total', 'Files sent to the target.');
  readonly #fileBytes = this.#counter('snk_link_file_bytes_total', 'Bytes of files sent to the target.');
  readonly #state = new Gauge({
    name: 'snk_link_state',
    help: '1 for the state that the link is in, 0 for all others.',
    labelNames: [...ofLink, 'state'],
    registers: [this.registry],
  });
  readonly #pending = this.#gauge('snk_link_pending_rows', 'Keys in the change log that wait for the link.');
  readonly #parked = this.#gauge('snk_link_parked_rows', 'Rows that stand parked.');
  readonly #unsettled = this.#gauge(
    'snk_link_unsettled_conflicts',
    'Conflicts that nobody has settled by hand.',
  );
  readonly #log = new Gauge({
    name: 'snk_change_log_bytes',
    help: 'Size of the change log of a node, with its indexes.',
    labelNames: ['node'],
    registers: [this.registry],
  });

  constructor(links: readonly Link[], events: Events, health: Health) {
    this.#health = health;
    this.#labels = new Map(
      links.map(({ name, source, target }) => [name, { link: name, source, target }] as const),
    );
    for (const labels of this.#labels.values()) {
      this.#lag.zero(labels);
      for (const counter of [this.#rows, this.#windows, this.#conflicts, this.#parkedTotal])
        counter.inc(labels, 0);
      for (const counter of [this.#files, this.#fileBytes]) counter.inc(labels, 0);
    }
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: seldom });
    for (const name of sampledDelays) this.registry.removeSingleMetric(name);
    events.on('link:applied', ({ link, windows, rows, conflicts, parked, lagsMs, files, fileBytes }) => {
      const labels = this.#labels.get(link);
      if (labels === undefined) return;
      this.#windows.inc(labels, windows);
      this.#rows.inc(labels, rows);
      this.#conflicts.inc(labels, conflicts);
      this.#parkedTotal.inc(labels, parked);
      this.#files.inc(labels, files);
      this.#fileBytes.inc(labels, fileBytes);
      for (const lag of lagsMs) this.#lag.observe(labels, lag / 1_000);
    });
    events.on('link:served', ({ link, rows, conflicts, parked }) => {
      const labels = this.#labelsOf(link);
      this.#windows.inc(labels, 1);
      this.#rows.inc(labels, rows);
      this.#conflicts.inc(labels, conflicts);
      this.#parkedTotal.inc(labels, parked);
    });
  }

  /** A node that comes with a key has links of its own name, which nobody has configured. */
  #labelsOf(name: string): Record<(typeof ofLink)[number], string> {
    const [source = '', target = ''] = name.split('->');
    return this.#labels.get(name) ?? { link: name, source, target };
  }

  /** The text of a scrape. What is not known is left out: a value of an hour ago would look like one of now. */
  async text(gauges: Gauges | null): Promise<string> {
    for (const each of [this.#state, this.#pending, this.#parked, this.#unsettled, this.#log]) each.reset();
    for (const { link, state } of this.#health.links) {
      const labels = this.#labels.get(link);
      for (const each of conditions) this.#state.set({ ...labels, state: each }, each === state ? 1 : 0);
    }
    for (const { name, pendingRows, parked, conflicts } of gauges?.links ?? []) {
      const labels = this.#labelsOf(name);
      if (pendingRows !== null) this.#pending.set(labels, pendingRows);
      if (parked !== null) this.#parked.set(labels, parked);
      if (conflicts !== null) this.#unsettled.set(labels, conflicts);
    }
    for (const { name, changeLogBytes } of gauges?.nodes ?? [])
      if (changeLogBytes !== null) this.#log.set({ node: name }, changeLogBytes);
    return await this.registry.metrics();
  }

  #counter(name: string, help: string) {
    return new Counter({ name, help, labelNames: ofLink, registers: [this.registry] });
  }

  #gauge(name: string, help: string) {
    return new Gauge({ name, help, labelNames: ofLink, registers: [this.registry] });
  }
}
