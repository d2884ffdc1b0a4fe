import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoteIdentifier, quoteLiteral } from './sql.ts';

/** Text that tries to get out of its quotes. */
const hostile = fc.string({ unit: fc.constantFrom(...`'"\\$;-E aä😀\n`, '$$', '--', "''", '\\\\') });

/** What PostgreSQL reads, by its own rules: doubled quotes, and backslashes in an E'' text. Fails on anything behind it. */
function readLiteral(sql: string): string {
  const match = /^ ?(E?)'((?:[^'\\]|''|\\.|\\)*)'$/su.exec(sql);
  if (match === null) throw new Error('not one literal');
  const [, escaped, body] = match as unknown as [string, string, string];
  if (escaped === '' && body.includes('\\'))
    throw new Error('a backslash outside of E is a matter of settings');
  return body.replaceAll("''", "'").replaceAll('\\\\', '\\');
}

function readIdentifier(sql: string): string {
  const match = /^"((?:[^"]|"")+)"$/su.exec(sql);
  if (match === null) throw new Error('not one identifier');
  return (match[1] as string).replaceAll('""', '"');
}

describe('a quoted literal', () => {
  test('reads as the text that was quoted', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(readLiteral(quoteLiteral(text))).toBe(text);
      }),
    );
  });

  test('cannot hold a zero character', () => {
    expect(() => quoteLiteral('a\0')).toThrow(TypeError);
  });
});

describe('a quoted identifier', () => {
  test('reads as the name that was quoted', () => {
    fc.assert(
      fc.property(
        hostile.filter((text) => text !== ''),
        (text) => {
          expect(readIdentifier(quoteIdentifier(text))).toBe(text);
        },
      ),
    );
  });

  test.each(['', 'a\0'])('cannot be %j', (name) => {
    expect(() => quoteIdentifier(name)).toThrow(TypeError);
  });
});
