import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { newFolder } from '../../test/support/folder.ts';
import { ChunkCache } from './chunk-cache.ts';
import { DirectoryStore } from './directory-store.ts';
import type { Missing } from './file-ends.ts';
import { StoreSource } from './store-source.ts';

const ref = { dir: 'pictures', name: 'ada.jpg' };

interface Sending {
  readonly opened: () => number;
  readonly write: (text: string) => Promise<void>;
  readonly find: () => Promise<unknown>;
  readonly read: (text: string) => Promise<string>;
}

async function sending(cached: number | null): Promise<Sending> {
  const folder = await newFolder();
  await mkdir(join(folder, ref.dir));
  const store = new DirectoryStore(folder);
  const open = vi.spyOn(store, 'open');
  const source = new StoreSource(store, cached === null ? null : new ChunkCache(cached));
  return {
    opened: () => open.mock.calls.length,
    write: async (text) => await writeFile(join(folder, ref.dir, ref.name), text),
    find: async () => (await source.find([{ ...ref, maxBytes: 1_000 }]))[0],
    read: async (text) => {
      const sha256 = createHash('sha256').update(text).digest('hex');
      const missing: Missing = { ...ref, sha256, size: text.length, from: 0 };
      let all = '';
      for await (const { bytes } of source.read([missing])) all += Buffer.from(bytes).toString();
      return all;
    },
  };
}

test('what was found a moment ago, and is held for others, is not opened again', async () => {
  const { opened, write, find, read } = await sending(1_000);
  await write('Ada');
  await find();
  expect(await read('Ada')).toBe('Ada');
  const before = opened();
  expect([await read('Ada'), await read('Ada')]).toEqual(['Ada', 'Ada']);
  expect(opened()).toBe(before);
});

test('what a name stands for is looked at each time that this is asked', async () => {
  const { write, find } = await sending(1_000);
  await write('Ada');
  const first = await find();
  await write('Grace');
  expect(await find()).not.toEqual(first);
});

test.each([
  ['nothing is held', 0],
  ['there is no room for it', null],
])('a content for which the name does not stand any more is not sent where %s', async (_, cached) => {
  const { write, find, read } = await sending(cached);
  await write('Ada');
  await find();
  await write('Grace');
  expect(await read('Ada')).toBe('');
  expect(await read('Grace')).toBe('Grace');
});

test('a hash opens nothing by itself: who has no name for it is not given what is held for others', async () => {
  const { write, find, read } = await sending(1_000);
  await write('Ada');
  await find();
  await read('Ada');
  await write('Grace');
  await find();
  expect(await read('Ada')).toBe('');
});
