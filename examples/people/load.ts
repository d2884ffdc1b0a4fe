/**
 * `npm run load:people -- [people] [readers] [bytes] [kills]`: many people with photos go through a hub, which is killed on the
 * way, and an office and readers with it; prints rates and memory.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../src/dev/port.ts';
import { EmbeddedServer } from '../../src/dev/embedded-server.ts';
import { addressOf, snk, snkProgram } from '../support/snk.ts';
import { runExample, say, type Stage } from '../support/stage.ts';
import { Memory } from './memory.ts';
import { Place } from './place.ts';
import { Restarted } from './restarted.ts';

const [people = 20_000, readers = 20, size = 20_000, kills = 0] = process.argv.slice(2).map(Number);
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
    env: { LISTEN: `127.0.0.1:${await freePort()}` },
  });
  const hub = await Restarted.of(async () => await main.start());
  const address = await addressOf(stage, hub.program);
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
  await timed('push', people, megabytes, async () => await killed(pushing, main, [hub, pushing]));
  say(`  ${pushed.end()}`);

  const places: Place[] = [];
  for (const name of names) places.push(await comer(name, 'reader', 'main->reader'));
  const before = await hub.bytesRead();
  const pulls = await Promise.all(places.map(async (place) => await once(stage, place)));
  const [one] = pulls;
  const pulled = new Memory(one === undefined ? { hub } : { hub, reader: one });
  await timed(`pull by ${readers} at once`, people * readers, megabytes * readers, async () => {
    const victims = pulls.slice(1).flatMap((pull) => [hub, pull]);
    const [first] = places;
    const killing = first === undefined || one === undefined ? null : killed(one, first, victims);
    for (const pull of pulls.slice(1)) await pull.succeed(kills);
    await killing;
  });
  say(`  ${pulled.end()}`);
  const read = ((await hub.bytesRead()) - before) / 1e6;
  say(`  the hub read ${read.toFixed(0)} MB, through all of its sockets and files`);
  const wanted = await main.people('people');
  for (const place of places)
    if ((await place.people('people')) !== wanted)
      throw new Error(`${place.name} is not as the main database is`);
  say('all are equal, row by row and photo by photo');
});

async function once(stage: Stage, place: Place): Promise<Restarted> {
  return await Restarted.of(async () => await snkProgram(stage, place.setting, 'run', '--once'));
}

/** Kills in turn, each time that another part of all people has come to a place; returns when `running` has come to its end. */
async function killed(running: Restarted, place: Place, victims: readonly Restarted[]): Promise<void> {
  let isOver = false;
  const killing = async (): Promise<void> => {
    const at: string[] = [];
    for (let i = 0; i < kills;) {
      if (isOver) throw new Error(`only ${i} of ${kills} kills came in the middle`);
      await wait(200);
      const count = Number(await place.database.tell('select count(*) from people'));
      if (count < (people * (i + 1)) / (kills + 1)) continue;
      at.push(String(count));
      await victims[i % victims.length]?.kill();
      i += 1;
    }
    if (kills > 0) say(`  killed ${kills} times, when ${at.join(', ')} had come to ${place.name}`);
  };
  await Promise.all([running.succeed(kills).finally(() => (isOver = true)), killing()]);
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
