import { gzipSync } from 'node:zlib';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../config/config.ts';
import { Snk } from '../../snk.ts';
import { Health } from '../../telemetry/health.ts';
import { buildApp } from '../app.ts';
import { bundleConsole } from './bundle.ts';
import { consoleRoom } from './console.ts';

const token = 'a-token-of-sixteen-characters';
const closing: (() => Promise<unknown>)[] = [];
const faults: unknown[] = [];
const told: string[] = [];

afterEach(async () => {
  await Promise.all(closing.splice(0).map(async (close) => await close()));
  expect(faults.splice(0)).toEqual([]);
  told.length = 0;
});

interface Opened {
  readonly app: FastifyInstance;
  /** As a browser asks from the page itself. */
  readonly ask: (request: InjectOptions) => Promise<Response>;
}

/** Over databases that nobody reaches: what is tested here is asked of none. */
async function open(trustProxy?: readonly string[]): Promise<Opened> {
  const url = 'postgres://u:secret@127.0.0.1:1/x';
  const links = [{ between: ['a', 'b'] as const, tables: ['public.record'] }];
  const snk = new Snk(parseConfig({ nodes: { a: { url }, b: { url } }, links }));
  const health = new Health(snk.events, ['a->b', 'b->a']);
  const room = consoleRoom({
    snk,
    health,
    token,
    listen: { host: '127.0.0.1', port: 9464 },
    options: { token, hosts: ['snk.example'] },
    version: '1.0.0',
    onFault: (error) => faults.push(error),
    onLogIn: (who) => told.push(`in ${who}`),
    onRefused: (address) => told.push(`refused ${address}`),
  });
  const app = await buildApp({ rooms: [room], onFault: (error) => faults.push(error), trustProxy });
  closing.push(
    async () => await app.close(),
    async () => await snk.close(),
  );
  const ask: Opened['ask'] = async (request) =>
    await app.inject({ ...request, headers: { host: '127.0.0.1:9464', ...request.headers } });
  return { app, ask };
}

const url = '/console/api/session';
const logIn = (given: object): InjectOptions => ({ method: 'POST', url, payload: given });

/** The headers of somebody who is logged in. */
async function entered(ask: Opened['ask']): Promise<{ cookie: string; 'x-snk-csrf': string }> {
  const answer = await ask(logIn({ token, name: 'ada' }));
  const [cookie] = answer.cookies;
  return { cookie: `${cookie?.name}=${cookie?.value}`, 'x-snk-csrf': answer.json<{ csrf: string }>().csrf };
}

describe('the page', () => {
  test('lets nothing in but its own files', async () => {
    const { ask } = await open();
    const page = await ask({ url: '/console' });
    expect(page.headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );
    expect(page.headers).toMatchObject({
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
      'content-type': 'text/html; charset=utf-8',
    });
    expect(page.body).not.toMatch(/<style|style=|<script>|onload|https?:/);
    const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => link);
    expect(links.length).toBe(3);
    for (const link of links) expect([link, (await ask({ url: link })).statusCode]).toEqual([link, 200]);
  });

  test('is small, and is sent packed, once', async () => {
    const { js, css } = await bundleConsole();
    expect(gzipSync(js).length + gzipSync(css).length).toBeLessThan(200_000);
    expect(/sourceMappingURL|\beval\(|new Function/.test(js)).toBe(false);
    const { ask } = await open();
    const headers = { 'accept-encoding': 'gzip, br' };
    const packed = await ask({ url: '/console/app.js', headers });
    expect(packed.headers['content-encoding']).toBe('br');
    expect(packed.rawPayload.length).toBeLessThan(gzipSync(js).length);
    const again = { ...headers, 'if-none-match': String(packed.headers.etag) };
    expect((await ask({ url: '/console/app.js', headers: again })).statusCode).toBe(304);
  });
});

describe('a log-in', () => {
  test('gives a cookie that no script reads and no other site sends', async () => {
    const { ask } = await open();
    const answer = await ask(logIn({ token, name: ' ada ' }));
    expect(answer.json()).toEqual({ name: 'ada', csrf: expect.stringMatching(/^[\w-]{43}$/), keyLinks: [] });
    expect(answer.cookies).toEqual([
      {
        name: 'snk_console_0',
        value: expect.stringMatching(/^[\w-]{43}$/),
        path: '/',
        httpOnly: true,
        sameSite: 'Strict',
        maxAge: 43_200,
      },
    ]);
    expect(told).toEqual(['in ada (127.0.0.1)']);
    const { cookie } = await entered(ask);
    expect((await ask({ url, headers: { cookie } })).json()).toMatchObject({ name: 'ada' });
    expect((await ask({ url })).json()).toBeNull();
  });

  test('behind a proxy with TLS gives one that never goes in the clear', async () => {
    const { ask } = await open(['127.0.0.1']);
    const headers = {
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'snk.example',
      origin: 'https://snk.example',
    };
    const [cookie] = (await ask({ ...logIn({ token }), headers })).cookies;
    expect(cookie).toMatchObject({ name: '__Host-snk_console_0', secure: true, sameSite: 'Strict' });
  });

  test.each([
    ['a wrong token', { token: `${token}x` }, 401],
    ['no token', {}, 401],
    ['a token that is none', { token: ['x'] }, 401],
    ['a name that would break a line', { token, name: 'a\nb' }, 401],
    ['a name that turns a line round', { token, name: 'a\u202eb' }, 401],
    ['a token without end', { token: 'x'.repeat(20_000) }, 413],
  ])('with %s is refused', async (_, given, status) => {
    const { ask } = await open();
    const answer = await ask(logIn(given));
    expect([answer.statusCode, answer.cookies]).toEqual([status, []]);
  });

  test('is not tried without end', async () => {
    const { ask } = await open();
    const statuses = [];
    for (let i = 0; i < 1_000; i += 1) statuses.push((await ask(logIn({ token: `wrong-${i}` }))).statusCode);
    expect(statuses.filter((status) => status === 401).length).toBe(10);
    const late = await ask(logIn({ token }));
    expect([late.statusCode, late.json()]).toEqual([
      429,
      { code: 'SNK_HTTP_TOO_MANY', message: expect.stringContaining('wait a minute') },
    ]);
    expect(Number(late.headers['retry-after'])).toBeGreaterThan(0);
    expect((await ask({ ...logIn({ token }), remoteAddress: '127.0.0.9' })).statusCode).toBe(200);
  });

  test('ends with a log-out', async () => {
    const { ask } = await open();
    const headers = await entered(ask);
    expect((await ask({ url: '/console/api/overview', headers })).statusCode).toBe(200);
    expect((await ask({ method: 'DELETE', url, headers })).statusCode).toBe(204);
    expect((await ask({ url: '/console/api/overview', headers })).json()).toMatchObject({
      code: 'SNK_LOGGED_OUT',
    });
  });
});

const doors = [
  ['GET', 'overview'],
  ['GET', 'conflicts'],
  ['GET', 'parked'],
  ['GET', 'tables'],
  ['GET', 'audit'],
  ['GET', 'keys'],
  ['POST', 'links/a->b/pause'],
  ['POST', 'conflicts/a->b/1'],
  ['POST', 'rows'],
  ['POST', 'rows/update'],
  ['POST', 'rows/picture'],
  ['POST', 'keys'],
  ['DELETE', 'session'],
] as const;

describe('who is not logged in', () => {
  test.each(doors)('gets nothing: %s %s', async (method, path) => {
    const { ask } = await open();
    for (const cookie of ['', 'snk_console_0=', `snk_console_0=${'x'.repeat(43)}`]) {
      const answer = await ask({ method, url: `/console/api/${path}`, headers: { cookie } });
      expect([answer.statusCode, answer.json()]).toMatchObject([401, { code: 'SNK_LOGGED_OUT' }]);
    }
  });
});

describe('a page of somebody else', () => {
  const pause = { method: 'POST', url: '/console/api/links/a->b/pause', payload: {} } as const;

  test.each([
    ['without the token of the session', { 'x-snk-csrf': '' }],
    ['with a made-up token', { 'x-snk-csrf': 'x'.repeat(43) }],
    ['from another origin', { origin: 'https://evil.example' }],
    ['from another port of this machine', { origin: 'http://127.0.0.1:9999' }],
    ['from no origin that it names', { origin: 'null' }],
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from a site of the same domain', { 'sec-fetch-site': 'same-site' }],
  ])('changes nothing %s', async (_, more) => {
    const { ask } = await open();
    const answer = await ask({ ...pause, headers: { ...(await entered(ask)), ...more } });
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([
      403,
      expect.stringMatching(/^SNK_(FOREIGN_ORIGIN|NO_CSRF_TOKEN)$/),
    ]);
  });

  test('does not log anybody in either', async () => {
    const { ask } = await open();
    const answer = await ask({ ...logIn({ token }), headers: { origin: 'https://evil.example' } });
    expect([answer.statusCode, answer.cookies]).toEqual([403, []]);
  });

  test('is told from the page itself, which gets through', async () => {
    const { ask } = await open();
    const headers = {
      origin: 'http://127.0.0.1:9464',
      'sec-fetch-site': 'same-origin',
      ...(await entered(ask)),
    };
    // As far as the databases, which are not there.
    expect((await ask({ ...pause, headers })).json()).toMatchObject({ code: 'SNK_UNREACHABLE' });
  });

  test.each([
    ['evil.example', 421],
    ['127.0.0.1.evil.example:9464', 421],
    ['127.0.0.2@evil.example', 421],
    ['localhost', 200],
    ['LOCALHOST:1', 200],
    ['[::1]:9464', 200],
    ['127.0.0.1:80', 200],
    ['snk.example', 200],
  ])('does not come in by a name of its own: %s is answered %i', async (host, status) => {
    const { ask } = await open();
    const found = [];
    for (const path of ['/console', '/console/app.js', url])
      found.push((await ask({ url: path, headers: { host } })).statusCode);
    expect(found).toEqual([status, status, status]);
    const page = await ask({ url: '/console', headers: { host } });
    expect(page.body.includes('SNK_UNKNOWN_HOST')).toBe(status === 421);
  });

  test('does not say for whom a proxy comes that nobody trusts', async () => {
    const { ask } = await open();
    const headers = { host: 'evil.example', 'x-forwarded-host': 'localhost' };
    expect((await ask({ url: '/console', headers })).statusCode).toBe(421);
  });
});

describe('what is sent', () => {
  test.each([
    ['rows', { node: 'a', table: 'public.record', more: 1 }],
    ['rows', { node: 'a', table: 'public.record', after: 'x' }],
    ['rows/one', { node: 'a', table: 'public.record', key: [] }],
    ['rows/update', { node: 'a', table: 'public.record', key: ['1'], version: '1', values: { a: 1 } }],
    ['rows/insert', { node: { $ne: 1 }, table: 'public.record', values: {} }],
    ['conflicts/a->b/1', { keep: 1 }],
    ['parked/drop', { link: 'a->b' }],
    ['trace', { table: 'x'.repeat(300), key: ['1'] }],
  ])('is looked at first: %s %j', async (path, payload) => {
    const { ask } = await open();
    const headers = await entered(ask);
    const answer = await ask({ method: 'POST', url: `/console/api/${path}`, headers, payload });
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      { code: 'SNK_HTTP_BAD_REQUEST', message: expect.not.stringContaining('public') },
    ]);
  });

  test('is a fault that says what to do where SNK does not know of it', async () => {
    const { ask } = await open();
    const headers = await entered(ask);
    const post = async (path: string, payload: object) => {
      const answer = await ask({ method: 'POST', url: `/console/api/${path}`, headers, payload });
      return [answer.statusCode, answer.json<{ code: string }>().code];
    };
    expect(await post('rows', { node: 'nowhere', table: 'public.record' })).toEqual([422, 'SNK_USAGE']);
    expect(await post('rows', { node: 'a', table: 'pg_catalog.pg_authid' })).toEqual([422, 'SNK_USAGE']);
    expect(await post('rows', { node: 'a', table: 'public.record' })).toEqual([503, 'SNK_UNREACHABLE']);
  });
});
