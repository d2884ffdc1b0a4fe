import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectPlain, type AddressInfo } from 'node:net';
import { connect, type Server } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig } from '../config/config.ts';
import { Snk } from '../snk.ts';
import { Health } from '../telemetry/health.ts';
import { buildApp } from './app.ts';
import { Certificate } from './certificate.ts';
import { openHttp } from './server.ts';

let directory: string;
const files = { cert: '', key: '' };

async function make(name: string): Promise<void> {
  const to = (kind: string): string => join(directory, `${name}.${kind}`);
  const made = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name}`;
  await promisify(execFile)('openssl', [...made.split(' '), '-keyout', to('key'), '-out', to('cert')]);
}

/** One after the other, as a renewal does. */
async function use(name: string, ...kinds: readonly ('cert' | 'key')[]): Promise<void> {
  for (const kind of kinds) await cp(join(directory, `${name}.${kind}`), files[kind]);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'snk-tls-'));
  files.cert = join(directory, 'cert.pem');
  files.key = join(directory, 'key.pem');
  await Promise.all([make('one'), make('two')]);
});
afterAll(async () => await rm(directory, { recursive: true }));
beforeEach(async () => await use('one', 'cert', 'key'));

/** Whose certificate is served on a port, and what is answered behind it. */
async function askAt(port: number, path = '/') {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const name = socket.getPeerCertificate().subject.CN;
  socket.end(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  let answer = '';
  for await (const part of socket) answer += String(part);
  return { name, status: answer.slice(0, 15) };
}

async function open() {
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  const certificate = await Certificate.open(files);
  const app = await buildApp({
    rooms: [(to) => to.get('/', () => ({ status: 'ok' }))],
    onFault,
    pem: certificate.pem,
  });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const following = certificate.follow(app.server as unknown as Server, onFault, 10);
  onTestFinished(async () => {
    following.stop();
    app.server.closeAllConnections();
    await app.close();
  });
  const { port } = app.server.address() as AddressInfo;
  const ask = async () => await askAt(port);
  return { address, port, ask, faults };
}

describe('TLS', () => {
  test('is served, and nothing else on that port', async () => {
    const { address, port, ask, faults } = await open();
    expect(address).toMatch(/^https:/);
    expect(await ask()).toEqual({ name: 'one', status: 'HTTP/1.1 200 OK' });
    const plain = connectPlain(port, '127.0.0.1');
    plain.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    let answer = '';
    plain.on('data', (part) => (answer += String(part))).on('error', () => undefined);
    await new Promise((resolve) => plain.once('close', resolve));
    expect(answer).not.toContain('HTTP');
    expect((await ask()).name).toBe('one');
    expect(faults).toEqual([]);
  });

  test('has the certificate of now, without a restart, and goes on with the old one while the files are at odds', async () => {
    const { ask, faults } = await open();
    await use('two', 'cert');
    await waitUntil(() => faults.length > 0);
    expect(faults).toMatchObject([{ code: 'SNK_TLS_FILE' }]);
    expect(await ask()).toEqual({ name: 'one', status: 'HTTP/1.1 200 OK' });
    await rm(files.key);
    await waitUntil(() => faults.length > 1);
    await use('two', 'key');
    await waitUntil(async () => (await ask()).name === 'two');
    // Each is said once.
    expect(faults).toMatchObject([{ code: 'SNK_TLS_FILE' }, { code: 'SNK_TLS_FILE' }]);
  });
});

describe('snk run', () => {
  const serve = async () => {
    const nodes = { a: { url: 'postgres://u:p@127.0.0.1:1/x' }, b: { url: 'postgres://u:p@127.0.0.1:1/y' } };
    const links = [{ between: ['a', 'b'], tables: ['record'] }];
    const snk = new Snk(
      parseConfig(
        { nodes, links, http: { listen: 0, tls: { cert: './cert.pem', key: './key.pem' } } },
        directory,
      ),
    );
    if (snk.config.http === null) throw new Error('it listens');
    return await openHttp(snk, new Health(snk.events, []), snk.config.http, () => undefined);
  };

  test('serves all that it serves under the certificate of its configuration', async () => {
    const server = await serve();
    onTestFinished(async () => await server.close());
    expect(server.address).toMatch(/^https:/);
    const port = Number(new URL(server.address).port);
    expect(await askAt(port, '/healthz')).toEqual({ name: 'one', status: 'HTTP/1.1 200 OK' });
  });

  test('serves nothing where it has none', async () => {
    await rm(files.key);
    await expect(serve()).rejects.toMatchObject({ code: 'SNK_TLS_FILE', fate: 'stop-process' });
  });
});

describe('files that are wrong', () => {
  const faultsOf = async (): Promise<unknown> => {
    const error: unknown = await Certificate.open(files).catch((error: unknown) => error);
    return (error as { faults?: unknown }).faults;
  };

  test('are named, all of them', async () => {
    await Promise.all([rm(files.cert), rm(files.key)]);
    expect(await faultsOf()).toEqual([
      { code: 'SNK_TLS_FILE', at: 'http.tls.cert', message: `cannot read ${files.cert} (ENOENT)` },
      { code: 'SNK_TLS_FILE', at: 'http.tls.key', message: `cannot read ${files.key} (ENOENT)` },
    ]);
  });

  test.each([
    ['not of one pair', async () => await use('two', 'key')],
    ['no PEM', async () => await writeFile(files.cert, 'secret')],
    ['empty', async () => await writeFile(files.key, '')],
  ])('are told without what stands in them: %s', async (_, spoil) => {
    await spoil();
    expect(await faultsOf()).toEqual([
      expect.objectContaining({ at: 'http.tls', message: expect.not.stringContaining('secret') }),
    ]);
  });
});
