import { describe, expect, test } from 'vitest';
import { databaseList } from './database-list.ts';

const url = 'postgres://user:pass%20word@[::1]/db%2Fname';

function sslOf(mode: string) {
  return databaseList([`${url}?sslmode=${mode}`], {})[0]?.url.ssl;
}

describe('list of databases', () => {
  test('a URL is taken apart and decoded', () => {
    expect(databaseList([url], {})).toEqual([
      {
        name: 'a',
        url: {
          host: '::1',
          port: 5432,
          user: 'user',
          password: 'pass word',
          database: 'db/name',
          ssl: undefined,
        },
      },
    ]);
  });

  test('databases are named a, b, c … in order', () => {
    const names = databaseList(
      Array.from({ length: 28 }, () => url),
      {},
    ).map(({ name }) => name);
    expect([names[0], names[1], names[25], names[26], names[27]]).toEqual(['a', 'b', 'z', 'a2', 'b2']);
  });

  test('the environment counts when there is no --url, and both variables are wanted', () => {
    expect(databaseList([], { SNK_A_URL: url, SNK_B_URL: url })).toHaveLength(2);
    expect(() => databaseList([], { SNK_A_URL: url, SNK_B_URL: '' })).toThrow(/^SNK_B_URL not set/);
    expect(() => databaseList([], {})).toThrow(/^SNK_A_URL and SNK_B_URL not set/);
  });

  test('TLS is used when the URL asks for it', () => {
    expect(sslOf('disable')).toBeUndefined();
    expect(sslOf('require')).toEqual({ rejectUnauthorized: true });
    expect(sslOf('no-verify')).toEqual({ rejectUnauthorized: false });
  });

  test.each([
    'secret',
    'mysql://u:secret@h/db',
    'postgres://u:secret@/db',
    'postgres://:secret@h/db',
    'postgres://u:secret@h',
    'postgres://u:secret@h/',
    'postgres://u:secret%@h/db',
    'postgres://u:secret@h/db?host=x',
    'postgres://u:secret@h/db?sslmode=secret',
  ])('%s is refused without being repeated', (bad) => {
    const refuse = () => databaseList([url, bad], {});
    expect(refuse).toThrow(/^--url of b: /);
    expect(refuse).toThrow(
      expect.objectContaining({ exitCode: 78, message: expect.not.stringContaining('secret') }),
    );
  });
});
