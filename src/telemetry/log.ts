/** The log: pino on stderr, one subscriber of the events. Constant messages, values in fields, no row value, no URL. */
import type { Writable } from 'node:stream';
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Events, LinkState } from './events.ts';

export type { Logger };

export interface LogOptions {
  readonly level: string;
  /** Lines for people instead of JSON. */
  readonly pretty: boolean;
  /** Default: stderr, at once. */
  readonly to?: Writable | undefined;
}

export function openLog(options: LogOptions): Logger {
  const stream = options.pretty
    ? pretty({
        destination: options.to ?? 2,
        sync: true,
        colorize: process.stderr.isTTY,
        ignore: 'pid,hostname',
        translateTime: 'HH:MM:ss.l',
      })
    : (options.to ?? pino.destination({ dest: 2, sync: true }));
  return pino({ name: 'snk', level: options.level }, stream);
}

/** States that a link is in again and again. */
const passing: ReadonlySet<LinkState> = new Set(['live', 'catching-up', 'scheduled']);

/** Milliseconds after which what goes on is said once more. */
const lastingEvery = 60_000;

/** An outage is told once when it begins and again as it lasts: the level grows with the pause between two tries. */
export function logEvents(events: Events, log: Logger, options: { readonly firstCopies: boolean }): void {
  events.on('node:unreachable', ({ node, error, retryInMs }) =>
    log[retryInMs >= 2_000 ? 'warn' : 'info'](
      { node, code: error.code, hint: error.hint, retryInMs },
      `node unreachable: ${error.message}`,
    ),
  );
  events.on('node:reached', ({ node }) => log.info({ node }, 'node reached'));
  events.on('node:installed', ({ node, migrations, captured }) =>
    log.info({ node, migrations, captured }, 'installed'),
  );
  events.on('link:state', ({ link, state }) =>
    log[passing.has(state) ? 'debug' : 'info']({ link, state }, 'link state'),
  );
  events.on('link:applied', ({ link, windows, rows, conflicts, parked, durationMs }) =>
    log.debug({ link, windows, rows, conflicts, parked, durationMs }, 'applied'),
  );
  // A hub may be away for a weekend.
  const lasting = new Map<string, { readonly said: string; readonly at: number }>();
  events.on('link:failed', ({ link, error, retryInMs }) => {
    const fields = { link, code: error.code, hint: error.hint, retryInMs };
    if (retryInMs === null) return log.error(fields, `link stopped: ${error.message}`);
    const level = retryInMs >= 1_000 ? 'warn' : 'info';
    const said = `${level} ${error.message}`;
    const before = lasting.get(link);
    const isNews = before?.said !== said || Date.now() - before.at >= lastingEvery;
    if (isNews) lasting.set(link, { said, at: Date.now() });
    log[isNews ? level : 'debug'](fields, `link failed: ${error.message}`);
  });
  events.on('link:clock-skew', ({ link, skewMs }) =>
    log.warn({ link, skewMs }, 'the clocks of both nodes are far apart, and the newest change wins'),
  );
  events.on('link:recovered', ({ link, outageMs }) => {
    lasting.delete(link);
    log.info({ link, outageMs }, 'link recovered');
  });
  events.on('verify:done', (verified) => {
    const found = verified.missing + verified.different > 0 || verified.truncated;
    log[found ? 'warn' : 'info'](verified, found ? 'verified: different' : 'verified: equal');
  });
  events.on('verify:failed', ({ error, retryInMs }) =>
    log.warn({ code: error.code, hint: error.hint, retryInMs }, `could not verify: ${error.message}`),
  );
  events.on('files:failed', ({ node, error }) =>
    log.warn(
      { node, code: error.code, hint: error.hint },
      `files that no row names could not be taken away: ${error.message}`,
    ),
  );
  events.on('http:shut', ({ address }) =>
    log.warn({ address }, 'too many wrong keys came from an address: it has to wait'),
  );
  if (!options.firstCopies) return;
  const saidAt = new Map<string, number>();
  events.on('backfill:progress', (progress) => {
    const copy = `${progress.link} ${progress.table}`;
    if (!progress.done && Date.now() - (saidAt.get(copy) ?? 0) < 5_000) return;
    saidAt.set(copy, Date.now());
    log.info(progress, progress.done ? 'first copy done' : 'first copy');
  });
}
