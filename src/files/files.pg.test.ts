import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newFolder } from '../../test/support/folder.ts';
import {
  drain,
  linkRig,
  settle,
  shareDatabases,
  type LinkRig,
  type RigOptions,
} from '../../test/support/link-rig.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { peopleRig } from '../../test/support/people-rig.ts';
import type { UserConfig } from '../config/config.ts';
import { session } from '../db/orm.ts';
import { retryParked } from '../link/retry-parked.ts';
import { collectFiles } from './collect.ts';
import { DirectoryStore } from './directory-store.ts';
import { StoreTarget } from './store-target.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;
const person = 'create table person (id integer primary key, name text, photo text)';
const flow = { from: 'person', on: everything, files: { photo: { dir: 'pictures', maxBytes: 1_000_000 } } };
const there: UserConfig['links'] = [{ from: 'a', to: 'b', flows: [flow] }];
const bothWays: UserConfig['links'] = [{ between: ['a', 'b'], flows: [flow] }];

class Office {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async put(name: string, text: string | Buffer): Promise<void> {
    const path = join(this.folder, 'pictures', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }

  async text(name: string): Promise<string> {
    return await readFile(join(this.folder, 'pictures', name), 'utf8');
  }

  async names(): Promise<string[]> {
    const names: string[] = await readdir(join(this.folder, 'pictures')).catch(() => []);
    return names.toSorted();
  }
}

async function offices(
  options: Pick<RigOptions, 'nodes' | 'links'> = {},
): Promise<{ rig: LinkRig; at: (node: string) => Office }> {
  const names = ['a', 'b', ...(options.nodes ?? [])];
  const folders = new Map<string, Office>();
  for (const name of names) folders.set(name, new Office(await newFolder()));
  const files = Object.fromEntries([...folders].map(([name, { folder }]) => [name, folder]));
  const { links = there, nodes = [] } = options;
  const rig = await linkRig({ tables: person, links, nodes, files });
  return { rig, at: (node) => folders.get(node) as Office };
}

const photos = async (database: TestDatabase): Promise<unknown[][]> =>
  (await database.query<{ id: number; photo: string }>('select id, photo from person order by id')).map(
    ({ id, photo }) => [id, photo],
  );

const parked = async (database: TestDatabase): Promise<unknown[][]> =>
  (
    await database.query<{ key: string[]; code: string; message: string }>(
      'select key, code, message from snk.parked order by key',
    )
  ).map(({ key, code, message }) => [key.join(), code, message]);

const different = async (rig: LinkRig): Promise<number> =>
  (await rig.snk.verify()).tables.reduce((sum, table) => sum + table.differences.length, 0);

describe('a file', () => {
  test('is there before the row that names it: of rows that were there, of new ones and of changed ones', async () => {
    const { rig, at } = await offices();
    await at('a').put('ada.jpg', 'ada');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg'), (2, 'Alan', null), (3, 'Grace', '')`);
    await settle(rig);
    expect(await photos(rig.b)).toEqual([
      [1, 'ada.jpg'],
      [2, null],
      [3, ''],
    ]);
    expect(await at('b').text('ada.jpg')).toBe('ada');
    await at('a').put('2024/alan "the" one.jpg', 'alan');
    await rig.a.query(`update person set photo = '2024/alan "the" one.jpg' where id = 2`);
    await rig.a.query(`insert into person values (4, 'Edsger', 'ada.jpg')`);
    await settle(rig);
    expect(await photos(rig.b)).toEqual([
      [1, 'ada.jpg'],
      [2, '2024/alan "the" one.jpg'],
      [3, ''],
      [4, 'ada.jpg'],
    ]);
    expect(await at('b').text('2024/alan "the" one.jpg')).toBe('alan');
    expect(await parked(rig.b)).toEqual([]);
  });

  test('that cannot come sets its row aside with the reason, and the others go on', async () => {
    const { rig, at } = await offices();
    await settle(rig);
    await at('a').put('ada.jpg', 'ada');
    await at('a').put('large.jpg', Buffer.alloc(1_000_001));
    await mkdir(join(at('a').folder, 'pictures', 'folder.jpg'));
    await rig.a.query(`insert into person values
      (1, 'Ada', 'ada.jpg'), (2, 'a', 'missing.jpg'), (3, 'b', '../secret'), (4, 'c', 'large.jpg'), (5, 'd', 'folder.jpg')`);
    await drain(await rig.engine());
    expect(await photos(rig.b)).toEqual([[1, 'ada.jpg']]);
    expect(await parked(rig.b)).toEqual([
      ['2', 'SNK_FILE_MISSING', 'column photo: the file is not there'],
      ['3', 'SNK_FILE_NAME', "column photo: the file's name would leave the folder"],
      ['4', 'SNK_FILE_TOO_LARGE', 'column photo: the file is larger than 1000000 bytes'],
      ['5', 'SNK_FILE_UNREADABLE', 'column photo: the file cannot be read: it is no ordinary file'],
    ]);
    // and comes with its file
    await at('a').put('missing.jpg', 'late');
    await rig.b.query(`update snk.parked set retry_at = now() where key = '{2}'`);
    await retryParked(await rig.engine());
    await drain(await rig.engine());
    expect(await photos(rig.b)).toEqual([
      [1, 'ada.jpg'],
      [2, 'missing.jpg'],
    ]);
    expect(await at('b').text('missing.jpg')).toBe('late');
    expect((await parked(rig.b)).map(([key]) => key)).toEqual(['3', '4', '5']);
  });

  test('of a row that is in the first copy sets it aside as well', async () => {
    const { rig, at } = await offices();
    await at('a').put('ada.jpg', 'ada');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg'), (2, 'a', 'missing.jpg')`);
    await settle(rig);
    expect(await photos(rig.b)).toEqual([[1, 'ada.jpg']]);
    expect((await parked(rig.b)).map(([key, code]) => [key, code])).toEqual([['2', 'SNK_FILE_MISSING']]);
  });

  test('takes the place of no other: two of one name are both there', async () => {
    const { rig, at } = await offices({
      nodes: ['c'],
      links: [
        { from: 'a', to: 'b', flows: [flow] },
        { from: 'c', to: 'b', flows: [flow] },
      ],
    });
    await at('b').put('old.jpg', 'of b itself');
    await at('a').put('ada.jpg', 'of a');
    await at('c').put('ada.jpg', 'of c');
    await at('c').put('old.jpg', 'of c');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
    await rig.other('c').query(`insert into person values (2, 'Ada', 'ada.jpg'), (3, 'Old', 'old.jpg')`);
    await settle(rig);
    const rows = (await photos(rig.b)) as [number, string][];
    expect(rows[0]).toEqual([1, 'ada.jpg']);
    expect(rows[1]?.[1]).toMatch(/^ada~[0-9a-f]{16}\.jpg$/);
    expect(rows[2]?.[1]).toMatch(/^old~[0-9a-f]{16}\.jpg$/);
    expect(await Promise.all(rows.map(async ([, name]) => await at('b').text(name)))).toEqual([
      'of a',
      'of c',
      'of c',
    ]);
    expect(await at('b').text('old.jpg')).toBe('of b itself');
  });

  test('with other bytes under the same name comes with the next change of its row, beside the first one', async () => {
    const { rig, at } = await offices();
    await at('a').put('ada.jpg', 'young');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
    await settle(rig);
    await at('a').put('ada.jpg', 'older');
    await rig.a.query(`update person set name = 'Ada L.' where id = 1`);
    await settle(rig);
    const [[, name]] = (await photos(rig.b)) as [[number, string]];
    expect(await at('b').text(name)).toBe('older');
    expect(await at('b').text('ada.jpg')).toBe('young');
    // once more changes nothing
    await rig.a.query(`update person set name = 'Ada K.' where id = 1`);
    await settle(rig);
    expect(await photos(rig.b)).toEqual([[1, name]]);
    expect(await at('b').names()).toHaveLength(2);
  });

  test('goes back under the name it came with, and nothing goes round', async () => {
    const { rig, at } = await offices({ links: bothWays });
    await at('b').put('ada.jpg', 'another one');
    await settle(rig);
    await at('a').put('ada.jpg', 'ada');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
    await settle(rig);
    const [[, name]] = (await photos(rig.b)) as [[number, string]];
    expect(name).toMatch(/^ada~/);
    await rig.b.query(`update person set name = 'Ada L.' where id = 1`);
    expect(await settle(rig)).toMatchObject({ conflicts: 0, parked: 0 });
    expect(await rig.a.query('select * from person')).toEqual([{ id: 1, name: 'Ada L.', photo: 'ada.jpg' }]);
    expect(await rig.b.query('select * from person')).toEqual([{ id: 1, name: 'Ada L.', photo: name }]);
    expect(await at('a').names()).toEqual(['ada.jpg']);
    // what two nodes call one file is no difference, and another file is one
    expect(await different(rig)).toBe(0);
    await rig.b.query(`alter table person disable trigger all; update person set photo = 'ada~0123.jpg'`);
    expect(await different(rig)).toBe(1);
  });

  test('is passed on by a node between others', async () => {
    const { rig, at } = await offices({
      nodes: ['c'],
      links: [
        { from: 'a', to: 'b', flows: [flow] },
        { from: 'b', to: 'c', flows: [flow] },
      ],
    });
    await settle(rig);
    await at('a').put('ada.jpg', 'ada');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
    await settle(rig);
    expect(await photos(rig.other('c'))).toEqual([[1, 'ada.jpg']]);
    expect(await at('c').text('ada.jpg')).toBe('ada');
  });

  test('of another source folder that is away is waited for, and no row is set aside', async () => {
    const { rig, at } = await offices();
    await settle(rig);
    await rm(at('a').folder, { recursive: true });
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
    await expect(drain(await rig.engine())).rejects.toMatchObject({ code: 'SNK_FILE_STORE', fate: 'retry' });
    expect(await parked(rig.b)).toEqual([]);
  });
});

describe('a file of a row that the target gives its id', () => {
  test('comes before it, and a missing one sets it aside by the id that it has at its source', async () => {
    const folders = [new Office(await newFolder()), new Office(await newFolder())] as const;
    const rig = await peopleRig({
      tables: 'alter table person add photo text; alter table people add photo text',
      files: { a: folders[0].folder, b: folders[1].folder },
      flow: { files: { photo: { dir: 'pictures' } } },
    });
    await folders[0].put('ada.jpg', 'ada');
    await rig.a.query(
      `insert into person (id, name, photo) values (1, 'Ada', 'ada.jpg'), (2, 'Alan', 'alan.jpg'), (3, 'Grace', null)`,
    );
    await settle(rig);
    const there = `select name, photo from people order by name`;
    expect(await rig.b.query(there)).toEqual([
      { name: 'Ada', photo: 'ada.jpg' },
      { name: 'Grace', photo: null },
    ]);
    expect(await parked(rig.b)).toEqual([['2', 'SNK_FILE_MISSING', expect.any(String)]]);
    await folders[0].put('alan.jpg', 'alan');
    await rig.b.query('update snk.parked set retry_at = now()');
    await retryParked(await rig.engine());
    await settle(rig);
    expect(await parked(rig.b)).toEqual([]);
    expect(await folders[1].text('alan.jpg')).toBe('alan');
    const [alan] = await rig.a.query<{ told: boolean }>(
      `select primary_id is not null and is_sync as told from person where id = 2`,
    );
    expect(alan).toEqual({ told: true });
    // another version of a row whose photo is another one by now
    await folders[0].put('ada.jpg', 'ada, older');
    await rig.a.query(`update person set phone = '1' where id = 1`);
    await settle(rig);
    expect(await different(rig)).toBe(0);
    expect(await folders[1].names()).toHaveLength(3);
  });
});

describe('a file that no row names any more', () => {
  /** As if so many days had gone by. */
  const later = async ({ b }: LinkRig, days: number): Promise<void> => {
    const earlier = (column: string): string => `${column} = ${column} - interval '${days} days'`;
    await b.query(
      `update snk.file set ${['used_at', 'looked_at', 'unreferenced_since'].map(earlier).join(', ')}`,
    );
  };
  /** A file that came, whose row went a day ago. */
  const withGone = async () => {
    const both = await offices();
    const { rig, at } = both;
    await at('a').put('ada.jpg', 'ada');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
    await settle(rig);
    await rig.a.query('delete from person');
    await settle(rig);
    await later(rig, 1);
    return both;
  };
  const collect = async (rig: LinkRig, office: Office, grace = 7 * 86_400_000): Promise<number> =>
    await collectFiles({
      em: () => session(rig.orm('b')),
      store: new DirectoryStore(office.folder),
      grace,
    });

  test('goes after the time of grace, and no other file does', async () => {
    const { rig, at } = await offices();
    await at('b').put('own.jpg', 'of b itself');
    for (const name of ['ada.jpg', 'alan.jpg', 'grace.jpg', 'own.jpg', 'taken.jpg', 'Case.jpg'])
      await at('a').put(name, name === 'own.jpg' ? 'of b itself' : name);
    await rig.a.query(`insert into person select i, n, n || '.jpg'
      from unnest('{ada,alan,grace,own,taken,Case}'::text[]) with ordinality as t (n, i)`);
    await settle(rig);
    await rig.a.query(`delete from person where name <> 'alan'`);
    await settle(rig);
    // a file system without cases finds it under this name as well
    await rig.b.query(`insert into person values (9, 'x', 'case.JPG')`);
    await at('b').put('taken.jpg', 'somebody else wrote over it');
    const all = await at('b').names();
    await later(rig, 1);
    expect(await collect(rig, at('b'))).toBe(0);
    await later(rig, 6.9);
    expect(await collect(rig, at('b'))).toBe(0);
    expect(await at('b').names()).toEqual(all);
    await later(rig, 0.2);
    expect(await collect(rig, at('b'))).toBe(2);
    expect(await at('b').names()).toEqual(['Case.jpg', 'alan.jpg', 'own.jpg', 'taken.jpg']);
    // what was somebody else's is forgotten, and stays
    await later(rig, 30);
    expect(await collect(rig, at('b'))).toBe(0);
    expect(await at('b').names()).toHaveLength(4);
  });

  test('stays where rows cannot be read in time, which is said, and goes with a later look', async () => {
    const { rig, at } = await withGone();
    const locker = await rig.b.connect();
    const waiting = `from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    const isStopped = async (): Promise<boolean> =>
      (await rig.b.query(`select pg_cancel_backend(pid) ${waiting}`)).length > 0;
    const held = async (): Promise<void> => {
      await locker.query('begin');
      await locker.query('lock table person in access exclusive mode');
      const looking = collect(rig, at('b'));
      const said = expect(looking).rejects.toMatchObject({ code: 'SNK_FILE_LOOK', fate: 'retry' });
      await waitUntil(isStopped);
      await said;
      await locker.query('rollback');
    };
    await held();
    await later(rig, 1);
    expect(await collect(rig, at('b'))).toBe(0);
    await later(rig, 8);
    await held();
    expect(await at('b').names()).toEqual(['ada.jpg']);
    await later(rig, 1);
    expect(await collect(rig, at('b'))).toBe(1);
    await locker.end();
  });

  test('stays while a page is about to name it', async () => {
    const { rig, at } = await offices();
    await at('a').put('ada.jpg', 'ada');
    await rig.a.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
    await settle(rig);
    await rig.b.query('delete from person');
    await later(rig, 1);
    await collect(rig, at('b'));
    await later(rig, 8);
    const sha256 = createHash('sha256').update('ada').digest('hex');
    const target = new StoreTarget({
      store: new DirectoryStore(at('b').folder),
      em: () => session(rig.orm('b')),
      owner: 'a->b',
    });
    const file = { dir: 'pictures', name: 'ada.jpg', sha256, size: 3 };
    expect(await target.offer([file])).toEqual([{ name: 'ada.jpg' }]);
    // however little grace there is
    expect(await collect(rig, at('b'), 0)).toBe(0);
    await later(rig, 2);
    expect(await collect(rig, at('b'), 0)).toBe(1);
    expect(await target.offer([file])).toEqual([{ from: 0 }]);
  });

  test('stays when a row names it again, and comes again when it is named too late', async () => {
    const { rig, at } = await withGone();
    await collect(rig, at('b'));
    await later(rig, 8);
    // a page that is about to name it
    await rig.a.query(`insert into person values (2, 'Ada', 'ada.jpg')`);
    await settle(rig);
    expect(await collect(rig, at('b'))).toBe(0);
    await rig.a.query('delete from person');
    await settle(rig);
    for (const days of [1, 8]) {
      await later(rig, days);
      await collect(rig, at('b'));
    }
    expect(await at('b').names()).toEqual([]);
    await rig.a.query(`insert into person values (3, 'Ada', 'ada.jpg')`);
    await settle(rig);
    expect(await at('b').text('ada.jpg')).toBe('ada');
  });
});

test('a column that names files has to be a text that travels', async () => {
  const wrong = { from: 'person', files: { id: { dir: 'x' }, nothing: { dir: 'x' } } };
  const { rig } = await offices({ links: [{ from: 'a', to: 'b', flows: [flow] }] });
  const { Snk } = await import('../snk.ts');
  const { parseConfig } = await import('../config/config.ts');
  const snk = new Snk(
    parseConfig({
      nodes: { a: { url: rig.a.url, files: '.' }, b: { url: rig.b.url, files: '.' } },
      links: [{ from: 'a', to: 'b', flows: [wrong] }],
    }),
  );
  const { faults } = await snk.plan();
  await snk.close();
  expect(faults.map(({ message }) => message)).toEqual([
    'column id is integer on b: no name of a file',
    'column nothing, which names files, is missing on b, or does not travel',
  ]);
});
