import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';

const top = path.join(import.meta.dirname, '../..');

/** Ordinary words that an example uses as a name, and the engine in their ordinary sense. */
const ordinary = new Set([
  'operations',
  'project',
  'task',
  'worked',
  'place',
  'fitting',
  'paid',
  'repair',
  'main',
  'reader',
  'people',
  'person',
  'office',
]);

/** Names of nodes and tables, and the constants, of all examples: what their configurations and APIs speak of. */
async function namesOfExamples(): Promise<string[]> {
  const folders = readdirSync(path.join(top, 'examples'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'support')
    .map((entry) => entry.name);
  const names = await Promise.all(
    folders.map(async (folder) => {
      // Of several programs, each with a configuration of its own, the hub's names all nodes and tables.
      const file = ['snk.config.ts', 'hub.config.ts']
        .map((name) => path.join(top, 'examples', folder, name))
        .find((each) => existsSync(each));
      if (file === undefined) throw new Error(`${folder} has no configuration`);
      const { default: config } = (await import(file)) as { default: { nodes: Record<string, object> } };
      const nodes = Object.keys(config.nodes).map((name) => [
        name,
        { url: 'postgres://u:p@127.0.0.1/x', files: './files' },
      ]);
      const { links } = parseConfig({ ...config, nodes: Object.fromEntries(nodes) });
      return links.flatMap(({ source, target, flows }) => [
        source,
        target,
        ...flows.flatMap(({ from, to, set, where }) => [
          ...[from, to].map((table) => table.split('.')[1] as string),
          ...Object.values(set).filter((value) => typeof value === 'string'),
          ...(where?.match(/(?<=')[^']+(?=')/g) ?? []),
        ]),
      ]);
    }),
  );
  return [...new Set([...names.flat(), 'stores', 'orders', 'ORD-1'])].filter((name) => !ordinary.has(name));
}

/** A place for files is a store, in its ordinary sense. */
const isOfFiles = (file: string, name: string) =>
  /^(files\/|tables\/pictures)/.test(file) && /^stores?$/.test(name);

/** A part of a longer name, as in cursor-store.ts or restore, is another word. */
const asWord = (name: string) =>
  new RegExp(`(?<![\\w-])${name.replaceAll(/[^\w ]/g, '\\$&')}(?![\\w-])`, 'i');

test('no name of an example stands in the engine', async () => {
  const names = await namesOfExamples();
  expect(names).toEqual(
    expect.arrayContaining([
      'store',
      'warehouse',
      'warehouse_order',
      'updated status',
      'some status',
      'lima',
      'ride',
    ]),
  );
  const found = ['src', 'migrations'].flatMap((folder) =>
    readdirSync(path.join(top, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .flatMap((file) => {
        const lines = readFileSync(path.join(top, folder, file), 'utf8').split('\n');
        return lines.flatMap((line, i) =>
          names
            .filter((name) => asWord(name).test(line) && !isOfFiles(file, name))
            .map((name) => `${folder}/${file}:${i + 1}: ${name}`),
        );
      }),
  );
  expect(found).toEqual([]);
});
