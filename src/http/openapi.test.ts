import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { linkPart, openApiDocument, Schemas } from './openapi.ts';

test('the document that is committed is the one that is made: `npm run openapi` writes it', async () => {
  const committed = await readFile(new URL('../../docs/openapi.json', import.meta.url), 'utf8');
  expect(JSON.parse(committed)).toEqual(openApiDocument());
});

test('every reference leads somewhere, and every schema is spoken of', () => {
  const document = openApiDocument();
  const text = JSON.stringify(document);
  const referred = new Set(text.matchAll(/#\/components\/schemas\/(\w+)"/g).map(([, name]) => name));
  const { schemas } = (document as { components: { schemas: object } }).components;
  expect(Object.keys(schemas).filter((name) => !/^[A-Z]\w+$/.test(name))).toEqual([]);
  expect([...referred].filter((name) => !Object.hasOwn(schemas, name ?? ''))).toEqual([]);
  // Those without a name of their own stand in their places.
  expect(text).not.toContain('__shared');
});

test('another room adds its paths', () => {
  const files = (schemas: Schemas): Record<string, object> => {
    expect(schemas).toBeInstanceOf(Schemas);
    return { '/v1/files/{hash}': {} };
  };
  const { paths } = openApiDocument([linkPart, files]) as { paths: object };
  expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/v1/links/{link}/open', '/v1/files/{hash}']));
});
