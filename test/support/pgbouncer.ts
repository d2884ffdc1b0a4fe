import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/dev/port.ts';
import { opened } from './leftovers.ts';
import { runSql } from './sql.ts';
import { waitUntil } from './wait-until.ts';

const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((each) => existsSync(each));

/** Whether this machine has PgBouncer: npm has no package of it. */
export const hasPgBouncer = program !== undefined;

export interface PgBouncerOptions {
  readonly mode: 'transaction' | 'session';
  /** Startup parameters that it drops silently; others that it does not know it refuses. */
  readonly ignored?: string;
  /** Run in each session with the server. */
  readonly onConnect?: string;
}

/** Starts PgBouncer in front of a database's server; gives the database's URL through it. */
export async function startPgBouncer(
  url: string,
  options: PgBouncerOptions,
): Promise<{ url: string; stop(): Promise<void> }> {
  if (program === undefined) throw new Error('there is no pgbouncer');
  const server = new URL(url);
  const folder = mkdtempSync(path.join(tmpdir(), 'snk-pgbouncer-'));
  chmodSync(folder, 0o755);
  const port = await freePort();
  const file = path.join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
* = host=${server.hostname} port=${server.port} user=${server.username} password=${decodeURIComponent(server.password)} connect_query='${options.onConnect ?? 'select 1'}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${options.mode}
ignore_startup_parameters = ${options.ignored ?? ''}
`,
  );
  // it refuses to run as root
  const user = process.getuid?.() === 0 ? ['--user=nobody'] : [];
  const child = spawn(program, [...user, file], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true });
  };
  const closed = opened('pgbouncer', end);
  const through = new URL(url);
  through.host = `127.0.0.1:${port}`;
  await waitUntil(
    async () => {
      if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}`);
      return await runSql(through.href, 'select 1').catch(() => false as const);
    },
    { message: 'pgbouncer to listen' },
  );
  return {
    url: through.href,
    stop: async () => {
      closed();
      await end();
    },
  };
}
