import { describe, expect, test } from 'vitest';
import { withListen } from './http-options.ts';
import { parseListen } from './listen.ts';
import { parseConfig } from './config.ts';

describe('an address to listen on', () => {
  test.each([
    ['9464', '127.0.0.1', 9464],
    ['0', '127.0.0.1', 0],
    ['127.0.0.1:9464', '127.0.0.1', 9464],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['[::1]:9464', '::1', 9464],
    ['localhost:65535', 'localhost', 65_535],
    ['metrics.example-1.org:9464', 'metrics.example-1.org', 9464],
  ])('%s is host %s and port %i', (text, host, port) => {
    expect(parseListen(text)).toEqual({ host, port });
  });

  test.each([
    '',
    ':9464',
    'localhost',
    'localhost:',
    'localhost:65536',
    '123456',
    '-1',
    '1.5',
    '::1:9464',
    '[127.0.0.1]:9464',
    '[::1]',
    '999.0.0.1:9464',
    'http://localhost:9464',
    'local host:9464',
    '-x:9464',
    '9464\n',
  ])('%j is none', (text) => {
    expect(parseListen(text)).toBeNull();
  });
});

describe('--listen', () => {
  const config = parseConfig({
    nodes: { a: { url: 'postgres://u:p@one/x' }, b: { url: 'postgres://u:p@two/x' } },
    links: [{ between: ['a', 'b'], tables: ['public.record'] }],
    http: { listen: 1 },
  });

  test('takes the place of what is configured', () => {
    expect(withListen(config, '[::1]:2').http).toEqual({ listen: { host: '::1', port: 2 } });
    expect(withListen(config, undefined)).toBe(config);
  });

  test('is refused where it is no address', () => {
    expect(() => withListen(config, 'nowhere')).toThrow(expect.objectContaining({ code: 'SNK_USAGE' }));
  });
});
