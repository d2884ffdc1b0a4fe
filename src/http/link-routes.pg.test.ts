import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import { chunked, exchange, zeros } from '../../test/support/raw-http.ts';
import { parseConfig } from '../config/config.ts';
import { largestBody, Snk } from '../snk.ts';
import { Health } from '../telemetry/health.ts';
import { openHttp, type HttpServer } from './server.ts';

const gigabyte = 1_073_741_824;

let main: TestDatabase;
let hub: Snk;
let server: HttpServer;
const keys: Record<string, string> = {};
const faults: unknown[] = [];

beforeAll(async () => {
  main = await createDatabase();
  await main.query(`create table person (id bigint primary key, name text not null, phone text)`);
  hub = new Snk(
    parseConfig({
      nodes: { main: { url: main.url }, office: { keyed: true } },
      links: [{ between: ['main', 'office'], tables: ['person'], on: ['insert', 'update', 'delete'] }],
      http: { listen: 0 },
    }),
  );
  await hub.install();
  await main.query(`insert into person values (1, 'Ada', null)`);
  const both = ['main->office', 'office->main'];
  for (const name of ['lyon', 'oslo', 'gone', 'turned']) keys[name] = (await hub.keys.create(name, both)).key;
  keys['reader'] = (await hub.keys.create('reader', ['main->office'])).key;
  keys['none'] = `snk_lyon_${'x'.repeat(43)}`;
  await hub.keys.revoke('gone');
  await hub.keys.rotate('turned');
  const { http } = hub.config;
  if (http === null) throw new Error('a hub listens');
  server = await openHttp(hub, new Health(hub.events, []), http, (error) => faults.push(error));
});

afterAll(async () => {
  await server.close();
  await hub.close();
  await main.drop();
});

/** All that a request could change. */
async function standing(): Promise<unknown> {
  const tables = [
    'public.person',
    'snk.cursor',
    'snk.subscriber',
    'snk.ledger',
    'snk.change_log',
    'snk.parked',
  ];
  const key = `select jsonb_agg(to_jsonb(k) - 'last_used_at' order by name) as rows from snk.key k`;
  return await Promise.all(
    [
      ...tables.map((table) => `select jsonb_agg(to_jsonb(t) order by t::text) as rows from ${table} t`),
      key,
    ].map(async (text) => await main.query(text)),
  );
}

interface Asked {
  readonly key?: string;
  readonly method?: string;
  readonly path?: string;
  readonly head?: readonly string[];
  readonly body?: () => Iterable<Buffer | string>;
}

async function ask({ key, method = 'POST', path = '/v1/links/main-%3Elyon/subscriber', head, body }: Asked) {
  const authorization = key === undefined ? [] : [`authorization: Bearer ${keys[key]}`];
  return await exchange(
    Number(new URL(server.address).port),
    [
      `${method} ${path} HTTP/1.1`,
      'host: hub',
      'connection: close',
      ...authorization,
      ...(head ?? ['content-type: application/json', 'content-length: 2']),
    ],
    body?.() ?? ['{}'],
  );
}

const on = (link: string, operation = 'subscriber'): string =>
  `/v1/links/${encodeURIComponent(link)}/${operation}`;
const json = 'content-type: application/json';
const packed = [json, 'content-encoding: gzip', 'transfer-encoding: chunked'];
const bomb = (): Iterable<Buffer> =>
  chunked([gzipSync(Buffer.concat([Buffer.from('{"x":"'), Buffer.alloc(largestBody + 1, 'x')]))]);
const text = (body: string): Pick<Asked, 'head' | 'body'> => ({
  head: [json, `content-length: ${Buffer.byteLength(body)}`],
  body: () => [body],
});

describe('what is refused at /v1 changes nothing', () => {
  test.each<[string, number, Asked]>([
    ['no key', 401, {}],
    ['a wrong key', 401, { key: 'none' }],
    ['a revoked key', 401, { key: 'gone' }],
    ['a key that was rotated', 401, { key: 'turned' }],
    ['no key, for what there is not', 401, { path: on('nowhere', 'nothing') }],
    ['the link of another node', 403, { key: 'lyon', path: on('main->oslo') }],
    ['the link of another node, to write', 403, { key: 'lyon', path: on('oslo->main', 'apply') }],
    ['a direction that the key is not bound to', 403, { key: 'reader', path: on('reader->main', 'attach') }],
    ['the link as it is configured', 403, { key: 'lyon', path: on('main->office') }],
    ['a link that there is not', 403, { key: 'lyon', path: on('nowhere') }],
    ['a way out of the path', 403, { key: 'lyon', path: on('../../healthz') }],
    ['a word of the language as a link', 403, { key: 'lyon', path: on('__proto__', 'constructor') }],
    ['a word of the language as an operation', 404, { key: 'lyon', path: on('main->lyon', 'constructor') }],
    ['another method', 405, { key: 'lyon', method: 'DELETE' }],
    ['a link that was not opened', 409, { key: 'lyon', path: on('main->lyon', 'clock') }],
    [
      'the session of nobody',
      409,
      {
        key: 'lyon',
        path: on('main->lyon', 'clock'),
        head: [json, 'content-length: 2', `snk-session: ${'0'.repeat(36)}`],
      },
    ],
    ['the wrong end', 409, { key: 'lyon', path: on('lyon->main', 'mark') }],
    ['no JSON', 400, { key: 'lyon', ...text('{secret') }],
    ['JSON of another shape', 400, { key: 'lyon', ...text('[1]') }],
    ['JSON that reaches into what is common', 400, { key: 'lyon', ...text('{"__proto__":{"x":1}}') }],
    ['JSON without bottom', 400, { key: 'lyon', ...text('['.repeat(500_000)) }],
    ['a shape with more in it', 400, { key: 'lyon', path: on('main->lyon', 'mark'), ...text('{"more":1}') }],
    ['another protocol', 400, { key: 'lyon', path: on('main->lyon', 'open'), ...text('{"protocol":99}') }],
    [
      'what is no JSON by its own word',
      415,
      { key: 'lyon', head: ['content-type: text/csv', 'content-length: 2'] },
    ],
    [
      '10 GB',
      413,
      { key: 'lyon', head: [json, `content-length: ${10 * gigabyte}`], body: () => zeros(10 * gigabyte) },
    ],
    [
      '10 GB that do not say so',
      413,
      { key: 'lyon', head: [json, 'transfer-encoding: chunked'], body: () => chunked(zeros(10 * gigabyte)) },
    ],
    ['a little that unpacks to too much', 413, { key: 'lyon', head: packed, body: bomb }],
    [
      '10 GB without a key',
      401,
      { head: [json, `content-length: ${10 * gigabyte}`], body: () => zeros(10 * gigabyte) },
    ],
    [
      'a body for those who wait',
      413,
      { key: 'lyon', path: on('main->lyon', 'wait'), ...text('x'.repeat(600_000)) },
    ],
  ])('%s: %i', async (_, status, asked) => {
    const before = await standing();
    const memory = process.memoryUsage().rss;
    const answer = await ask(asked);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ code: expect.stringMatching(/^SNK_/) });
    expect(answer.text).not.toMatch(/secret|stack|node_modules|Ada/);
    expect(answer.sent).toBeLessThan(largestBody + 64_000_000);
    expect(await standing()).toEqual(before);
    expect((process.memoryUsage().rss - memory) / 1_048_576).toBeLessThan(300);
    expect(faults).toEqual([]);
  });
});
