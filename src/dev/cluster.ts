import { execFile } from 'node:child_process';
import { appendFile, chown, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { asAccount, canEnter, type Account } from './account.ts';
import { SnkError } from '../errors.ts';
import { serverEnvironment } from './postmaster.ts';

const run = promisify(execFile);

/** Settings of the server, as in postgresql.conf. */
export type ServerSettings = Record<string, string | number | boolean>;

const devSettings: ServerSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 100,
  shared_buffers: '128MB',
  fsync: true,
  synchronous_commit: true,
  log_min_messages: 'warning',
};

// Syncing a folder that goes with the process is no use.
const flags = ['--no-sync', '--auth=scram-sha-256', '--username=postgres', '--encoding=UTF8'];
/** The builtin one is the same on every system. */
const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
const localeBefore17 = ['--locale=C.UTF-8'];

/** What a new cluster is made of. */
export interface ClusterOptions {
  initdb: string;
  account: Account | undefined;
  password: string;
  settings: ServerSettings;
}

/** Makes an empty cluster of databases in a folder, and returns its data directory. */
export async function makeCluster(dir: string, options: ClusterOptions): Promise<string> {
  const { initdb, account, password, settings } = options;
  if (account) await chown(dir, account.uid, account.gid);
  if (!(await canEnter(dir, account))) {
    throw new SnkError('SNK_SERVER_FOLDER', `user ${account?.name ?? ''} cannot enter ${path.dirname(dir)}`, {
      hint: 'PostgreSQL does not run as root: choose a folder that every user can enter (TMPDIR)',
    });
  }
  const data = path.join(dir, 'data');
  const passwordFile = path.join(dir, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (account) await chown(passwordFile, account.uid, account.gid);
  try {
    const as = { cwd: dir, env: serverEnvironment(dir), ...asAccount(account) };
    const { stdout } = await run(initdb, ['--version'], as);
    const isOld = Number(/\d+/.exec(stdout)?.[0]) < 17;
    const chosen = isOld ? localeBefore17 : locale;
    await run(initdb, ['-D', data, `--pwfile=${passwordFile}`, ...flags, ...chosen], as);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SnkError('SNK_SERVER_INITDB', `initdb failed: ${why}`, { cause });
  }
  await rm(passwordFile);
  const lines = Object.entries({ ...devSettings, ...settings }).map(setting);
  await appendFile(path.join(data, 'postgresql.conf'), lines.join(''));
  return data;
}

function setting([name, value]: [string, string | number | boolean]): string {
  const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
  return `${name} = '${text.replaceAll("'", "''")}'\n`;
}
