/**
 * `snk run`: keeps all links live until it is told to end, or carries all there is once; the first signal ends cleanly, the
 * second at once.
 */
import type { Command } from 'commander';
import { withCopyOptions } from '../../config/copy-options.ts';
import { servingWarnings, withConsole, withListen } from '../../config/http-options.ts';
import { exitCodeOf, FaultsError, SnkError } from '../../errors.ts';
import type { HttpServer } from '../../http/server.ts';
import { ownLinks, servedLinks } from '../../topology/topology.ts';
import type { Snk } from '../../snk.ts';
import { Health } from '../../telemetry/health.ts';
import { logEvents, openLog, type Logger } from '../../telemetry/log.ts';
import { consoleStart, sayConsole } from '../console-start.ts';
import { addCopyOptions, readCopyOptions, type CopyFlags } from '../copy-options.ts';
import { onceCode, onceLines } from '../once.ts';
import { CopyBars } from '../progress.ts';
import { openNotify, watchdogOf } from '../systemd/notify.ts';
import { Service } from '../systemd/service.ts';
import { printJson, printLine, runVerb, tellError } from '../verb.ts';

/** Milliseconds: a transaction under way ends within a task's budget, or rolls back when the process goes. */
const grace = 4_000;

interface Options extends CopyFlags {
  readonly install: boolean;
  readonly once?: boolean;
  readonly link?: readonly string[];
  readonly json?: boolean;
  readonly listen?: string;
  readonly console?: boolean;
  readonly logLevel: string;
  readonly logFormat?: string;
}

export function addRun(program: Command): void {
  const run = program
    .command('run')
    .description(
      "keep all links live, or have those with 'every' work as often as they say; waits for databases that are not up yet",
    )
    .option('--no-install', 'do not install what is missing')
    .option(
      '--once',
      'carry all there is, print a summary and end: 1 when not all is over, a row is parked or a conflict was settled',
    )
    .option(
      '--link <name>',
      'with --once: this link alone, as snk status names it; can be said again',
      (name, names: readonly string[] | undefined) => [...(names ?? []), name],
    )
    .option('--json', 'with --once: the summary as one JSON document on stdout');
  addCopyOptions(run)
    .option(
      '--listen <address>',
      'serve /healthz, /readyz and /metrics on host:port, or on a port of loopback (default: as configured)',
    )
    .option('--console', 'serve a page for people there as well, behind a log-in (default: as configured)')
    .option(
      '--log-level <level>',
      'trace, debug, info, warn or error',
      process.env['SNK_LOG_LEVEL'] ?? 'info',
    )
    .option('--log-format <format>', 'json or pretty (default: pretty on a terminal)')
    .action(async (options: Options, command: Command) => {
      await runVerb(
        command,
        async (snk) => await runLinks(snk, options),
        (config) => {
          const adapted = withListen(withCopyOptions(config, readCopyOptions(options)), options.listen);
          return withConsole(adapted, options.console);
        },
      );
      // A socket that does not close must not keep the process.
      setTimeout(() => process.exit(), 500).unref();
    });
}

async function runLinks(snk: Snk, options: Options): Promise<number> {
  const once = options.once === true;
  if (!once && (options.link !== undefined || options.json === true))
    throw new SnkError('SNK_USAGE', '--link and --json go with --once');
  if (once && (options.listen !== undefined || options.console === true))
    throw new SnkError('SNK_USAGE', '--listen and --console do not go with --once: it ends by itself');
  const isTerminal = process.stderr.isTTY;
  const pretty = options.logFormat === undefined ? isTerminal : options.logFormat === 'pretty';
  // On a terminal bars show what lines would say elsewhere.
  const bars = isTerminal ? new CopyBars(snk.events) : null;
  const log = openLog({ level: options.logLevel, pretty, to: bars?.above });
  logEvents(snk.events, log, { firstCopies: bars === null });
  const work = once ? carryOnce : keepLive;
  try {
    return await work(snk, options, log).finally(() => bars?.stop());
  } catch (error) {
    tellError(error);
    return exitCodeOf(error);
  }
}

type Work = (snk: Snk, options: Options, log: Logger) => Promise<number>;

const keepLive: Work = async (snk, { install }, log) => {
  const names = ownLinks(snk.config).map((link) => link.name);
  const unserved = servingWarnings(snk.config);
  if (names.length === 0 && unserved.length > 0) throw new FaultsError(unserved);
  for (const { code, message, hint } of unserved) log.warn({ code, hint }, message);
  const served = servedLinks(snk.config).map((link) => link.name);
  const health = new Health(snk.events, names, served.length);
  const watchdog = watchdogOf(process.env);
  const service = openService(snk, health, watchdog, log);
  const signal = endOnSignals(0, () => {
    log.info({}, 'ending');
    void service?.end();
  });
  log.info({ links: names, ...(served.length === 0 ? {} : { served }) }, 'started');
  let http: HttpServer | null = null;
  try {
    http = await serve(snk, health, log);
    const turnWithin = watchdog === null ? undefined : watchdog / 6;
    await snk.run(signal, { install, turnWithin });
  } finally {
    await Promise.all([http?.close(), service?.end()]);
  }
  log.info({}, 'ended');
  return 0;
};

const carryOnce: Work = async (snk, { install, link = [], json }, log) => {
  const signal = endOnSignals(1, () => log.info({}, 'ending'));
  const report = await snk.runOnce(signal, { install, links: link });
  log.debug({ complete: report.complete, seconds: report.seconds }, 'ended');
  if (json === true) printJson(report);
  else for (const line of onceLines(report)) printLine(line);
  return onceCode(report);
};

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
  const onFault = (error: unknown): void =>
    log.error({ reason: error instanceof Error ? error.stack : String(error) }, 'an HTTP request failed');
  const console = consoleStart(snk.config.http, log);
  const server = await openHttp(snk, health, snk.config.http, onFault, console);
  log.info({ address: server.address }, 'listening');
  if (console !== null) sayConsole(server.address, console, log);
  return server;
}

/** `late`: the exit code when what is under way does not end in time. */
function endOnSignals(late: number, onFirst: () => void): AbortSignal {
  const ending = new AbortController();
  const onSignal = (): void => {
    if (ending.signal.aborted) process.exit(130);
    onFirst();
    ending.abort();
    setTimeout(() => process.exit(late), grace).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return ending.signal;
}
