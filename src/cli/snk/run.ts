/** `snk run`: keeps all links live until it is told to end; the first signal ends cleanly, the second at once. */
import type { Command } from 'commander';
import { withCopyOptions } from '../../config/copy-options.ts';
import { withListen } from '../../config/http-options.ts';
import { exitCodeOf } from '../../errors.ts';
import type { HttpServer } from '../../http/server.ts';
import type { Snk } from '../../snk.ts';
import { Health } from '../../telemetry/health.ts';
import { logEvents, openLog, type Logger } from '../../telemetry/log.ts';
import { addCopyOptions, readCopyOptions, type CopyFlags } from '../copy-options.ts';
import { CopyBars } from '../progress.ts';
import { openNotify, watchdogOf } from '../systemd/notify.ts';
import { Service } from '../systemd/service.ts';
import { runVerb, tellError } from '../verb.ts';

/** Milliseconds: a transaction under way ends within a task's budget, or rolls back when the process goes. */
const grace = 4_000;

interface Options extends CopyFlags {
  readonly install: boolean;
  readonly listen?: string;
  readonly logLevel: string;
  readonly logFormat?: string;
}

export function addRun(program: Command): void {
  const run = program
    .command('run')
    .description('keep all links live; waits for databases that are not up yet')
    .option('--no-install', 'do not install what is missing');
  addCopyOptions(run)
    .option(
      '--listen <address>',
      'serve /healthz, /readyz and /metrics on host:port, or on a port of loopback (default: as configured)',
    )
    .option(
      '--log-level <level>',
      'trace, debug, info, warn or error',
      process.env['SNK_LOG_LEVEL'] ?? 'info',
    )
    .option('--log-format <format>', 'json or pretty (default: pretty on a terminal)')
    .action(async (options: Options, command: Command) => {
      await runVerb(
        command,
        async (snk) => await keepLive(snk, options),
        (config) => withListen(withCopyOptions(config, readCopyOptions(options)), options.listen),
      );
      // A socket that does not close must not keep the process.
      setTimeout(() => process.exit(), 500).unref();
    });
}

async function keepLive(snk: Snk, options: Options): Promise<number> {
  const isTerminal = process.stderr.isTTY;
  const pretty = options.logFormat === undefined ? isTerminal : options.logFormat === 'pretty';
  // On a terminal bars show what lines would say elsewhere.
  const bars = isTerminal ? new CopyBars(snk.events) : null;
  const log = openLog({ level: options.logLevel, pretty, to: bars?.above });
  logEvents(snk.events, log, { firstCopies: bars === null });
  const health = new Health(
    snk.events,
    snk.config.links.map((link) => link.name),
  );
  const watchdog = watchdogOf(process.env);
  const service = openService(snk, health, watchdog, log);
  const ending = new AbortController();
  endOnSignals(ending, () => {
    log.info({}, 'ending');
    void service?.end();
  });
  log.info({ links: snk.config.links.map((link) => link.name) }, 'started');
  let http: HttpServer | null = null;
  try {
    http = await serve(snk, health, log);
    const turnWithin = watchdog === null ? undefined : watchdog / 6;
    await snk.run(ending.signal, { install: options.install, turnWithin }).finally(() => bars?.stop());
  } catch (error) {
    tellError(error);
    return exitCodeOf(error);
  } finally {
    await Promise.all([http?.close(), service?.end()]);
  }
  log.info({}, 'ended');
  return 0;
}

function openService(snk: Snk, health: Health, watchdog: number | null, log: Logger): Service | null {
  const notify = openNotify(process.env, (reason) =>
    log.warn({ reason }, 'systemd cannot be told: systemd-notify failed'),
  );
  return notify === null ? null : new Service({ events: snk.events, health, notify, watchdog });
}

/** Loaded only where it is wanted: the framework takes memory. */
async function serve(snk: Snk, health: Health, log: Logger): Promise<HttpServer | null> {
  if (snk.config.http === null) return null;
  const { openHttp } = await import('../../http/server.ts');
  const server = await openHttp(snk, health, snk.config.http.listen, (error) =>
    log.error({ reason: error instanceof Error ? error.stack : String(error) }, 'an HTTP request failed'),
  );
  log.info({ address: server.address }, 'listening');
  return server;
}

function endOnSignals(ending: AbortController, onFirst: () => void): void {
  const onSignal = (): void => {
    if (ending.signal.aborted) process.exit(130);
    onFirst();
    ending.abort();
    setTimeout(() => process.exit(0), grace).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
