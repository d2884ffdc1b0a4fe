import { describe, expect, test } from 'vitest';
import { FaultsError, type Fault } from '../errors.ts';
import { parseConfig, type Config, type UserConfig } from './config.ts';
import { withListen } from './http-options.ts';

const url = 'postgres://u:p@h/x';
const tables = ['public.record'];
const plain = { nodes: { a: { url }, b: { url } }, links: [{ between: ['a', 'b'], tables }] };
const hub = {
  nodes: { main: { url }, office: { keyed: true } },
  links: [{ between: ['main', 'office'], tables }],
};

const parsed = (of: object, http: unknown): Config => parseConfig({ ...of, http }, '/etc/snk');

function faultsOf(work: () => unknown): readonly Fault[] {
  try {
    work();
  } catch (error) {
    if (error instanceof FaultsError) return error.faults;
    throw error;
  }
  return [];
}

test('the files of a certificate are looked for from the folder of the configuration', () => {
  const tls = { cert: './cert.pem', key: '/run/key.pem' };
  expect(parsed(plain, { listen: 1, tls }).http?.tls).toEqual({
    cert: '/etc/snk/cert.pem',
    key: '/run/key.pem',
  });
  expect(
    faultsOf(() => parsed(plain, { listen: 1, tls: { cert: '', chain: 'x' } })).map(({ at }) => at),
  ).toEqual(['http.tls.cert', 'http.tls.key', 'http.tls.chain']);
});

describe('a proxy that is trusted', () => {
  test.each([
    ['10.0.0.5', ['10.0.0.5']],
    ['10.0.0.0/8', ['10.0.0.0/8']],
    [
      ['::1', 'fd00::/8'],
      ['::1', 'fd00::/8'],
    ],
  ])('is an address or a network: %j', (trustProxy, found) => {
    expect(parsed(plain, { listen: 1, trustProxy }).http?.trustProxy).toEqual(found);
  });

  test.each([true, 1, '', 'proxy.local', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '*', [], ['x']])(
    'is not everybody: %j',
    (trustProxy) => {
      const [fault] = faultsOf(() => parsed(plain, { listen: 1, trustProxy }));
      expect(fault).toMatchObject({ code: 'SNK_CONFIG_INVALID' });
      expect(fault?.at).toMatch(/^http\.trustProxy/);
    },
  );
});

describe('keys in the clear', () => {
  const insecure = [{ code: 'SNK_CONFIG_INSECURE', at: 'http' }];

  test.each(['0.0.0.0:80', '10.0.0.5:80', 'hub.example:80', '[::]:80', '128.0.0.1:80'])(
    'are refused where others may listen: %s',
    (listen) => {
      expect(faultsOf(() => parsed(hub, { listen }))).toMatchObject(insecure);
      expect(faultsOf(() => parsed(hub, { listen, insecure: false }))).toMatchObject(insecure);
      expect(faultsOf(() => withListen(parsed(hub, { listen: 80 }), listen))).toMatchObject(insecure);
      expect(faultsOf(() => withListen(parsed(hub, undefined), listen))).toMatchObject(insecure);
    },
  );

  test.each([
    ['on loopback', hub, { listen: 80 }],
    ['on the loopback of IPv6', hub, { listen: '[::1]:80' }],
    ['on the name of loopback', hub, { listen: 'localhost:80' }],
    ['under TLS', hub, { listen: '0.0.0.0:80', tls: { cert: 'c', key: 'k' } }],
    ['behind a proxy', hub, { listen: '0.0.0.0:80', trustProxy: '10.0.0.1' }],
    ['on a network that is said to be safe', hub, { listen: '0.0.0.0:80', insecure: true }],
    ['where nobody comes with one', plain, { listen: '0.0.0.0:80' }],
  ] as const)('are served %s', (_, of, http) => {
    expect(faultsOf(() => parsed(of, http))).toEqual([]);
  });

  test('are no matter of what --listen leaves as it is', () => {
    const config = parsed(hub, { listen: 80, tls: { cert: 'c', key: 'k' } });
    expect(withListen(config, '0.0.0.0:81').http).toEqual({
      listen: { host: '0.0.0.0', port: 81 },
      tls: { cert: '/etc/snk/c', key: '/etc/snk/k' },
    });
  });
});

describe('the key of a node', () => {
  const spoke = (node: object): unknown => ({
    nodes: { lyon: { url }, main: { key: 'snk_lyon_0123456789abcdefghijklmn', ...node } },
    links: [{ between: ['lyon', 'main'], tables }],
  });

  test.each([
    'http://hub.example',
    'http://10.0.0.1:80/snk',
    'http://[fd00::1]/',
    'http://127.0.0.1.example/',
  ])('does not travel in the clear to another machine: %s', (hub) => {
    expect(faultsOf(() => parseConfig(spoke({ hub })))).toMatchObject([
      { code: 'SNK_CONFIG_INSECURE', at: 'nodes.main.hub' },
    ]);
    expect(faultsOf(() => parseConfig(spoke({ hub, insecure: true })))).toEqual([]);
  });

  test.each(['https://hub.example', 'http://127.0.0.1:80', 'http://localhost/x', 'http://[::1]:80/'])(
    'travels under TLS, or on this machine: %s',
    (hub) => {
      expect(faultsOf(() => parseConfig(spoke({ hub })))).toEqual([]);
    },
  );
});

test('the types allow what the shape does', () => {
  const config: UserConfig = {
    nodes: { main: { url }, office: { keyed: true } },
    links: [{ from: 'main', to: 'office', tables }],
    http: { listen: '0.0.0.0:443', tls: { cert: 'c', key: 'k' }, trustProxy: ['10.0.0.1'], insecure: false },
  };
  expect(faultsOf(() => parseConfig(config))).toEqual([]);
});
