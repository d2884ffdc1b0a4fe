/** Processes of the benchmark: started from files of this repository, and what they cost, by Linux's /proc. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Runs a program, named by its path from bench/. Its errors are this process's errors, unless they are piped. */
export function runNode(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdout: 'ignore' | 'pipe' = 'ignore',
  stderr: 'inherit' | 'pipe' = 'inherit',
): ChildProcess {
  const file = fileURLToPath(new URL(program, import.meta.url));
  return spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', stdout, stderr] });
}

/** Asks it to end, and kills it where it does not. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = new AbortController();
  const kill = wait(15_000, undefined, { signal: late.signal }).then(
    () => child.kill('SIGKILL'),
    () => false,
  );
  await ended;
  late.abort();
  await kill;
}

/** User and system time of the processes, their children, and the children these have reaped. */
export function cpuSeconds(roots: readonly number[]): number {
  const stats = new Map<number, { parent: number; ticks: number }>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      stats.set(Number(name), { parent: Number(fields[1]), ticks });
    } catch {
      // it ended meanwhile
    }
  }
  const total = (pid: number): number => {
    let ticks = stats.get(pid)?.ticks ?? 0;
    for (const [child, { parent }] of stats) if (parent === pid) ticks += total(child);
    return ticks;
  };
  return roots.reduce((sum, pid) => sum + total(pid), 0) / 100;
}

/** The most memory that the processes have ever held, together, in MB. */
export function peakMegabytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return sum + Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
  }, 0);
}
