/** `snk` as a user runs it: a process in the folder of the example, where its snk.config.ts is. */
import { fileURLToPath } from 'node:url';
import { Program } from './program.ts';
import type { Stage } from './stage.ts';

/** What is measured is the built one, as it is installed: types are not stripped in it. */
const file = process.env['SNK_BUILT'] === '1' ? '../../dist/src/cli/snk.js' : '../../src/cli/snk.ts';
const program = fileURLToPath(new URL(file, import.meta.url));

export interface SnkSetting {
  /** The folder with snk.config.ts. */
  readonly folder: string;
  /** Another file of it than that. */
  readonly config?: string;
  /** What the configuration reads from the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Starts `snk run`, and returns when all of its links are live. */
export async function startSnk(stage: Stage, setting: SnkSetting): Promise<Program> {
  // The states of links are told at level debug.
  const snk = await snkProgram(stage, setting, 'run', '--log-level', 'debug', '--log-format', 'json');
  await snk.untilSaid(stage, 'live links', () => {
    const events = eventsOf(snk);
    const links = events.find(({ msg }) => msg === 'started')?.links;
    return links?.every((name) => events.some(({ link, state }) => link === name && state === 'live')) ===
      true
      ? true
      : undefined;
  });
  return snk;
}

/** Where a `snk run` serves those who come with a key. */
export async function addressOf(stage: Stage, snk: Program): Promise<string> {
  return await snk.untilSaid(
    stage,
    'an address',
    () => eventsOf(snk).find(({ address }) => address)?.address,
  );
}

/** What a `snk run` has logged. */
export function eventsOf(snk: Program): LogLine[] {
  return snk.stderr.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
}

export interface LogLine {
  readonly msg: string;
  readonly address?: string;
  readonly code?: string;
  readonly links?: readonly string[];
  readonly link?: string;
  readonly state?: string;
}

/** Runs a verb to its end, and returns the lines that it printed. */
export async function snk(stage: Stage, setting: SnkSetting, ...args: string[]): Promise<readonly string[]> {
  const verb = await snkProgram(stage, setting, ...args);
  const code = await verb.exited;
  // 1 says that something was found, such as a conflict.
  if (code !== 0 && code !== 1)
    throw new Error(`snk ${args.join(' ')} ended with ${code}:\n${verb.stderr.join('\n')}`);
  return verb.stdout;
}

/** Starts a verb, and waits for nothing. */
export async function snkProgram(stage: Stage, setting: SnkSetting, ...args: string[]): Promise<Program> {
  const { config, env, folder } = setting;
  const of = config === undefined ? [] : ['--config', config];
  return await Program.start(stage, program, { args: [...of, ...args], env, cwd: folder });
}
