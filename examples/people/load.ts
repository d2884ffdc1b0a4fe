/** `node examples/people/load.ts [people] [readers] [bytes]`: many people with photos go through a hub; prints rates and memory. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { EmbeddedServer } from '../../src/dev/embedded-server.ts';
import type { Program } from '../support/program.ts';
import { addressOf, snk, snkProgram } from '../support/snk.ts';
import { runExample, say, type Stage } from '../support/stage.ts';
import { bytesRead, Memory } from './memory.ts';
import { Place } from './place.ts';

const [people = 20_000, readers = 20, size = 20_000] = process.argv.slice(2).map(Number);
const megabytes = (people * size) / 1e6;
const run = promisify(execFile);

await runExample(async (stage) => {
  const server = await EmbeddedServer.create({ dir: stage.folder, settings: { max_connections: 400 } });
  stage.onEnd(async () => await server.remove());
  await server.start();
  const names = Array.from({ length: readers }, (_, i) => `r${i + 1}`);
  for (const name of ['main', 'lyon', 'plain', ...names]) await server.createDatabase(name);
  const main = await Place.make(stage, {
    name: 'main',
    role: 'hub',
    url: server.url('main'),
    env: { LISTEN: '0' },
  });
  const hub = await main.start();
  const address = await addressOf(stage, hub);
  const comer = async (name: string, role: 'office' | 'reader', link: string): Promise<Place> => {
    const [KEY = ''] = await snk(stage, main.setting, 'keys', 'create', name, '--links', link);
    return await Place.make(stage, { name, role, url: server.url(name), env: { HUB: address, KEY } });
  };
  const lyon = await comer('lyon', 'office', 'office->main');
  say(`${people} people, each with a photo of ${size} bytes: ${megabytes.toFixed(0)} MB; ${readers} readers`);
  for (let i = 0; i < people; i += 1) await writeFile(join(lyon.photos, `${i}.jpg`), randomBytes(size));
  await lyon.database.sql(
    `insert into person (name, phone, photo)
     select 'person ' || i, '+33 ' || i, i || '.jpg' from generate_series(0, ${people - 1}) i`,
  );

  await timed('plain COPY of the rows', people, 0, async () => await copyPlainly(server));
  await timed('plain copy of the files, and sync', people, megabytes, async () => {
    await cp(lyon.photos, join(stage.folder, 'plain'), { recursive: true });
    await run('sync', ['--file-system', join(stage.folder, 'plain')]);
  });
  await timed('the same, each file synced, four at once', people, megabytes, async () => {
    await copyEach(lyon.photos, join(stage.folder, 'synced'));
  });

  const pushing = await once(stage, lyon);
  const pushed = new Memory({ hub, office: pushing });
  await timed('push', people, megabytes, async () => await succeed(pushing));
  say(`  ${pushed.end()}`);

  const places: Place[] = [];
  for (const name of names) places.push(await comer(name, 'reader', 'main->reader'));
  const before = await bytesRead(hub);
  const pulls = await Promise.all(places.map(async (place) => await once(stage, place)));
  const [one] = pulls;
  const pulled = new Memory(one === undefined ? { hub } : { hub, reader: one });
  await timed(`pull by ${readers} at once`, people * readers, megabytes * readers, async () => {
    for (const pull of pulls) await succeed(pull);
  });
  say(`  ${pulled.end()}`);
  const read = ((await bytesRead(hub)) - before) / 1e6;
  say(`  the hub read ${read.toFixed(0)} MB, through all of its sockets and files`);
  const wanted = await main.people('people');
  for (const place of places)
    if ((await place.people('people')) !== wanted)
      throw new Error(`${place.name} is not as the main database is`);
  say('all are equal, row by row and photo by photo');
});

async function once(stage: Stage, place: Place): Promise<Program> {
  return await snkProgram(stage, place.setting, 'run', '--once');
}

async function succeed(program: Program): Promise<void> {
  if ((await program.exited) !== 0) throw new Error(program.stderr.join('\n'));
}

async function timed(what: string, rows: number, mb: number, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const rate = mb === 0 ? '' : `, ${(mb / seconds).toFixed(1)} MB/s`;
  say(`${what}: ${seconds.toFixed(1)} s, ${(rows / seconds).toFixed(0)} rows/s${rate}`);
}

async function copyPlainly(server: EmbeddedServer): Promise<void> {
  const [from, to] = ['lyon', 'plain'].map((name) => new Client(server.url(name)));
  if (from === undefined || to === undefined) return;
  await Promise.all([from.connect(), to.connect()]);
  await to.query('create table people (id bigint primary key, name text not null, phone text, photo text)');
  await pipeline(
    from.query(copyTo('copy (select id, name, phone, photo from person) to stdout')),
    to.query(copyFrom('copy people from stdin')),
  );
  await Promise.all([from.end(), to.end()]);
}

async function copyEach(from: string, to: string): Promise<void> {
  await mkdir(to);
  const names = (await readdir(from)).values();
  const lane = async (): Promise<void> => {
    for (const name of names) {
      const bytes = await readFile(join(from, name));
      await writeFile(join(to, name), bytes, { flush: true });
    }
  };
  await Promise.all(Array.from({ length: 4 }, lane));
}
