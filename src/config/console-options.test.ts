import { describe, expect, test } from 'vitest';
import { FaultsError } from '../errors.ts';
import { parseConfig } from './config.ts';
import { withConsole, withListen } from './http-options.ts';

const url = 'postgres://u:p@localhost/x';
const tls = { cert: 'c.pem', key: 'k.pem' };

function given(http?: object) {
  return parseConfig({
    nodes: { a: { url }, b: { url } },
    links: [{ from: 'a', to: 'b', tables: ['record'] }],
    ...(http === undefined ? {} : { http }),
  });
}

const faultsOf = (work: () => unknown): unknown => {
  try {
    work();
    return [];
  } catch (error) {
    return error instanceof FaultsError ? error.faults.map(({ code, at }) => `${code} ${at}`) : error;
  }
};

describe('http.console', () => {
  test('is off where nobody wants it', () => {
    expect(given({ listen: 1 }).http?.console).toBeUndefined();
    expect(given({ listen: 1, console: false }).http?.console).toBeNull();
  });

  test('takes a token and names, or is true', () => {
    const token = 'a-token-of-sixteen';
    expect(given({ listen: 1, console: true }).http?.console).toEqual({ token: null, hosts: [] });
    expect(given({ listen: 1, console: { token, hosts: ['SNK.example'] } }).http?.console).toEqual({
      token,
      hosts: ['snk.example'],
    });
    // As `token: process.env.X` is where that is not set.
    expect(given({ listen: 1, console: { token: undefined } }).http?.console?.token).toBeNull();
  });

  test.each([
    [{ token: 'short' }, 'SNK_CONFIG_INVALID http.console.token'],
    [{ token: 'with a space in it, and long' }, 'SNK_CONFIG_INVALID http.console.token'],
    [{ hosts: ['snk.example:443'] }, 'SNK_CONFIG_INVALID http.console.hosts[0]'],
    [{ hosts: ['*'] }, 'SNK_CONFIG_INVALID http.console.hosts[0]'],
    [{ tokn: 'x' }, 'SNK_CONFIG_UNKNOWN_KEY http.console.tokn'],
  ])('is refused as %j', (console, fault) =>
    expect(faultsOf(() => given({ listen: 1, console }))).toEqual([fault]),
  );

  test('is never open to a network in the clear', () => {
    const insecure = ['SNK_CONFIG_INSECURE http.console'];
    const open = { listen: '0.0.0.0:1', console: true };
    expect(faultsOf(() => given(open))).toEqual(insecure);
    expect(faultsOf(() => given({ ...open, insecure: true }))).toEqual(insecure);
    expect(faultsOf(() => given({ ...open, tls }))).toEqual([]);
    expect(faultsOf(() => given({ ...open, trustProxy: '10.0.0.1' }))).toEqual([]);
    expect(faultsOf(() => withListen(given({ listen: 1, console: true }), '0.0.0.0:1'))).toEqual(insecure);
    expect(faultsOf(() => withConsole(given({ listen: '0.0.0.0:1' }), true))).toEqual(insecure);
  });
});

test('--console listens on loopback where nothing says where, and keeps what is configured', () => {
  expect(withConsole(given(), true).http).toEqual({
    listen: { host: '127.0.0.1', port: 9464 },
    console: { token: null, hosts: [] },
  });
  const configured = given({ listen: 7, console: { hosts: ['x.example'] } });
  expect(withConsole(configured, true).http).toEqual(configured.http);
  expect(withConsole(given(), undefined).http).toBeNull();
});
