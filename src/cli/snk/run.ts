/** `snk run`: keeps all links live until it is told to end; the first signal ends cleanly, the second at once. */
import type { Command } from 'commander';
import { withCopyOptions } from '../../config/copy-options.ts';
import { exitCodeOf } from '../../errors.ts';
import type { Snk } from '../../snk.ts';
import { logEvents, openLog } from '../../telemetry/log.ts';
import { addCopyOptions, readCopyOptions, type CopyFlags } from '../copy-options.ts';
import { CopyBars } from '../progress.ts';
import { runVerb, tellError } from '../verb.ts';

/** Milliseconds: a transaction under way ends within a task's budget, or rolls back when the process goes. */
const grace = 4_000;

interface Options extends CopyFlags {
  readonly install: boolean;
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
      '--log-level <level>',
      'trace, debug, info, warn or error',
      process.env['SNK_LOG_LEVEL'] ?? 'info',
    )
    .option('--log-format <format>', 'json or pretty (default: pretty on a terminal)')
    .action(async (options: Options, command: Command) => {
      await runVerb(
        command,
        async (snk) => await keepLive(snk, options),
        (config) => withCopyOptions(config, readCopyOptions(options)),
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
  const ending = new AbortController();
  endOnSignals(ending, () => log.info({}, 'ending'));
  log.info({ links: snk.config.links.map((link) => link.name) }, 'started');
  try {
    await snk.run(ending.signal, { install: options.install }).finally(() => bars?.stop());
  } catch (error) {
    tellError(error);
    return exitCodeOf(error);
  }
  log.info({}, 'ended');
  return 0;
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
