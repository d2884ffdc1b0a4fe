/** `npm run example:people`: offices push people with photos into a main database, and readers pull them out of it. */
import type { Program } from '../support/program.ts';
import { startServer } from '../support/servers.ts';
import { addressOf, snk } from '../support/snk.ts';
import { runExample, say, type Stage } from '../support/stage.ts';
import { until } from '../support/until.ts';
import { Place } from './place.ts';

/** The main database, and what those who come to it need. */
interface Hub {
  readonly stage: Stage;
  readonly main: Place;
  readonly address: string;
  readonly urls: Readonly<Record<string, string>>;
}

interface Reader {
  readonly place: Place;
  readonly running: Program;
}

const ofAll = `select string_agg(id || ' ' || name, ' + ' order by id) from people`;

await runExample(async (stage) => {
  const urls = await startServer(stage, 'main', 'lyon', 'oslo', 'r1', 'r2');
  const main = await Place.make(stage, { name: 'main', role: 'hub', url: urls.main, env: { LISTEN: '0' } });
  const address = await addressOf(stage, await main.start());
  const hub: Hub = { stage, main, address, urls };
  say('a PostgreSQL server with five databases, and `snk run` of the main one are up');

  const lyon = await lyonPushes(hub);
  const oslo = await osloPushes(hub);
  const [r1, r2] = [await readerPulls(hub, 'r1'), await readerPulls(hub, 'r2')];
  await anOfficeEdits(hub, lyon, [r1.place, r2.place]);
  await theMainOneDeletes(hub, [r1.place, r2.place]);
  await aKeyIsRevoked(hub, oslo, r1.place, r2);
});

/** Someone who comes with a key: nothing of the main database but its address is known to him. */
async function newcomer(
  { stage, main, address, urls }: Hub,
  name: string,
  role: 'office' | 'reader',
): Promise<Place> {
  const link = role === 'office' ? 'office->main' : 'main->reader';
  say();
  say(`$ snk keys create ${name} --links '${link}'`);
  const [key = ''] = await snk(stage, main.setting, 'keys', 'create', name, '--links', link);
  say(`${key.slice(0, `snk_${name}_`.length)}…`);
  const url = urls[name] ?? '';
  return await Place.make(stage, { name, role, url, env: { HUB: address, KEY: key } });
}

async function lyonPushes(hub: Hub): Promise<Place> {
  const lyon = await newcomer(hub, 'lyon', 'office');
  for (const file of ['ada', 'obrien', 'reza']) await lyon.takePhoto(`${file}.png`, `${file} of lyon`);
  await lyon.database.sql(`
    insert into person (name, phone, photo)
    values
      ('Ada', '+33 4 72 00 00 00', 'ada.png'),
      ('O''Brien', '', 'obrien.png'),
      ('رضا', null, 'reza.png')`);
  await lyon.start();
  say('lyon pushes three people with their photos, and learns their ids');
  await untilPushed(lyon);
  await sayIds(lyon);
  say(`  main: ${await hub.main.database.tell(ofAll)}`);
  return lyon;
}

async function osloPushes(hub: Hub): Promise<Place> {
  const oslo = await newcomer(hub, 'oslo', 'office');
  await oslo.takePhoto('ada.png', 'another Ada');
  await oslo.database.sql(`insert into person (name, photo) values ('Ada', 'ada.png'), ('Nils', null)`);
  await oslo.start();
  say('oslo has the same ids, and another Ada, whose photo has the same name: nothing is overwritten');
  await untilPushed(oslo);
  await sayIds(oslo);
  say(`  main: ${await hub.main.database.tell(ofAll)}`);
  const names = await hub.main.database.tell(`select string_agg(photo, ' ' order by id) from people`);
  say(`  its photos: ${names}`);
  return oslo;
}

async function readerPulls(hub: Hub, name: string): Promise<Reader> {
  const place = await newcomer(hub, name, 'reader');
  const running = await place.start();
  await untilEqual(hub, [place]);
  say(`${name} has them all, and their photos`);
  return { place, running };
}

async function anOfficeEdits(hub: Hub, lyon: Place, readers: readonly Place[]): Promise<void> {
  say();
  say('Ada of lyon has another phone number, and a new photo');
  await lyon.takePhoto('ada-2.png', 'Ada, a year later');
  await lyon.database.sql(`update person set phone = '+33 6 00 00 00 00', photo = 'ada-2.png' where id = 1`);
  await untilPushed(lyon);
  await untilEqual(hub, readers);
  for (const { name, database } of [hub.main, ...readers])
    say(`  ${name}: ${await database.tell('select name, phone, photo from people where id = 1001')}`);
}

async function theMainOneDeletes(hub: Hub, readers: readonly Place[]): Promise<void> {
  say();
  say(`somebody deletes O'Brien from the main database`);
  await hub.main.database.sql(`delete from people where name = 'O''Brien'`);
  await untilEqual(hub, readers);
  for (const { name, database } of readers) say(`  ${name}: ${await database.tell(ofAll)}`);
}

async function aKeyIsRevoked(
  hub: Hub,
  oslo: Place,
  r1: Place,
  { place: r2, running }: Reader,
): Promise<void> {
  const verb = async (...args: string[]): Promise<void> => {
    say();
    say(`$ snk ${args.join(' ')}`);
    for (const line of await snk(hub.stage, hub.main.setting, ...args)) say(line);
  };
  await verb('keys', 'revoke', 'r2');
  await running.exited;
  say(`r2's \`snk run\` ends:`);
  for (const line of running.stderr.filter((line) => !line.startsWith('{'))) say(`  ${line}`);
  await oslo.database.sql(`insert into person (name) values ('Maj')`);
  await untilPushed(oslo);
  await untilEqual(hub, [r1]);
  for (const { name, database } of [r1, r2]) say(`  ${name}: ${await database.tell(ofAll)}`);
  await verb('keys', 'list');
}

async function untilPushed({ database }: Place): Promise<void> {
  await database.untilItTells('true', 'select bool_and(is_sync) from person');
}

async function sayIds({ name, database }: Place): Promise<void> {
  const ids = await database.tell(
    `select string_agg(id || ' ' || name || ' is ' || primary_id, ', ' order by id) from person`,
  );
  say(`  ${name}: ${ids}`);
}

/** Row by row and photo by photo. */
async function untilEqual({ stage, main }: Hub, readers: readonly Place[]): Promise<void> {
  for (const reader of readers) {
    await until(
      stage,
      `${reader.name} to be as the main database is`,
      async () => (await reader.people('people')) === (await main.people('people')),
    );
  }
}
