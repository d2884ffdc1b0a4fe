/** Which databases a run writes to. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDatabaseUrl, type DatabaseUrl } from './database-url.ts';
import { TstError } from './tst-error.ts';

export interface NamedDatabase {
  readonly name: string;
  readonly url: DatabaseUrl;
}

const variables = ['SNK_A_URL', 'SNK_B_URL'];

/**
 * The given URLs, or those of the environment.
 *
 * @throws {TstError} TST_CONFIG when there are none, or one is malformed
 */
export function databaseList(
  urls: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): readonly NamedDatabase[] {
  if (urls.length > 0) {
    return urls.map((url, i) => ({ name: nameOf(i), url: parseDatabaseUrl(url, `--url of ${nameOf(i)}`) }));
  }
  const unset = variables.filter((variable) => (env[variable] ?? '') === '');
  if (unset.length > 0) {
    throw new TstError(
      'TST_CONFIG',
      `${unset.join(' and ')} not set; set SNK_A_URL and SNK_B_URL (.env is read), or give --url`,
    );
  }
  return variables.map((variable, i) => ({
    name: nameOf(i),
    url: parseDatabaseUrl(env[variable] ?? '', variable),
  }));
}

/**
 * Reads `.env` of the folder into the environment; what is set already stays.
 *
 * @throws {TstError} TST_CONFIG when it is there but can't be read
 */
export function loadDotEnv(directory: string): void {
  const file = resolve(directory, '.env');
  if (!existsSync(file)) return;
  try {
    process.loadEnvFile(file);
  } catch (error) {
    throw new TstError('TST_CONFIG', `.env can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** a … z, then a2 … z2 and so on. */
function nameOf(index: number): string {
  const round = Math.floor(index / 26);
  return String.fromCharCode(97 + (index % 26)) + (round === 0 ? '' : String(round + 1));
}
