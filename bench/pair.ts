/** Two throw-away servers with the same settings for every peer, `public.record` in both, and TST beside them. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, Pool } from 'pg';
import { EmbeddedServer } from '../src/dev/embedded-server.ts';
import { cpuSeconds, runNode } from './processes.ts';

/** As somebody would have them who can choose between all peers; logical replication wants its WAL level. */
export const settings = {
  wal_level: 'logical',
  fsync: 'on',
  synchronous_commit: 'on',
  shared_buffers: '1GB',
  max_wal_size: '16GB',
  checkpoint_timeout: '30min',
  max_wal_senders: '10',
  max_replication_slots: '10',
  max_connections: '200',
} as const;

export interface TstReport {
  readonly rows: number;
  readonly rowsPerSecond: number;
  readonly lastCommitAt: string;
}

export type Side = 'a' | 'b';
export const sides: readonly Side[] = ['a', 'b'];

export interface Pair {
  readonly folder: string;
  readonly urls: Readonly<Record<Side, string>>;
  readonly pools: Readonly<Record<Side, Pool>>;
  /** For the programs that read SNK_A_URL and SNK_B_URL. */
  readonly env: NodeJS.ProcessEnv;
  /** A connection of its own, which the caller ends. */
  readonly connect: (side: Side, database?: string) => Promise<Client>;
  /** Runs on both sides at once. */
  readonly both: (text: string) => Promise<void>;
  /** Resolves as soon as TST says that it is done, which is at its last commit. */
  readonly tst: (args: readonly string[]) => Promise<TstReport>;
  /** CPU seconds so far of both servers and of the given processes. */
  readonly cpu: (pids: readonly number[]) => number;
  readonly version: string;
  readonly close: () => Promise<void>;
}

export async function openPair(): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), 'snk-bench-'));
  chmodSync(folder, 0o755); // the servers may run as another user
  const servers = await Promise.all(
    sides.map(async () => await EmbeddedServer.create({ dir: folder, settings })),
  );
  const [serverA, serverB] = servers as [EmbeddedServer, EmbeddedServer];
  await Promise.all(servers.map(async (server) => await server.start()));
  const urls = { a: serverA.url(), b: serverB.url() };
  const pools = {
    a: new Pool({ connectionString: urls.a, max: 2 }),
    b: new Pool({ connectionString: urls.b, max: 2 }),
  };
  const both = async (text: string): Promise<void> => {
    await Promise.all(sides.map(async (side) => await pools[side].query(text)));
  };
  await both('create table public.record (uuid uuid primary key, text text not null)');
  const env = { ...process.env, SNK_A_URL: urls.a, SNK_B_URL: urls.b };
  const { rows } = await pools.a.query<{ server_version: string }>('show server_version');
  return {
    folder,
    urls,
    pools,
    env,
    both,
    version: rows[0]?.server_version ?? '',
    connect: async (side, database) => {
      const server = side === 'a' ? serverA : serverB;
      const client = new Client({ connectionString: server.url(database) });
      await client.connect();
      return client;
    },
    tst: async (args) => await runTst(args, env),
    cpu: (pids) => cpuSeconds([...servers.map((server) => server.pid ?? 0), ...pids]),
    close: async () => {
      await Promise.allSettled(sides.map(async (side) => await pools[side].end()));
      await Promise.allSettled(servers.map(async (server) => await server.remove()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function runTst(args: readonly string[], env: NodeJS.ProcessEnv): Promise<TstReport> {
  const child = runNode('../src/tst/tst.ts', ['run', '--json', ...args], env, 'pipe', 'pipe');
  const ended = once(child, 'exit');
  let said = ''; // its progress is of no use here; its errors are
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  if (child.stdout === null) throw new Error('tst has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{')) return JSON.parse(line) as TstReport;
  }
  await ended;
  throw new Error(`tst ended with ${child.exitCode}: ${said}`);
}
