import { describe, expect, test } from 'vitest';
import type { FaultsError } from '../errors.ts';
import { parseConfig } from './config.ts';

const url = 'postgres://u:p@one/x';
const day = 86_400_000;

const withFiles = (a: unknown, b: unknown, flow: object, more: object = {}) =>
  parseConfig(
    {
      nodes: { a: { url, files: a }, b: { url: `${url}b`, files: b } },
      links: [{ between: ['a', 'b'], flows: [{ from: 'person', ...flow }], ...more }],
    },
    '/office',
  );

function faultsOf(...given: Parameters<typeof withFiles>): string[] {
  try {
    withFiles(...given);
    return [];
  } catch (error) {
    return (error as FaultsError).faults.map(({ code, at }) => `${code} ${at}`);
  }
}

const photo = { files: { photo: { dir: 'pictures' } } };

describe('files of a configuration', () => {
  test('stand in folders beside it, or in buckets, and stay a week after the last row', () => {
    const { links } = withFiles(
      './files',
      { s3: { bucket: 'pictures', endpoint: 'http://127.0.0.1:9' } },
      photo,
    );
    const [there, back] = links.map(({ files }) => files);
    const folder = { dir: '/office/files', s3: null, spool: null, grace: 7 * day };
    const bucket = {
      dir: null,
      s3: { bucket: 'pictures', endpoint: 'http://127.0.0.1:9' },
      spool: null,
      grace: 7 * day,
    };
    expect(there).toEqual({ source: folder, target: bucket });
    expect(back).toEqual({ source: bucket, target: folder });
    expect(links[0]?.flows[0]?.files).toEqual({ photo: { dir: 'pictures', maxBytes: 104_857_600 } });
  });

  test('say more where more is wanted', () => {
    const { links } = withFiles(
      { dir: '/files', grace: '1d' },
      { s3: { bucket: 'x', prefix: 'p', region: 'eu', pathStyle: false }, spool: 'spool', grace: 0 },
      { files: { photo: { dir: 'a/b', maxBytes: 5 } } },
    );
    expect(links[0]?.files?.source).toEqual({ dir: '/files', s3: null, spool: null, grace: day });
    expect(links[0]?.files?.target).toMatchObject({ spool: '/office/spool', grace: 0 });
    expect(links[0]?.flows[0]?.files).toEqual({ photo: { dir: 'a/b', maxBytes: 5 } });
  });

  test('are named by the target’s column, in both directions', () => {
    const { links } = withFiles('.', '.', { ...photo, columns: { id: 'nr', photo: 'picture' } });
    expect(links.map(({ flows }) => Object.keys(flows[0]?.files ?? {}))).toEqual([['photo'], ['picture']]);
  });

  test('need a place at every node between which they travel, all of which is said at once', () => {
    expect(faultsOf(undefined, undefined, photo)).toEqual([
      'SNK_CONFIG_FILES nodes.a',
      'SNK_CONFIG_FILES nodes.b',
    ]);
    expect(faultsOf('.', undefined, photo)).toEqual(['SNK_CONFIG_FILES nodes.b']);
    expect(faultsOf(undefined, undefined, {})).toEqual([]);
    // what is behind a hub, or comes with a key, has a place of its own
    const links = [{ between: ['a', 'b'], flows: [{ from: 'person', ...photo }] }];
    const far = (b: object) => parseConfig({ nodes: { a: { url, files: '.' }, b }, links });
    const key = 'x'.repeat(40);
    expect(far({ hub: 'https://hub', key }).links[0]?.files?.target).toBeNull();
  });

  test.each([
    '',
    '/pictures',
    '../pictures',
    'a/../b',
    'a//b',
    'a\\b',
    'c:',
    '.',
    'x.',
    'x ',
    '.snk',
    '.SNK/x',
  ])('cannot be in the folder %j', (dir) => {
    expect(faultsOf('.', '.', { files: { photo: { dir } } })).toHaveLength(1);
  });

  test.each([
    ['no folder', '', 'nodes.a.files'],
    ['a number', 5, 'nodes.a.files'],
    ['a bucket without a name', { s3: {} }, 'nodes.a.files.s3.bucket'],
    ['a folder and a bucket', { dir: 'x', s3: { bucket: 'x' } }, 'nodes.a.files.dir'],
    ['an endpoint that is none', { s3: { bucket: 'x', endpoint: 'there' } }, 'nodes.a.files.s3.endpoint'],
    ['a time of grace that is none', { dir: 'x', grace: 'soon' }, 'nodes.a.files.grace'],
  ])('are refused with %s', (_, place, at) => {
    const faults = faultsOf(place, '.', photo).map((fault) => fault.split(' ')[1]);
    expect(faults).toEqual([at]);
  });
});
