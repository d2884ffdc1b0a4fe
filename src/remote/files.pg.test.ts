import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openBadProxy } from '../../test/support/bad-proxy.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import { newFolder } from '../../test/support/folder.ts';
import { openHttp } from '../http/server.ts';
import type { HttpOptions } from '../config/http-options.ts';
import { Health } from '../telemetry/health.ts';
import { Snk } from '../snk.ts';
import { hubRig, type HubRig, type HubRigOptions } from '../../test/support/hub-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';

const flow = {
  from: 'person',
  on: ['insert', 'update', 'delete'] as const,
  files: { photo: { dir: 'pictures', maxBytes: 2_000_000 } },
};

interface Places {
  readonly rig: HubRig;
  readonly put: (node: string, name: string, text: string | Buffer) => Promise<void>;
  readonly bytes: (node: string, name: string) => Promise<Buffer>;
  readonly people: (node: string, database: TestDatabase) => Promise<string[]>;
}

async function newHub(links: HubRigOptions['links']): Promise<Places> {
  const root = await newFolder();
  const tables = 'create table person (id integer primary key, name text, photo text)';
  const files = { main: join(root, 'main'), of: (spoke: string) => join(root, spoke) };
  const rig = await hubRig({ tables, links, files });
  const folderOf = (node: string): string => join(root, node, 'pictures');
  return {
    rig,
    put: async (node, name, text) => {
      await mkdir(folderOf(node), { recursive: true });
      await writeFile(join(folderOf(node), name), text);
    },
    bytes: async (node, name) => await readFile(join(folderOf(node), name)),
    people: async (node, database) => {
      const rows = await database.query<{ name: string; photo: string | null }>(
        'select name, photo from person order by id',
      );
      const show = async (photo: string | null): Promise<string> =>
        photo === null ? 'none' : (await readFile(join(folderOf(node), photo), 'utf8')).slice(0, 20);
      return await Promise.all(rows.map(async ({ name, photo }) => `${name}: ${await show(photo)}`));
    },
  };
}

const until = async (look: () => Promise<string[]>, wanted: readonly string[]): Promise<void> => {
  let seen: string[] = [];
  await waitUntil(async () => {
    seen = await look();
    return JSON.stringify(seen) === JSON.stringify(wanted);
  }).catch(() => undefined);
  expect(seen).toEqual(wanted);
};

test('offices bring their photos to a hub and have those of the others, over a line that loses some of it', async () => {
  const { rig, put, people, bytes } = await newHub([{ between: ['main', 'office'], flows: [flow] }]);
  const proxy = await openBadProxy(rig.address, 10, 3);
  onTestFinished(async () => await proxy.close());
  const [lyon, oslo] = [await rig.spoke('lyon', undefined, proxy.url), await rig.spoke('oslo')];
  const large = Buffer.alloc(1_500_000, 'of lyon, large ');
  await put('lyon', 'ada.jpg', 'ada of lyon');
  await put('lyon', 'large.jpg', large);
  await put('oslo', 'ada.jpg', 'ada of oslo');
  await lyon.database.query(
    `insert into person values (1, 'Ada', 'ada.jpg'), (2, 'Large', 'large.jpg'), (3, 'Nobody', null), (4, 'Late', 'late.jpg')`,
  );
  await oslo.database.query(`insert into person values (5, 'Ada', 'ada.jpg')`);
  rig.run(lyon);
  rig.run(oslo);
  const all = ['Ada: ada of lyon', 'Large: of lyon, large of ly', 'Nobody: none', 'Ada: ada of oslo'];
  await until(async () => await people('main', rig.main), all);
  await until(async () => await people('oslo', oslo.database), all);
  const parked = () => rig.main.query(`select key, code from snk.parked`);
  expect(await parked()).toEqual([{ key: ['4'], code: 'SNK_FILE_MISSING' }]);
  await put('lyon', 'late.jpg', 'late');
  await rig.main.query(`update snk.parked set retry_at = now()`);
  const withLate = all.toSpliced(3, 0, 'Late: late');
  for (const [node, database] of [
    ['main', rig.main],
    ['oslo', oslo.database],
    ['lyon', lyon.database],
  ] as const)
    await until(async () => await people(node, database), withLate);
  expect(await parked()).toEqual([]);
  expect((await bytes('main', 'large.jpg')).equals(large)).toBe(true);
  expect(rig.faults).toEqual([]);
});

test('files that no row names and that cannot be taken away are told of, at a hub and where links are worked', async () => {
  const { rig, people } = await newHub([{ between: ['main', 'office'], flows: [flow] }]);
  const lyon = await rig.spoke('lyon');
  // nothing can be kept aside below it
  for (const place of [rig.hub.config, lyon.config].flatMap(({ nodes }) => nodes)) {
    const dir = 'files' in place ? place.files?.dir : null;
    if (dir == null) continue;
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, '.snk'), 'no folder');
  }
  const told: string[] = [];
  const { snk } = rig.run(lyon);
  for (const { events } of [snk, rig.hub])
    events.on('files:failed', ({ node, error: { code, hint } }) =>
      told.push(`${node} ${code} ${typeof hint}`),
    );
  await lyon.database.query(`insert into person values (1, 'Ada', null)`);
  await until(async () => await people('main', rig.main), ['Ada: none']);
  const ending = new AbortController();
  const keeping = rig.hub.hub.keep(ending.signal);
  await waitUntil(() => told.length >= 2);
  ending.abort();
  await keeping;
  expect(told.toSorted()).toEqual(['lyon SNK_FILE_STORE string', 'main SNK_FILE_STORE string']);
  expect(rig.faults).toEqual([]);
});

test('a hub that is another process meanwhile goes on with what had come so far', async () => {
  const { rig, put, people, bytes } = await newHub([{ from: 'main', to: 'office', flows: [flow] }]);
  const count = 24;
  for (let i = 1; i <= count; i += 1) await put('main', `${i}.jpg`, Buffer.alloc(1_000_000, `person ${i} `));
  await rig.main.query(`insert into person select i, 'P', i || '.jpg' from generate_series(1, ${count}) i`);
  const proxy = await openBadProxy(rig.address, 0);
  const later = new Snk(rig.hub.config);
  const faults: unknown[] = [];
  const http = later.config.http as HttpOptions;
  const server = await openHttp(later, new Health(later.events, []), http, (error) => faults.push(error));
  onTestFinished(async () => {
    await proxy.close();
    await server.close();
    await later.close();
  });
  const reader = await rig.spoke('reader', undefined, proxy.url);
  rig.run(reader);
  await waitUntil(
    async () => await bytes('reader', '../.snk').catch((error: { code?: string }) => error.code === 'EISDIR'),
  );
  proxy.to(server.address);
  await until(
    async () => (await people('reader', reader.database)).map((text) => text.slice(0, 11)),
    Array.from({ length: count }, (_, i) => `P: person ${i + 1}`.slice(0, 11)),
  );
  expect(await reader.database.query('select from snk.parked')).toEqual([]);
  expect([...rig.faults, ...faults]).toEqual([]);
});

test('a reader gets at the files that it is told of, and at no others', async () => {
  const { rig, put, people } = await newHub([{ from: 'main', to: 'office', flows: [flow] }]);
  await put('main', 'ada.jpg', 'ada');
  await put('main', 'secret.jpg', 'secret');
  await rig.main.query(`insert into person values (1, 'Ada', 'ada.jpg')`);
  const [reader, other] = [await rig.spoke('reader'), await rig.spoke('other')];
  rig.run(reader);
  await until(async () => await people('reader', reader.database), ['Ada: ada']);
  const ask = async (operation: string, body: object, key = reader.key, link = 'main->reader') => {
    const url = `${rig.address}/v1/links/${encodeURIComponent(link)}/files/${operation}`;
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: answer.status, text: await answer.text() };
  };
  const find = (name: string) => ({ files: [{ dir: 'pictures', name, maxBytes: 100 }] });
  expect(await ask('find', find('ada.jpg'))).toMatchObject({ status: 200 });
  for (const name of ['secret.jpg', '../pictures/ada.jpg', '../../etc/passwd', 'ADA.jpg'])
    expect((await ask('find', find(name))).status).toBe(409);
  // it brings none
  expect((await ask('place', { files: [] })).status).toBe(404);
  // another one's link, or a key that is none
  expect((await ask('find', find('ada.jpg'), other.key)).status).toBe(403);
  expect((await ask('find', find('ada.jpg'), other.key, 'main->other')).status).toBe(409);
  expect((await ask('find', find('ada.jpg'), `${reader.key}x`)).status).toBe(401);
  expect(rig.faults).toEqual([]);
});
