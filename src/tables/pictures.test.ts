import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../config/config.ts';
import { Pictures } from './pictures.ts';

function open() {
  const folder = mkdtempSync(join(tmpdir(), 'snk-pictures-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'faces/of'), { recursive: true });
  writeFileSync(join(folder, 'secret'), 'secret');
  writeFileSync(join(folder, 'faces/of/ada.png'), 'a picture');
  writeFileSync(join(folder, 'faces/huge'), '');
  truncateSync(join(folder, 'faces/huge'), 9 * 1_048_576);
  symlinkSync(join(folder, 'secret'), join(folder, 'faces/link'));
  const url = 'postgres://u:p@localhost/x';
  const flow = { from: 'person', to: 'people', columns: { face: 'photo', name: 'name' } };
  return new Pictures(
    parseConfig({
      nodes: { a: { url, files: folder }, b: { url, files: folder }, c: { url } },
      links: [
        { from: 'a', to: 'b', flows: [{ ...flow, files: { face: { dir: 'faces' } } }] },
        { from: 'a', to: 'c', tables: ['other'] },
      ],
    }),
  );
}

test('the columns that name files are known at both ends of a flow, under their names there', () => {
  const pictures = open();
  expect([...pictures.foldersOf('a', 'public.person')]).toEqual([['photo', 'faces']]);
  expect([...pictures.foldersOf('b', 'public.people')]).toEqual([['face', 'faces']]);
  expect([...pictures.foldersOf('c', 'public.other')]).toEqual([]);
});

test('a file that a row names is given, and nothing else', async () => {
  const pictures = open();
  const read = async (name: string, column = 'photo', node = 'a') =>
    (await pictures.open(node, 'public.person', column, name))?.toString() ?? null;
  expect(await read('of/ada.png')).toBe('a picture');
  for (const name of [
    '',
    '.',
    'of',
    'of/none',
    '../secret',
    '/etc/passwd',
    'of/../../secret',
    'of\\ada.png',
    'link',
    'huge',
  ])
    expect([name, await read(name)]).toEqual([name, null]);
  expect([await read('of/ada.png', 'name'), await read('of/ada.png', 'photo', 'nowhere')]).toEqual([
    null,
    null,
  ]);
});
