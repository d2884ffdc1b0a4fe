import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createPair } from '../support/databases.ts';
import { newFolder } from '../support/folder.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { endSnk, tailOf } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const people = 60;
const kills = 3;

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

it('brings every file whole, before its row, through kills of SNK in the middle of them', async ({
  annotate,
}) => {
  const cwd = await newFolder();
  const pair = await createPair();
  const person = 'create table person (id integer primary key, photo text)';
  await Promise.all([pair.a.query(person), pair.b.query(person)]);
  mkdirSync(path.join(cwd, 'a/pictures'), { recursive: true });
  const wanted = new Map<string, string>();
  for (let i = 0; i < people; i += 1) {
    const bytes = Buffer.alloc(i % 3 === 0 ? 4_000_000 : 20_000, `person ${i}`);
    writeFileSync(path.join(cwd, `a/pictures/${i}.jpg`), bytes);
    wanted.set(`${i}.jpg`, hashOf(bytes));
  }
  const config = {
    nodes: { a: { url: pair.a.url, files: './a' }, b: { url: pair.b.url, files: './b' } },
    links: [{ from: 'a', to: 'b', flows: [{ from: 'person', files: { photo: { dir: 'pictures' } } }] }],
  };
  writeFileSync(path.join(cwd, 'snk.config.json'), JSON.stringify(config));
  const run = (): TestProcess => startSnk(['run'], { cwd });
  const namesAt = (): number =>
    ['b/pictures', 'b/.snk'].reduce((sum, folder) => {
      const at = path.join(cwd, folder);
      const names = readNames(at);
      return sum + names.length;
    }, 0);
  // half of them are there before SNK, and half come while it runs
  await pair.a.query(`insert into person select i, i || '.jpg' from generate_series(0, ${people / 2 - 1}) i`);
  let snk = run();
  await waitUntil(() => namesAt() > 0, { message: () => tailOf(snk) });
  await pair.a.query(
    `insert into person select i, i || '.jpg' from generate_series(${people / 2}, ${people - 1}) i`,
  );
  for (let i = 0; i < kills; i += 1) {
    const before = namesAt();
    await waitUntil(() => namesAt() !== before || namesAt() >= people, { message: () => tailOf(snk) });
    await pause(Math.random() * 100);
    await snk.kill('SIGKILL');
    // no row is there before its file
    for (const { photo } of await pair.b.query<{ photo: string }>('select photo from person'))
      expect(hashOf(readFileSync(path.join(cwd, 'b/pictures', photo)))).toBe(wanted.get(photo));
    snk = run();
  }
  await waitUntil(
    async () => {
      if (snk.exit) throw new Error(`snk run ended by itself:\n${snk.stderr}`);
      const [row] = await pair.b.query<{ count: number }>('select count(*)::integer as count from person');
      return row?.count === people;
    },
    { message: () => `all people to be there:\n${tailOf(snk)}` },
  );
  expect(readNames(path.join(cwd, 'b/pictures')).toSorted()).toEqual([...wanted.keys()].toSorted());
  for (const [name, hash] of wanted)
    expect(hashOf(readFileSync(path.join(cwd, 'b/pictures', name)))).toBe(hash);
  expect(await pair.b.query('select * from snk.parked')).toEqual([]);
  await annotate(`${people} files, ${kills} kills`);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
