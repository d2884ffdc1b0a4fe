import { readFileSync } from 'node:fs';
import type { Pair } from './databases.ts';
import { startSnk, startTst, type TestProcess } from './processes.ts';
import { waitUntil } from './wait-until.ts';

/** The environment in which `snk` and `tst` work on this pair, without a configuration file. */
export function pairEnv({ a, b }: Pair, tables = 'public.record'): Record<string, string> {
  return { SNK_A_URL: a.url, SNK_B_URL: b.url, SNK_TABLES: tables, SNK_LOG_LEVEL: 'debug' };
}

/** Starts `snk run` for the pair. */
export function runSnk(pair: Pair, tables?: string): TestProcess {
  return startSnk(['run'], { env: pairEnv(pair, tables) });
}

/** Starts `tst run --json` for the pair; the summary is its last line. */
export function runTst(pair: Pair, ...args: string[]): TestProcess {
  return startTst(['run', '--json', ...args], {
    env: { SNK_A_URL: pair.a.url, SNK_B_URL: pair.b.url },
  });
}

export interface TstSummary {
  rows: number;
  rowsPerSecond: number;
  lastCommitAt: string;
  uncertainRows: number;
  databases: { name: string; rows: number }[];
}

/** Waits for the end of TST, and returns its summary. */
export async function summaryOf(tst: TestProcess): Promise<TstSummary> {
  const { code } = await tst.exited;
  if (code !== 0) throw new Error(`tst ended with ${code}:\n${tst.stderr}`);
  return JSON.parse(tst.stdout) as TstSummary;
}

/** What a link's process said of its state last, by link. Lines before number `since` do not count. */
export function linkStates(snk: TestProcess, since = 0): Map<string, string> {
  const states = new Map<string, string>();
  for (const { text } of snk.lines.slice(since)) {
    if (!text.includes('"link state"')) continue;
    const { link, state } = JSON.parse(text) as { link: string; state: string };
    states.set(link, state);
  }
  return states;
}

const links = ['a->b', 'b->a'];

/** Waits until both links of the pair were live, in this process or in some of these. */
export async function untilLive(snk: TestProcess | TestProcess[], since = 0): Promise<void> {
  const processes = [snk].flat();
  await waitUntil(
    () => {
      const dead = processes.find((each) => each.exit !== undefined);
      if (dead) throw new Error(`snk run ended by itself:\n${dead.stderr}`);
      const lines = processes.flatMap((each) => each.lines.slice(since));
      return links.every((link) =>
        lines.some(({ text }) => text.includes(`"link":"${link}","state":"live"`)),
      );
    },
    { message: () => `both links to be live:\n${processes.map((each) => tailOf(each)).join('\n--\n')}` },
  );
}

/** The last lines of a process, for messages. */
export function tailOf(snk: TestProcess, count = 15): string {
  return snk.lines
    .slice(-count)
    .map(({ text }) => text)
    .join('\n');
}

/** Asks `snk run` to end, and returns how it did. */
export async function endSnk(snk: TestProcess): Promise<number | null> {
  return (await snk.kill('SIGTERM')).code;
}

export interface StatusJson {
  nodes: { name: string; reachable: boolean; version: string; changeLogRows: number }[];
  links: {
    name: string;
    state: string;
    lagMs: number | null;
    pendingRows: number | null;
    appliedRows: number | null;
    conflicts: number | null;
    parked: number | null;
    lastAppliedAt: string | null;
    lastError: { code: string; message: string; hint: string | null } | null;
  }[];
}

export interface VerifyJson {
  equal: boolean;
  verifiedThrough: string;
  tables: { table: string; rows: Record<string, number>; differences: object[] }[];
}

/** Runs a verb with `--json` to its end. */
export async function snkJson<Report = StatusJson | VerifyJson>(
  pair: Pair,
  verb: 'status' | 'verify',
  tables?: string,
): Promise<{ code: number | null; report: Report }> {
  const snk = startSnk([verb, '--json'], { env: pairEnv(pair, tables) });
  const { code } = await snk.exited;
  if (snk.stdout === '') throw new Error(`snk ${verb} --json ended with ${code}:\n${snk.stderr}`);
  return { code, report: JSON.parse(snk.stdout) as Report };
}

/** Resident memory of a process in megabytes: now, and at its highest. */
export function residentMb(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: Math.round(read('VmRSS')), peak: Math.round(read('VmHWM')) };
}

/** How much more is tried when `SNK_TEST_FULL=1`. */
export const full = process.env.SNK_TEST_FULL === '1';
