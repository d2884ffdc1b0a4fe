import { createHash } from 'node:crypto';
import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldedName, markedName, nameFault, plainName, withoutMark } from './names.ts';

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('a name is fit', () => {
  test.each([
    'ada.jpg',
    '2024/ada.jpg',
    'آدا.jpg',
    'ada',
    '.hidden',
    '..ada',
    'a..b',
    'con-man.jpg',
    'console.jpg',
    'com10.jpg',
    'ada (1).jpg',
    'x'.repeat(238),
  ])('%s', (name) => expect(nameFault(name)).toBeNull());
});

/** What would lead elsewhere, on some system. */
const tricks: readonly string[] = [
  '',
  '.',
  '..',
  '../secret',
  'a/../../secret',
  'a/..',
  './ada.jpg',
  'a/./b',
  '/etc/passwd',
  '//server/share',
  'a//b',
  'a/',
  '..\\secret',
  'a\\b',
  '\\\\server\\share',
  'C:/windows',
  'c:ada.jpg',
  'ada.jpg:stream',
  'ada.jpg\0.txt',
  'ada\n.jpg',
  'ada\u007f.jpg',
  'ada.jpg.',
  'ada.jpg ',
  'folder./ada.jpg',
  '... ',
  'con',
  'CON.jpg',
  'nul.tar.gz',
  'Aux .jpg',
  'com1',
  'LPT9.txt',
  'com¹.jpg',
  'conin$',
  'x/prn/y',
  'x'.repeat(239),
  'é'.repeat(120),
  Array.from({ length: 300 }, () => 'abc').join('/'),
  'lone\ud800surrogate',
];

describe('a name is refused', () => {
  test.each(tricks)('%j', (name) => expect(nameFault(name)).not.toBeNull());
});

describe('any name', () => {
  const parts = fc.constantFrom(
    '..',
    '.',
    '',
    '/',
    '\\',
    'a',
    'C:',
    '~',
    '.jpg',
    ' ',
    'nul',
    '\0',
    'é',
    '%2e',
    'ada',
  );
  const name = fc.oneof(
    fc.array(parts, { maxLength: 6 }).map((all) => all.join('')),
    fc.string({ unit: 'binary' }),
  );

  test('that is fit stands below its folder, to every system', () => {
    fc.assert(
      fc.property(name, (text) => {
        if (nameFault(text) !== null) return;
        for (const { path, base } of [
          { path: posix, base: '/base/dir' },
          { path: win32, base: 'C:\\base\\dir' },
        ]) {
          const there = path.resolve(base, text);
          expect(there.startsWith(base + path.sep)).toBe(true);
          expect(path.relative(base, there).split(path.sep).join('/')).toBe(text);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('is fit with its mark, which is taken off again, for that content alone', () => {
    fc.assert(
      fc.property(name, fc.string(), (text, content) => {
        if (nameFault(text) !== null) return;
        const sha256 = hashOf(content);
        const marked = markedName(text, sha256);
        expect(marked).not.toBe(text);
        // shorter by what a mark takes
        expect(nameFault(marked) === null || Buffer.byteLength(text) > 200).toBe(true);
        const plain = plainName(text, sha256);
        expect(plainName(markedName(plain, sha256), sha256)).toBe(plain);
        expect(plainName(marked, hashOf(`${content}!`))).toBe(marked);
        expect(withoutMark(markedName(plain, sha256))).toBe(
          withoutMark(withoutMark(markedName(plain, sha256))),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test('has the same mark from one node to the next, so nothing piles up', () => {
    const sha256 = hashOf('ada');
    const once = markedName('ada.jpg', sha256);
    expect(once).toBe(`ada~${sha256.slice(0, 16)}.jpg`);
    expect(markedName(plainName(once, sha256), sha256)).toBe(once);
    expect(plainName(markedName('ada.jpg', sha256, 64), sha256)).toBe('ada.jpg');
    expect(markedName('a.b/c', sha256)).toBe(`a.b/c~${sha256.slice(0, 16)}`);
    expect(markedName('.hidden', sha256)).toBe(`.hidden~${sha256.slice(0, 16)}`);
  });
});

test('names that a file system may take for one are folded to one', () => {
  expect(foldedName('Ada.JPG')).toBe(foldedName('ada.jpg'));
  expect(foldedName('A\u0308.jpg')).toBe(foldedName('\u00e4.jpg'));
  expect(foldedName('ada.jpg')).not.toBe(foldedName('bda.jpg'));
});
