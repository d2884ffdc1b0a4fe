import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { filePart } from './openapi-files.ts';
import { linkPart, openApiDocument } from './openapi.ts';

const parts = [linkPart, filePart];

test('the document that is committed is the one that is made: `npm run openapi` writes it', async () => {
  const committed = await readFile(new URL('../../docs/openapi.json', import.meta.url), 'utf8');
  expect(JSON.parse(committed)).toEqual(openApiDocument(parts));
});

test('every reference leads somewhere, and every schema is spoken of', () => {
  const document = openApiDocument(parts);
  const text = JSON.stringify(document);
  const referred = new Set(text.matchAll(/#\/components\/schemas\/(\w+)"/g).map(([, name]) => name));
  const { schemas } = (document as { components: { schemas: object } }).components;
  expect(Object.keys(schemas).filter((name) => !/^[A-Z]\w+$/.test(name))).toEqual([]);
  expect([...referred].filter((name) => !Object.hasOwn(schemas, name ?? ''))).toEqual([]);
  // Those without a name of their own stand in their places.
  expect(text).not.toContain('__shared');
});
