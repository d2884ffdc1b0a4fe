import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FaultsError } from '../errors.ts';
import { databasesOf } from '../topology/topology.ts';
import { loadConfig, loadDotEnv, type LoadOptions } from './load-config.ts';

const env = { SNK_A_URL: 'postgres://u:topsecret@one/x', SNK_B_URL: 'postgres://u:topsecret@two/x' };

let root: string;
let directory: string;
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'snk-config-'));
});
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => {
  delete process.env['SNK_A_URL'];
  delete process.env['SNK_LOG_LEVEL'];
});

/** A folder of its own with these files. */
function folder(files: Record<string, string> = {}): string {
  directory = mkdtempSync(path.join(root, 'x'));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(directory, name), text);
  return directory;
}

async function faultsOf(
  options: LoadOptions,
): Promise<{ code: string; at: string; message: string; hint?: string | undefined }[]> {
  const error: unknown = await loadConfig(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FaultsError);
  return [...(error as FaultsError).faults];
}

const json = (url: string) =>
  JSON.stringify({
    nodes: { x: { url }, y: { url: '${SNK_B_URL}' } },
    links: [{ between: ['x', 'y'], tables: ['t'] }],
  });

const typescript = (factory: string, url: string) => `
import { defineConfig } from ${JSON.stringify(new URL('./config.ts', import.meta.url).href)};
import { ${factory} } from ${JSON.stringify(new URL('../topology/topology.ts', import.meta.url).href)};
const tables: readonly string[] = ['public.record'];
export default defineConfig({
  nodes: { store: { url: ${url} }, depot: { url: 'postgres://u@two/x' } },
  links: [${factory}('store', 'depot', { tables })],
});
`;

describe('the environment alone', () => {
  test('makes a two-way pair of nodes a and b over public.record', async () => {
    const config = await loadConfig({ directory: folder(), env });
    expect(config.nodes).toEqual([
      { kind: 'database', name: 'a', url: env.SNK_A_URL },
      { kind: 'database', name: 'b', url: env.SNK_B_URL },
    ]);
    expect(config.links.map((link) => link.name)).toEqual(['a->b', 'b->a']);
    expect(config.links[0]?.flows.map((flow) => flow.from)).toEqual(['public.record']);
  });

  test('names its tables in SNK_TABLES', async () => {
    const config = await loadConfig({
      directory: folder(),
      env: { ...env, SNK_TABLES: ' a, public.b ,s.c,' },
    });
    expect(config.links[0]?.flows.map((flow) => flow.from)).toEqual(['public.a', 'public.b', 's.c']);
  });

  test('says which variables are not set, all at once', async () => {
    const faults = await faultsOf({ directory: folder(), env: { SNK_A_URL: '' } });
    expect(faults.map(({ code, at }) => `${code} ${at}`)).toEqual([
      'SNK_CONFIG_UNSET SNK_A_URL',
      'SNK_CONFIG_UNSET SNK_B_URL',
    ]);
  });

  test('names the nearest variable for a misspelt one', async () => {
    const faults = await faultsOf({ directory: folder(), env: { ...env, SNK_TABELS: 't' } });
    expect(faults).toMatchObject([
      { code: 'SNK_CONFIG_UNKNOWN_KEY', at: 'SNK_TABELS', hint: "Did you mean 'SNK_TABLES'?" },
    ]);
  });

  test('may hold variables of other programs', async () => {
    await expect(
      loadConfig({ directory: folder(), env: { ...env, PATH: '/bin', SNKX: 'x' } }),
    ).resolves.toBeDefined();
  });
});

describe('a JSON file', () => {
  test('takes values from the environment where it says ${NAME}', async () => {
    const config = await loadConfig({ directory: folder({ 'snk.config.json': json('${SNK_A_URL}') }), env });
    expect(databasesOf(config).map((node) => node.url)).toEqual([env.SNK_A_URL, env.SNK_B_URL]);
  });

  test('may build a value from several variables', async () => {
    const url = 'postgres://u:${PASSWORD}@${HOST}/x';
    const config = await loadConfig({
      directory: folder({ 'snk.config.json': json(url) }),
      env: { ...env, HOST: 'h', PASSWORD: 'p' },
    });
    expect(databasesOf(config)[0]?.url).toBe('postgres://u:p@h/x');
  });

  test('names the variable that is not set, and where', async () => {
    const faults = await faultsOf({ directory: folder({ 'snk.config.json': json('${NOWHERE}') }), env });
    expect(faults).toMatchObject([{ code: 'SNK_CONFIG_UNSET', at: 'nodes.x.url' }]);
    expect(faults[0]?.message).toContain('NOWHERE');
  });

  test('that does not parse is a fault of the file', async () => {
    const faults = await faultsOf({ directory: folder({ 'snk.config.json': '{ nodes: ' }), env });
    expect(faults).toMatchObject([{ code: 'SNK_CONFIG_READ', at: path.join(directory, 'snk.config.json') }]);
  });
});

describe('a TypeScript file', () => {
  test.each(['twoWay', 'oneWay'])('says the same with defineConfig and %s', async (factory) => {
    folder({ 'snk.config.ts': typescript(factory, "'postgres://u@one/x'") });
    const config = await loadConfig({ directory, env: {} });
    expect(config.nodes.map((node) => node.name)).toEqual(['store', 'depot']);
    expect(config.links).toHaveLength(factory === 'twoWay' ? 2 : 1);
  });

  test('is told from others by --config', async () => {
    folder({
      'snk.config.json': json('${SNK_A_URL}'),
      'other.ts': typescript('oneWay', "'postgres://u@one/x'"),
    });
    expect((await loadConfig({ directory, env, file: 'other.ts' })).links.map((link) => link.name)).toEqual([
      'store->depot',
    ]);
  });

  test('with an unset variable says so', async () => {
    folder({ 'snk.config.ts': typescript('twoWay', "process.env['SNK_NOWHERE'] as string") });
    expect(await faultsOf({ directory, env: {} })).toMatchObject([
      { code: 'SNK_CONFIG_UNSET', at: 'nodes.store.url' },
    ]);
  });

  test('that throws is a fault of the file', async () => {
    const faults = await faultsOf({
      directory: folder({ 'snk.config.mjs': "throw new Error('no such thing');" }),
      env,
    });
    expect(faults).toMatchObject([{ code: 'SNK_CONFIG_READ' }]);
    expect(faults[0]?.message).toContain('no such thing');
  });

  test('without a default export is a fault of the file', async () => {
    const faults = await faultsOf({ directory: folder({ 'snk.config.mjs': 'export const x = 1;' }), env });
    expect(faults).toMatchObject([{ code: 'SNK_CONFIG_READ' }]);
  });
});

test('a file that --config names and that is not there is a fault', async () => {
  expect(await faultsOf({ directory: folder(), env, file: 'nowhere.json' })).toMatchObject([
    { code: 'SNK_CONFIG_READ' },
  ]);
});

test('a folder in the place of the file is a fault', async () => {
  expect(await faultsOf({ directory: folder(), env, file: '.' })).toMatchObject([
    { code: 'SNK_CONFIG_READ' },
  ]);
});

test('.env fills what the environment leaves open, and nothing else', () => {
  process.env['SNK_A_URL'] = 'from the environment';
  loadDotEnv(folder({ '.env': 'SNK_A_URL=from the file\nSNK_LOG_LEVEL=debug\n' }));
  expect(process.env['SNK_A_URL']).toBe('from the environment');
  expect(process.env['SNK_LOG_LEVEL']).toBe('debug');
});
