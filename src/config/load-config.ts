/** Where a configuration comes from: a file (TypeScript, JavaScript or JSON), or the environment alone. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { closest } from 'fastest-levenshtein';
import { FaultsError, SnkError, type Fault } from '../errors.ts';
import { parseConfig, type Config } from './config.ts';

export interface LoadOptions {
  readonly file?: string | undefined;
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const defaultFiles = ['snk.config.ts', 'snk.config.js', 'snk.config.mjs', 'snk.config.json'];
const variables = [
  'SNK_A_URL',
  'SNK_B_URL',
  'SNK_TABLES',
  'SNK_LOG_LEVEL',
  'SNK_TEST_POSTGRES',
  'SNK_TEST_IMAGE',
];

/** Reads `.env` of the folder into the environment; what is set already stays. */
export function loadDotEnv(directory: string): void {
  const file = resolve(directory, '.env');
  if (existsSync(file)) process.loadEnvFile(file);
}

export async function loadConfig(options: LoadOptions): Promise<Config> {
  const file = options.file ?? defaultFiles.find((name) => existsSync(resolve(options.directory, name)));
  if (file === undefined) return parseConfig(fromEnvironment(options.env), options.directory);
  const path = resolve(options.directory, file);
  return parseConfig(await fromFile(path, options.env), dirname(path));
}

function fromEnvironment(env: LoadOptions['env']): unknown {
  const faults: Fault[] = Object.keys(env)
    .filter((name) => name.startsWith('SNK_') && !variables.includes(name) && !name.startsWith('SNK_TEST_'))
    .map((name) => ({
      code: 'SNK_CONFIG_UNKNOWN_KEY',
      at: name,
      message: 'there is no such environment variable',
      hint: `Did you mean '${closest(name, variables)}'?`,
    }));
  for (const name of ['SNK_A_URL', 'SNK_B_URL']) {
    if ((env[name] ?? '') !== '') continue;
    faults.push({
      code: 'SNK_CONFIG_UNSET',
      at: name,
      message: 'is not set, and there is no configuration file',
      hint: 'Set SNK_A_URL and SNK_B_URL (in the environment or in .env), or write snk.config.ts.',
    });
  }
  if (faults.length > 0) throw new FaultsError(faults);
  const tables = (env['SNK_TABLES'] ?? 'public.record').split(',').map((table) => table.trim());
  return {
    nodes: { a: { url: env['SNK_A_URL'] }, b: { url: env['SNK_B_URL'] } },
    links: [{ between: ['a', 'b'], tables: tables.filter((table) => table !== '') }],
  };
}

async function fromFile(file: string, env: LoadOptions['env']): Promise<unknown> {
  if (!existsSync(file)) {
    throw new FaultsError([
      { code: 'SNK_CONFIG_READ', at: file, message: 'there is no such file', hint: 'See --config.' },
    ]);
  }
  try {
    if (extname(file) === '.json') return expandVariables(JSON.parse(readFileSync(file, 'utf8')), env, '');
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    if (module.default === undefined) throw new SnkError('SNK_CONFIG_READ', 'it has no default export');
    return module.default;
  } catch (error) {
    if (error instanceof FaultsError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new FaultsError([
      {
        code: 'SNK_CONFIG_READ',
        at: file,
        message,
        hint: 'Wanted: export default defineConfig({ … }), or JSON.',
      },
    ]);
  }
}

/** `${NAME}` in a JSON text is that environment variable: a file of plain data should hold no password. */
function expandVariables(value: unknown, env: LoadOptions['env'], at: string): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
      const found = env[name];
      if (found !== undefined) return found;
      throw new FaultsError([
        { code: 'SNK_CONFIG_UNSET', at, message: `the environment variable ${name} is not set` },
      ]);
    });
  }
  if (Array.isArray(value)) return value.map((item, i) => expandVariables(item, env, `${at}[${i}]`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      expandVariables(item, env, at === '' ? key : `${at}.${key}`),
    ]),
  );
}
