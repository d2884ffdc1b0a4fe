import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { newFolder } from '../../test/support/folder.ts';
import { linkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { session } from '../db/orm.ts';
import { bringFiles, type FilesOfFlow } from './bring-files.ts';
import { DirectoryStore } from './directory-store.ts';
import { StoreSource } from './store-source.ts';
import { StoreTarget } from './store-target.ts';
import { foldedName } from './names.ts';

shareDatabases();

const flows: readonly FilesOfFlow[] = [
  { columns: [{ place: 0, column: 'photo', dir: 'pictures', maxBytes: 1_000_000 }], key: [0] },
];
const pageOf = (...names: string[]) => [
  { flow: 0, count: names.length, columns: [`{${names.map((name) => `"${name}"`).join(',')}}`] },
];
const markOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

interface Ends {
  readonly from: string;
  readonly to: string;
  readonly source: StoreSource;
  readonly target: StoreTarget;
  readonly store: DirectoryStore;
  readonly owned: (owner: string) => StoreTarget;
  readonly ledger: () => Promise<unknown[]>;
}

async function newEnds(options = {}): Promise<Ends> {
  const rig = await linkRig();
  const [from, to] = [await newFolder(), await newFolder()];
  for (const folder of [from, to]) await mkdir(join(folder, 'pictures'));
  const store = new DirectoryStore(to, options);
  const owned = (owner: string) => new StoreTarget({ store, em: () => session(rig.orm('b')), owner });
  return {
    from,
    to,
    source: new StoreSource(new DirectoryStore(from)),
    target: owned('a->b'),
    store,
    owned,
    ledger: async () =>
      (
        await rig.b.query<{ name: string; written: boolean }>(
          'select name, written_at is not null as written from snk.file order by name',
        )
      ).map(({ name, written }) => [name, written]),
  };
}

const put = async (folder: string, name: string, text: string): Promise<void> =>
  await writeFile(join(folder, 'pictures', name), text);
const text = async (folder: string, name: string): Promise<string> =>
  await readFile(join(folder, 'pictures', name), 'utf8');

describe('a content', () => {
  test('that has been sent before is not sent again, under whatever name', async () => {
    const ends = await newEnds();
    for (const name of ['ada', 'same', 'later']) await put(ends.from, name, 'ada');
    const first = await bringFiles({ ...ends, flows }, pageOf('ada', 'same'));
    expect(first).toMatchObject({ rows: pageOf('ada', 'same'), files: 2, bytes: 3 });
    const later = await bringFiles({ ...ends, flows }, pageOf('later'));
    expect(later).toMatchObject({ rows: pageOf('later'), failed: [], bytes: 0 });
    expect(await text(ends.to, 'later')).toBe('ada');
  });

  test('gets a name of its own where a file system takes two names for one', async () => {
    const ends = await newEnds({ fold: foldedName });
    await put(ends.from, 'Ada.jpg', 'one');
    await put(ends.from, 'ada.jpg', 'other');
    await put(ends.from, 'ADA.jpg', 'one');
    const { rows } = await bringFiles({ ...ends, flows }, pageOf('Ada.jpg'));
    expect(rows).toEqual(pageOf('Ada.jpg'));
    const { rows: both } = await bringFiles({ ...ends, flows }, pageOf('ada.jpg', 'ADA.jpg'));
    expect(both).toEqual(pageOf(`ada~${markOf('other')}.jpg`, 'ADA.jpg'));
    expect((await readdir(join(ends.to, 'pictures'))).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'ada.jpg',
      `ada~${markOf('other')}.jpg`,
    ]);
  });

  test('gets one of two names that are wanted at once, and both are there', async () => {
    const ends = await newEnds({ fold: foldedName });
    await put(ends.from, 'Ada.jpg', 'one');
    await put(ends.from, 'ada.jpg', 'other');
    const { rows, failed } = await bringFiles({ ...ends, flows }, pageOf('Ada.jpg', 'ada.jpg'));
    expect(failed).toEqual([]);
    const names = /^\{"(.*)","(.*)"\}$/.exec(rows[0]?.columns[0] ?? '')?.slice(1) ?? [];
    const stored = await Promise.all(names.map(async (name) => await text(ends.to, foldedName(name))));
    expect(stored).toEqual(['one', 'other']);
  });

  test('whose marked name somebody has taken as well gets a longer one', async () => {
    const ends = await newEnds();
    await put(ends.from, 'ada', 'mine');
    await put(ends.to, 'ada', 'theirs');
    await put(ends.to, `ada~${markOf('mine')}`, 'theirs too');
    const { rows } = await bringFiles({ ...ends, flows }, pageOf('ada'));
    const whole = createHash('sha256').update('mine').digest('hex');
    expect(rows).toEqual(pageOf(`ada~${whole}`));
  });
});

describe('a kill', () => {
  test('before anything is noted leaves a file that is found, and not taken for ours', async () => {
    const ends = await newEnds();
    await put(ends.from, 'ada', 'ada');
    const killed = vi.spyOn(ends.store, 'settle').mockRejectedValueOnce(new Error('killed'));
    await expect(bringFiles({ ...ends, flows }, pageOf('ada'))).rejects.toThrow('killed');
    killed.mockRestore();
    expect(await text(ends.to, 'ada')).toBe('ada');
    const again = await bringFiles({ ...ends, flows }, pageOf('ada'));
    expect(again).toMatchObject({ rows: pageOf('ada'), files: 0, bytes: 0 });
    expect(await ends.ledger()).toEqual([['ada', false]]);
  });

  test('beside another name comes to the same one', async () => {
    const ends = await newEnds();
    await put(ends.to, 'ada', 'theirs');
    await put(ends.from, 'ada', 'mine');
    vi.spyOn(ends.store, 'settle').mockRejectedValueOnce(new Error('killed'));
    await expect(bringFiles({ ...ends, flows }, pageOf('ada'))).rejects.toThrow('killed');
    const { rows } = await bringFiles({ ...ends, flows }, pageOf('ada'));
    expect(rows).toEqual(pageOf(`ada~${markOf('mine')}`));
    expect(await readdir(join(ends.to, 'pictures'))).toHaveLength(2);
  });
});

describe('a file that becomes another one while it is read', () => {
  test('is read again', async () => {
    const ends = await newEnds();
    await put(ends.from, 'ada', 'before');
    const offer = ends.target.offer.bind(ends.target);
    vi.spyOn(ends.target, 'offer').mockImplementationOnce(async (files) => {
      await put(ends.from, 'ada', 'and after');
      return await offer(files);
    });
    expect(await bringFiles({ ...ends, flows }, pageOf('ada'))).toMatchObject({ failed: [], files: 1 });
    expect(await text(ends.to, 'ada')).toBe('and after');
  });

  test('each time sets its row aside, and is never seen in part', async () => {
    const ends = await newEnds();
    let turn = 0;
    await put(ends.from, 'ada', 'turn 0');
    await put(ends.from, 'other', 'other');
    const offer = ends.target.offer.bind(ends.target);
    vi.spyOn(ends.target, 'offer').mockImplementation(async (files) => {
      await put(ends.from, 'ada', `turn ${(turn += 1)}`);
      return await offer(files);
    });
    const brought = await bringFiles({ ...ends, flows }, pageOf('ada', 'other'));
    expect(brought.rows).toEqual(pageOf('other'));
    expect(brought.failed).toMatchObject([
      { flow: 0, count: 1, columns: ['{"ada"}'], why: [{ code: 'SNK_FILE_UNREADABLE' }] },
    ]);
    expect(await readdir(join(ends.to, 'pictures'))).toEqual(['other']);
  });

  test('or goes is missing', async () => {
    const ends = await newEnds();
    await put(ends.from, 'ada', 'ada');
    const offer = ends.target.offer.bind(ends.target);
    vi.spyOn(ends.target, 'offer').mockImplementationOnce(async (files) => {
      await rm(join(ends.from, 'pictures/ada'));
      return await offer(files);
    });
    const { failed } = await bringFiles({ ...ends, flows }, pageOf('ada'));
    expect(failed).toMatchObject([{ why: [{ code: 'SNK_FILE_MISSING' }] }]);
  });
});
