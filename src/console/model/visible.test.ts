import { describe, expect, test } from 'vitest';
import { short, visible } from './visible.ts';

const marks = (text: string): string[] =>
  visible(text)
    .filter(({ mark }) => mark)
    .map((part) => part.text);

describe('visible', () => {
  test.each([
    ['turns a line round', 'a\u202eb', ['U+202E']],
    ['isolates', '\u2066a\u2069', ['U+2066', 'U+2069']],
    ['rings a bell', '\u0007', ['U+0007']],
    ['returns to the start of the line', 'a\rb', ['U+000D']],
    ['has no width', 'a\u200bb', ['U+200B']],
    ['marks the order of bytes', '\ufeffa', ['U+FEFF']],
    ['is half a character', 'a\ud800', ['U+D800']],
    ['separates lines', '\u2028', ['U+2028']],
    ['is a tag that nobody sees', '\u{e0041}', ['U+E0041']],
  ])('marks what %s', (_, text, expected) => expect(marks(text)).toEqual(expected));

  test.each([
    'plain <script>alert(1)</script>',
    'می\u200cخواهم',
    'tab\tand\nline',
    '👨\u200d👩\u200d👧',
    'é ß 漢字',
  ])('leaves %j as it is', (text) => expect(visible(text)).toEqual([{ text, mark: false }]));

  test('keeps all of the rest, in order', () =>
    expect(visible('a\u202eb')).toEqual([
      { text: 'a', mark: false },
      { text: 'U+202E', mark: true },
      { text: 'b', mark: false },
    ]));
});

test('short makes one line that fits', () => {
  expect(short('a\n\n b', 10)).toBe('a b');
  expect(short('x'.repeat(100_000), 5)).toBe('xxxxx…');
});
