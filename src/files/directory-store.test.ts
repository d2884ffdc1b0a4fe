import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { newFolder } from '../../test/support/folder.ts';
import { DirectoryStore } from './directory-store.ts';
import type { FileRef, FileStat } from './file-store.ts';
import { foldedName } from './names.ts';

const contentOf = (bytes: string | Buffer) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  size: Buffer.byteLength(bytes),
});

interface Place {
  readonly root: string;
  readonly store: DirectoryStore;
}

async function newStore(options = {}): Promise<Place> {
  const root = await newFolder();
  await mkdir(join(root, 'pictures'));
  return { root, store: new DirectoryStore(root, options) };
}

async function statOf(store: DirectoryStore, at: FileRef): Promise<FileStat> {
  const file = await store.open(at);
  await file.close();
  return file.stat;
}

async function readOf(store: DirectoryStore, at: FileRef, offset: number, length: number): Promise<Buffer> {
  const file = await store.open(at);
  const bytes = await file.read(offset, length);
  await file.close();
  return bytes;
}

const ref = (name: string) => ({ dir: 'pictures', name });

async function put({ store }: Place, name: string, text: string): Promise<string> {
  const bytes = Buffer.from(text);
  await store.write(text, { ...contentOf(text), offset: 0, bytes });
  return await store.commit(text, ref(name), contentOf(text));
}

describe('a folder', () => {
  test('has a content under its name when it is whole, and not before', async () => {
    const place = await newStore();
    const { store, root } = place;
    expect(await store.write('k', { sha256: '', offset: 0, bytes: Buffer.from('ad'), size: 3 })).toBe(2);
    expect(await store.commit('k', ref('ada'), contentOf('ada'))).toBe('short');
    expect(await readdir(join(root, 'pictures'))).toEqual([]);
    expect(await store.write('k', { sha256: '', offset: 2, bytes: Buffer.from('a'), size: 3 })).toBe(3);
    expect(await store.commit('k', ref('x/ada'), contentOf('ada'))).toBe('placed');
    await store.settle();
    expect(await readFile(join(root, 'pictures/x/ada'), 'utf8')).toBe('ada');
    expect(await readdir(join(root, '.snk'))).toEqual([]);
    expect(await readOf(store, ref('x/ada'), 1, 10)).toEqual(Buffer.from('da'));
    expect(await Array.fromAsync(store.list('pictures'))).toEqual(['x/ada']);
  });

  test('goes on where it was cut, and passes over what is repeated or comes too early', async () => {
    const { store, root } = await newStore();
    const part = async (offset: number, text: string, by = store): Promise<number> =>
      await by.write('k', { sha256: '', offset, bytes: Buffer.from(text), size: 6 });
    expect(await part(3, 'def')).toBe(0);
    expect(await part(0, 'abc')).toBe(3);
    // another process, after a kill
    const later = new DirectoryStore(root);
    expect(await later.progress('k')).toBe(3);
    expect(await part(0, 'ab', later)).toBe(3);
    expect(await part(1, 'bcde', later)).toBe(5);
    expect(await part(5, 'fgh', later)).toBe(6);
    expect(await later.commit('k', ref('a'), contentOf('abcdef'))).toBe('placed');
  });

  test('knows a small one that came in one piece, and takes nothing for it that is not', async () => {
    const { store, root } = await newStore();
    const [ada, wrong] = [Buffer.from('ada'), Buffer.from('bad')];
    const { sha256 } = contentOf('ada');
    await store.write('k', { sha256, offset: 0, bytes: wrong, size: 3 });
    expect(await store.commit('k', ref('ada'), contentOf('ada'))).toBe('broken');
    await store.write('k', { sha256, offset: 0, bytes: ada, size: 3 });
    await store.write('k', { sha256, offset: 0, bytes: wrong, size: 3 });
    // of another process that has taken it away
    await rm(join(root, '.snk/k.part'));
    expect(await store.commit('k', ref('ada'), contentOf('ada'))).toBe('short');
    await store.write('k', { sha256, offset: 0, bytes: ada, size: 3 });
    expect(await store.commit('k', ref('ada'), contentOf('ada'))).toBe('placed');
    expect(await readFile(join(root, 'pictures/ada'), 'utf8')).toBe('ada');
  });

  test('does not take other bytes for those that it knew to be whole', async () => {
    const { store, root } = await newStore();
    const { sha256, size } = contentOf('abcdef');
    const write = async (text: string, by = store): Promise<number> =>
      await by.write('k', { sha256, size, offset: 0, bytes: Buffer.from(text) });
    const commit = async (): Promise<string> => await store.commit('k', ref('a'), { sha256, size });
    const part = join(root, '.snk/k.part');
    // Times of two files that come one right after the other may be the same.
    const touch = async (): Promise<void> => await utimes(part, new Date(), new Date(0));
    for (const by of [store, new DirectoryStore(root)]) {
      for (const [text, state] of [
        ['abc', 'short'],
        ['ABCDEF', 'broken'],
      ] as const) {
        expect(await write('abcdef')).toBe(6);
        await by.sweep(-10);
        expect(await write(text, by)).toBe(text.length);
        if (by !== store) await touch();
        expect(await commit()).toBe(state);
        await store.sweep(-10);
      }
    }
    // nor bytes that somebody has put into the same file
    await write('abcdef');
    await writeFile(part, 'ABCDEF');
    await touch();
    expect(await commit()).toBe('broken');
    await write('abcdef');
    expect(await commit()).toBe('placed');
    expect(await readFile(join(root, 'pictures/a'), 'utf8')).toBe('abcdef');
  });

  test('keeps nothing of what is not the content, and begins anew', async () => {
    const { store } = await newStore();
    await store.write('k', { sha256: '', offset: 0, bytes: Buffer.from('xyz'), size: 3 });
    expect(await store.commit('k', ref('a'), contentOf('ada'))).toBe('broken');
    expect(await store.progress('k')).toBe(0);
    await expect(statOf(store, ref('a'))).rejects.toMatchObject({ fault: { code: 'SNK_FILE_MISSING' } });
  });

  test('never writes over a file', async () => {
    const place = await newStore();
    await writeFile(join(place.root, 'pictures/ada'), 'mine');
    expect(await put(place, 'ada', 'theirs')).toBe('taken');
    expect(await readFile(join(place.root, 'pictures/ada'), 'utf8')).toBe('mine');
    // and neither through a second name that a kill has left to what was on its way
    await link(join(place.root, 'pictures/ada'), join(place.root, '.snk/k.part'));
    await place.store.write('k', { sha256: '', offset: 0, bytes: Buffer.from('other'), size: 5 });
    expect(await readFile(join(place.root, 'pictures/ada'), 'utf8')).toBe('mine');
  });

  test('that knows no cases has two names that differ by them for one', async () => {
    const place = await newStore({ fold: foldedName });
    expect(await put(place, 'Ada.jpg', 'one')).toBe('placed');
    expect(await put(place, 'ada.jpg', 'other')).toBe('taken');
    expect(await put(place, 'A\u0308.jpg', 'one')).toBe('placed');
    expect(await put(place, '\u00e4.jpg', 'other')).toBe('taken');
  });

  test('holds an empty file', async () => {
    const { store } = await newStore();
    expect(await store.commit('k', ref('empty'), contentOf(''))).toBe('placed');
    expect((await statOf(store, ref('empty'))).size).toBe(0);
  });

  test('forgets what arrived in part and was given up', async () => {
    const { store, root } = await newStore();
    await store.write('old', { sha256: '', offset: 0, bytes: Buffer.from('x'), size: 2 });
    await store.write('new', { sha256: '', offset: 0, bytes: Buffer.from('x'), size: 2 });
    await utimes(join(root, '.snk/old.part'), new Date(0), new Date(0));
    await store.sweep(60_000);
    expect(await readdir(join(root, '.snk'))).toEqual(['new.part']);
  });
});

describe('a name', () => {
  test('cannot lead out of the folder through links', async () => {
    const { store, root } = await newStore();
    await writeFile(join(root, 'secret'), 's');
    await mkdir(join(root, 'pictures/inside'));
    await writeFile(join(root, 'pictures/inside/ada'), 'ada');
    await symlink(join(root, 'secret'), join(root, 'pictures/link'));
    await symlink(root, join(root, 'pictures/folder'));
    await symlink('/etc', join(root, 'pictures/etc'));
    await symlink('inside/ada', join(root, 'pictures/fine'));
    await symlink('loop', join(root, 'pictures/loop'));
    for (const name of ['link', 'folder/secret', 'etc/passwd', '../secret', 'folder/.snk/x'])
      await expect(readOf(store, ref(name), 0, 1)).rejects.toMatchObject({
        fault: { code: name.includes('.snk') ? 'SNK_FILE_MISSING' : 'SNK_FILE_NAME' },
      });
    await expect(statOf(store, ref('loop'))).rejects.toMatchObject({
      fault: { code: 'SNK_FILE_UNREADABLE' },
    });
    expect(await readOf(store, ref('fine'), 0, 3)).toEqual(Buffer.from('ada'));
    await store.write('k', { sha256: '', offset: 0, bytes: Buffer.from('x'), size: 1 });
    await expect(store.commit('k', ref('folder/new'), contentOf('x'))).rejects.toMatchObject({
      fault: { code: 'SNK_FILE_NAME' },
    });
    await expect(store.delete(ref('folder/secret'))).rejects.toMatchObject({
      fault: { code: 'SNK_FILE_NAME' },
    });
    expect(await readFile(join(root, 'secret'), 'utf8')).toBe('s');
  });

  test('of a folder of its own way there is refused, and one of ours', async () => {
    const { store } = await newStore();
    for (const dir of ['..', '.snk', '.SNK/x', '/etc', ''])
      await expect(statOf(store, { dir, name: 'x' })).rejects.toMatchObject({
        fault: { code: 'SNK_FILE_NAME' },
      });
  });

  test('of what is no file opens nothing, and waits for nobody', async () => {
    const { store, root } = await newStore();
    await execa('mkfifo', [join(root, 'pictures/pipe')]);
    await expect(statOf(store, ref('pipe'))).rejects.toMatchObject({
      fault: { code: 'SNK_FILE_UNREADABLE' },
    });
    await expect(statOf(store, { dir: 'pictures', name: 'no/such' })).rejects.toMatchObject({
      fault: { code: 'SNK_FILE_MISSING' },
    });
  });
});

test('a place that is away is no place without files', async () => {
  const store = new DirectoryStore(join(await newFolder(), 'away'));
  await expect(statOf(store, ref('x'))).rejects.toMatchObject({ code: 'SNK_FILE_STORE', fate: 'retry' });
  // until something arrives
  await store.write('k', { sha256: '', offset: 0, bytes: Buffer.from('x'), size: 1 });
  expect(await store.commit('k', ref('x'), contentOf('x'))).toBe('placed');
});

test('a process that is killed at any moment leaves whole files and parts that it goes on from', async () => {
  const { root } = await newStore();
  const bytes = Buffer.alloc(3_000_000, 'snk');
  const { sha256, size } = contentOf(bytes);
  const script = `
    const { DirectoryStore } = await import(${JSON.stringify(new URL('./directory-store.ts', import.meta.url).href)});
    const store = new DirectoryStore(${JSON.stringify(root)});
    const bytes = Buffer.alloc(${size}, 'snk');
    for (let at = await store.progress('k'); at < bytes.length; ) {
      at = await store.write('k', { sha256: '', offset: at, bytes: bytes.subarray(at, at + 1000), size: ${size} });
      process.stdout.write('.');
    }
    await store.commit('k', { dir: 'pictures', name: 'large' }, { sha256: '${sha256}', size: ${size} });
  `;
  const store = new DirectoryStore(root);
  const reached: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((done) => child.stdout.once('data', done));
    child.kill('SIGKILL');
    await new Promise((done) => child.once('exit', done));
    reached.push(await store.progress('k'));
    await expect(statOf(store, ref('large'))).rejects.toThrow('not there');
  }
  expect(reached).toEqual(reached.toSorted((a, b) => a - b));
  expect(reached[0]).toBeGreaterThan(0);
  await execa(process.execPath, ['--input-type=module', '--eval', script]);
  expect(await readFile(join(root, 'pictures/large'))).toEqual(bytes);
}, 60_000);
