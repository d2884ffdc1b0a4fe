import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SnkError } from '../errors.ts';

const run = promisify(execFile);

/** The operating-system user that a server runs as. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/**
 * The account to run servers as, or nothing when the current one will do.
 *
 * PostgreSQL refuses to run as root, and initdb wants a user that has a name. A machine with PostgreSQL packages
 * has `postgres`; any other has `nobody`.
 */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const account = (await lookUp('postgres')) ?? (await lookUp('nobody'));
  if (account) return account;
  throw new SnkError('SNK_SERVER_ACCOUNT', 'PostgreSQL does not run as root, and no other user was found', {
    hint: 'run this as an ordinary user, or add one: useradd --system postgres',
  });
}

/** Whether this account can enter a folder, that is, every folder above it too. */
export async function canEnter(folder: string, account: Account | undefined): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { cwd: '/', ...asAccount(account) });
    return true;
  } catch {
    return false;
  }
}

/** The options that make a child process run as this account. */
export function asAccount(account: Account | undefined): { uid?: number; gid?: number } {
  return account ? { uid: account.uid, gid: account.gid } : {};
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined; // no user of that name
  }
}
