/** What every verb does alike: read the configuration, work, say what went wrong, end with the right code. */
import type { Command } from 'commander';
import { loadConfig, loadDotEnv } from '../config/load-config.ts';
import type { Config } from '../config/config.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { exitCodeOf, FaultsError, SnkError, type Fault } from '../errors.ts';
import { Snk } from '../snk.ts';
import { packageVersion } from './version.ts';

export async function readConfig(command: Command): Promise<Config> {
  loadDotEnv(process.cwd());
  const { config } = command.optsWithGlobals<{ config?: string }>();
  return await loadConfig({ file: config, directory: process.cwd(), env: process.env });
}

/** Runs a verb and sets the exit code; the verb returns its own (0 or 1). `adapt` says what its options change. */
export async function runVerb(
  command: Command,
  work: (snk: Snk) => Promise<number>,
  adapt: (config: Config) => Config = (config) => config,
): Promise<void> {
  let snk: Snk | undefined;
  try {
    snk = new Snk(adapt(await readConfig(command)));
    process.exitCode = await work(snk);
  } catch (error) {
    const known = toSnkError(error, command.name());
    tellError(known);
    process.exitCode = exitCodeOf(known);
  } finally {
    await snk?.close();
  }
}

export function tellError(error: unknown): void {
  if (error instanceof FaultsError) {
    for (const fault of error.faults) process.stderr.write(`${faultText(fault)}\n`);
  } else if (error instanceof SnkError && error.code !== 'SNK_INTERNAL') {
    process.stderr.write(
      `snk: ${error.message} [${error.code}]\n${error.hint === undefined ? '' : `     ${error.hint}\n`}`,
    );
  } else {
    process.stderr.write(`snk ${packageVersion()}: internal error [SNK_INTERNAL]\n${stackOf(error)}\n`);
  }
}

function stackOf(error: unknown): string {
  const thrown = error instanceof SnkError && error.cause !== undefined ? error.cause : error;
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

export function faultText(fault: Fault): string {
  return `${fault.at}: ${fault.message} [${fault.code}]${fault.hint === undefined ? '' : `\n     ${fault.hint}`}`;
}

/** What a list leaves out must not look as if there were nothing. */
export function noteElsewhere({ elsewhere }: Snk): void {
  for (const { link, why } of elsewhere) process.stderr.write(`${link} is not listed here: ${why}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
