import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { HubClient } from './hub-client.ts';

const key = 'snk_lyon_0123456789012345678901234567890123456789012';
let directory: string;
let address: string;
const server = { close: async (): Promise<void> => await Promise.resolve() };
const heard: (string | undefined)[] = [];

const run = async (...args: string[]): Promise<unknown> => await promisify(execFile)('openssl', args);
const file = (name: string): string => join(directory, name);

/** An authority of our own, and a certificate for `localhost` that it has signed. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'snk-ca-'));
  const made = 'req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'.split(' ');
  for (const name of ['ca', 'other'])
    await run(
      ...made,
      '-x509',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.pem`),
    );
  await run(...made, '-subj', '/CN=hub', '-keyout', file('hub.key'), '-out', file('hub.csr'));
  await writeFile(file('names'), 'subjectAltName=DNS:localhost');
  const signed = `x509 -req -days 2 -in ${file('hub.csr')} -CA ${file('ca.pem')} -CAkey ${file('ca.key')} -CAcreateserial`;
  await run(...signed.split(' '), '-extfile', file('names'), '-out', file('hub.pem'));
  const pem = { cert: await readFile(file('hub.pem')), key: await readFile(file('hub.key')) };
  const https = createServer(pem, (request, response) => {
    heard.push(request.headers.authorization);
    response.setHeader('content-type', 'application/json').end('12');
  });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  address = `https://localhost:${(https.address() as AddressInfo).port}/`;
  server.close = async () => {
    https.closeAllConnections();
    https.close();
    await once(https, 'close');
  };
});

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

function client(ca: string | null, at = address): HubClient {
  const hub = new HubClient({ kind: 'hub', name: 'main', address: at, key, ca });
  onTestFinished(async () => await hub.close());
  return hub;
}

const ask = async (hub: HubClient): Promise<unknown> => await hub.ask('main->lyon', 'clock', {});

describe('a hub under TLS', () => {
  test('is believed when its certificate is signed by the authority that the node names', async () => {
    expect(await ask(client(file('ca.pem')))).toBe(12);
    expect(heard).toEqual([`Bearer ${key}`]);
  });

  test.each([
    ['one that nobody has named', () => client(null)],
    ['one of another authority', () => client(file('other.pem'))],
    ['one of another name', () => client(file('ca.pem'), address.replace('localhost', '127.0.0.1'))],
  ])('never hears the key with a certificate that is not good: %s', async (_, open) => {
    heard.length = 0;
    await expect(ask(open())).rejects.toMatchObject({
      code: 'SNK_HUB_CERTIFICATE',
      fate: 'retry',
      message: expect.stringContaining('hub main: its certificate is not trusted'),
      hint: expect.stringContaining("'ca'"),
    });
    expect(heard).toEqual([]);
  });

  test('needs a file that can be read', () => {
    expect(() => client(file('none.pem'))).toThrow(
      expect.objectContaining({ code: 'SNK_TLS_FILE', message: expect.stringContaining('nodes.main.ca') }),
    );
  });
});

test('a hub that is away is named, without the key', async () => {
  const away: unknown = await ask(client(null, 'http://127.0.0.1:9/')).catch((error: unknown) => error);
  expect(away).toMatchObject({
    code: 'SNK_UNREACHABLE',
    fate: 'retry',
    message: 'hub main does not answer (ECONNREFUSED)',
  });
  expect(JSON.stringify(away)).not.toContain(key);
});
