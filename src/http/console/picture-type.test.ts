import { expect, test } from 'vitest';
import { pictureType } from './picture-type.ts';

test.each([
  ['89504e470d0a1a0a00', 'image/png'],
  ['ffd8ffe0', 'image/jpeg'],
  ['474946383961', 'image/gif'],
  ['524946460000000057454250', 'image/webp'],
  [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>').toString('hex'), null],
  [Buffer.from('<!doctype html>').toString('hex'), null],
  ['00ffd8ff', null],
  ['', null],
])('bytes that begin with %s are %s', (hex, type) => expect(pictureType(Buffer.from(hex, 'hex'))).toBe(type));
