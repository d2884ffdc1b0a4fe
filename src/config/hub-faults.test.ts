import { describe, expect, test } from 'vitest';
import { FaultsError, type Fault } from '../errors.ts';
import { parseConfig, type Config } from './config.ts';

const key = 'snk_lyon_0123456789012345678901234567890123456789012';
const parsed = (node: object): Config =>
  parseConfig(
    {
      nodes: { main: { key, ...node }, lyon: { url: 'postgres://u:p@h/x' } },
      links: [{ between: ['main', 'lyon'], tables: ['person'] }],
    },
    '/etc/snk',
  );

function faultsOf(node: object): readonly Fault[] {
  try {
    parsed(node);
  } catch (error) {
    if (error instanceof FaultsError) return error.faults;
    throw error;
  }
  return [];
}

describe('a key that goes to a hub', () => {
  test.each(['http://hub.example', 'http://10.0.0.5:8080/snk', 'http://[fd00::1]:80', 'HTTP://Hub.Example'])(
    'is not sent in the clear where others may listen: %s',
    (hub) => {
      for (const node of [{ hub }, { hub, insecure: false }]) {
        const [fault] = faultsOf(node);
        expect(fault).toMatchObject({ code: 'SNK_CONFIG_INSECURE', at: 'nodes.main.hub' });
        expect(JSON.stringify(fault)).not.toContain(key);
      }
      expect(faultsOf({ hub, insecure: true })).toEqual([]);
    },
  );

  test.each(['https://hub.example/snk', 'http://127.0.0.1:9464', 'http://localhost', 'http://[::1]:80'])(
    'may go there: %s',
    (hub) => {
      expect(faultsOf({ hub })).toEqual([]);
    },
  );
});

test('the file of an authority is looked for from the folder of the configuration, and goes with TLS', () => {
  expect(parsed({ hub: 'https://hub.example', ca: './ca.pem' }).nodes[0]).toMatchObject({
    ca: '/etc/snk/ca.pem',
  });
  expect(parsed({ hub: 'https://hub.example' }).nodes[0]).toMatchObject({ ca: null });
  expect(faultsOf({ hub: 'http://localhost', ca: './ca.pem' })).toMatchObject([{ at: 'nodes.main.ca' }]);
  expect(faultsOf({ hub: 'https://hub.example', cert: 'x' })).toMatchObject([{ at: 'nodes.main.cert' }]);
});
