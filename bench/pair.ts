/** Two embedded servers with `public.record`, and SNK and TST beside them as processes, as users run them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Pool } from 'pg';
import { parseConfig } from '../src/config/config.ts';
import { EmbeddedServer } from '../src/dev/embedded-server.ts';
import { Snk } from '../src/snk.ts';

export interface TstReport {
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly lastCommitAt: string;
}

export interface Pair {
  readonly a: Pool;
  readonly b: Pool;
  readonly snk: Snk;
  /** Starts `snk run` and resolves when both links are live; ends it with the function it gives. */
  readonly start: () => Promise<{ readonly pid: number; readonly stop: () => Promise<void> }>;
  /** Takes SNK out and empties the tables: as if it had never been there. */
  readonly reset: () => Promise<void>;
  readonly tst: (args: readonly string[]) => Promise<TstReport>;
  /** CPU seconds so far of the servers and of the given process. */
  readonly cpuSeconds: (pid?: number) => number;
  readonly close: () => Promise<void>;
}

const create = 'create table if not exists public.record (uuid uuid primary key, text text not null)';

export async function openPair(): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), 'snk-bench-'));
  chmodSync(folder, 0o755);
  const servers = await Promise.all([0, 1].map(async () => await EmbeddedServer.create({ dir: folder })));
  await Promise.all(servers.map(async (server) => await server.start()));
  const [urlA = '', urlB = ''] = servers.map((server) => server.url());
  const env = { ...process.env, SNK_A_URL: urlA, SNK_B_URL: urlB };
  const a = new Pool({ connectionString: urlA, max: 2 });
  const b = new Pool({ connectionString: urlB, max: 2 });
  await Promise.all([a.query(create), b.query(create)]);
  const snk = new Snk(
    parseConfig({
      nodes: { a: { url: urlA }, b: { url: urlB } },
      links: [{ between: ['a', 'b'], tables: ['public.record'] }],
    }),
  );
  return {
    a,
    b,
    snk,
    start: async () => {
      const child = run('../src/cli/snk.ts', ['run', '--log-level', 'warn'], env, 'ignore');
      const deadline = Date.now() + 30_000;
      while (!(await snk.status()).links.every((link) => link.state === 'live')) {
        if (Date.now() > deadline || child.exitCode !== null) throw new Error('snk run did not become live');
        await wait(50);
      }
      return {
        pid: child.pid ?? 0,
        stop: async () => {
          const ended = once(child, 'exit');
          child.kill('SIGTERM');
          await ended;
        },
      };
    },
    reset: async () => {
      await snk.uninstall();
      for (const pool of [a, b]) {
        await pool.query('truncate public.record');
        await pool.query('checkpoint');
      }
    },
    tst: async (args) => {
      const child = run('../src/tst/tst.ts', ['run', '--json', ...args], env, 'pipe');
      let output = '';
      child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await once(child, 'close');
      if (child.exitCode !== 0) throw new Error(`tst ended with ${child.exitCode}`);
      return JSON.parse(output.trim().split('\n').at(-1) ?? '') as TstReport;
    },
    cpuSeconds: (pid) =>
      cpuSeconds([...servers.map((server) => server.pid ?? 0), ...(pid === undefined ? [] : [pid])]),
    close: async () => {
      await Promise.allSettled([a.end(), b.end(), snk.close()]);
      await Promise.allSettled(servers.map(async (server) => await server.remove()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdout: 'ignore' | 'pipe',
): ChildProcess {
  const file = fileURLToPath(new URL(program, import.meta.url));
  return spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', stdout, 'inherit'] });
}

/** User and system time of the processes, their children, and the children these have reaped (Linux's /proc). */
function cpuSeconds(roots: readonly number[]): number {
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

/** Resident memory of a process, in MB. */
export function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1000;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
