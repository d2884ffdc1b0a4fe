import { readFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { hubRig } from '../../test/support/hub-rig.ts';
import { openTestOrm } from '../../test/support/link-rig.ts';
import { describeEnd } from '../link/engine.ts';
import { linkWords } from './link-words.ts';
import { protocol } from './operations.ts';
import { wordsOf } from './words.ts';

type Body = {
  readonly content: { readonly 'application/json': { readonly schema: { readonly $ref: string } } };
};

interface Document {
  readonly paths: Readonly<
    Record<
      string,
      { readonly post: { readonly operationId: string; readonly responses: Readonly<Record<string, Body>> } }
    >
  >;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const document = JSON.parse(
  await readFile(new URL('../../docs/openapi.json', import.meta.url), 'utf8'),
) as Document;

/** The schema of an answer as a check, made from the document alone. */
function checkOf(answer: Body | undefined): z.ZodType {
  const text = JSON.stringify({
    ...answer?.content['application/json'].schema,
    $defs: document.components.schemas,
  });
  return z.fromJSONSchema(
    JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')) as z.core.JSONSchema.JSONSchema,
  );
}

const all = { after: null, upTo: null };

/** What can be asked of links that have just been opened, beside `open` and `describe`. */
const simple: Readonly<Record<string, readonly [link: string, body: object]>> = {
  subscriber: ['main->lyon', {}],
  subscribe: ['main->lyon', {}],
  mark: ['main->lyon', {}],
  pending: ['main->lyon', { low: '1:1:', high: null, seq: '0' }],
  wait: ['main->lyon', { low: '1:1:', milliseconds: 1, check: true }],
  'count-rows': ['main->lyon', { flow: 0 }],
  'hash-range': ['main->lyon', { flow: 0, bounds: all, mostRows: 10 }],
  'fitting-range': ['main->lyon', { flow: 0, bounds: all, mostBytes: 10_000 }],
  'log-again': ['main->lyon', { flow: 0, keys: [['1']] }],
  attach: ['lyon->main', { baseline: { safe: '1:1:', generation: '0', nonce: randomUUID() } }],
  cursor: ['lyon->main', {}],
  standing: ['lyon->main', {}],
  'pending-copies': ['lyon->main', {}],
  'copy-state': ['lyon->main', { flow: 0 }],
  'list-hashes': ['lyon->main', { flow: 0, bounds: all }],
  'has-parked': ['lyon->main', {}],
  parked: ['lyon->main', {}],
  'count-parked': ['lyon->main', {}],
  'record-state': ['lyon->main', { state: 'running', error: null }],
  'record-begin': ['lyon->main', {}],
  'record-end': ['lyon->main', { every: null }],
  'tidy-target': ['lyon->main', {}],
  check: ['lyon->main', {}],
  clock: ['main->lyon', {}],
  forget: ['lyon->main', { generation: '7', nonce: randomUUID() }],
};

test('the server does what the document says: each operation is there, for those with a key, and answers as is written', async () => {
  const rig = await hubRig({
    tables: `create table person (id bigint primary key, name text); insert into person values (1, 'Ada')`,
    links: [{ between: ['main', 'office'], tables: ['person'], on: ['insert', 'update', 'delete'] }],
  });
  const spoke = await rig.spoke('lyon');
  const main = openTestOrm(rig.main, 'main');
  const lyonId = randomUUID();
  const sessions: Record<string, string> = {};
  const ask = async (path: string, link: string, body: unknown, key = spoke.key) => {
    const response = await fetch(`${rig.address}${path.replace('{link}', encodeURIComponent(link))}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'snk-session': sessions[link] ?? '',
      },
      body: JSON.stringify(body),
    });
    return { status: response.status, answer: await response.json() };
  };
  // Those of files need files: see src/files/http-files.pg.test.ts.
  const paths = Object.entries(document.paths).filter(([path]) => !path.includes('/files/'));
  const problem = checkOf(document.paths['/v1/links/{link}/open']?.post.responses[401]);

  // Each link as the node has it; its own end has what the hub's has.
  for (const link of spoke.config.links) {
    const end = link.source === 'lyon' ? 'source' : 'target';
    const own = wordsOf(await describeEnd(rig.hub.config.links[0] ?? link, end, main));
    const body = { protocol, link: linkWords(link), own: { ...own, nodeId: lyonId } };
    for (const name of ['describe', 'open']) {
      const path = `/v1/links/{link}/${name}`;
      const { status, answer } = await ask(path, link.name, body);
      expect([name, status]).toEqual([name, 200]);
      expect(checkOf(document.paths[path]?.post.responses[200]).safeParse(answer).error).toBeUndefined();
      if (name === 'open') sessions[link.name] = (answer as { session: string }).session;
    }
  }

  for (const [path, { post }] of paths) {
    const name = post.operationId;
    const [link, body] = simple[name] ?? ['main->lyon', null];
    const strange = await ask(
      path,
      link,
      { ...body, unheardOf: 1 },
      `${spoke.key.slice(0, -43)}${'x'.repeat(43)}`,
    );
    // After so many of them the key is not looked at any more.
    expect([401, 429], name).toContain(strange.status);
    expect(problem.safeParse(strange.answer).error).toBeUndefined();
    const misfit = await ask(path, link, body === null ? { unheardOf: 1 } : { ...body, unheardOf: 1 });
    expect([name, misfit.status]).toEqual([name, 400]);
    expect(misfit.answer).toMatchObject({ code: 'SNK_REQUEST', message: expect.stringContaining(name) });
    if (body === null) continue;
    const { status, answer } = await ask(path, link, body);
    expect([name, status, answer]).toEqual([name, 200, answer]);
    expect([name, checkOf(post.responses[200]).safeParse(answer).error]).toEqual([name, undefined]);
  }
  for (const name of ['find', 'read', 'offer', 'place', 'parts']) {
    const path = `/v1/links/{link}/files/${name}`;
    expect(document.paths[path]?.post.operationId).toBe(`files-${name}`);
    expect([401, 429], name).toContain((await ask(path, 'main->lyon', {}, 'x'.repeat(50))).status);
  }
  const bent = await ask('/v1/links/{link}/read', 'main->lyon', {
    position: { low: 'x' },
    limits: { keys: 1, logRows: 1 },
    fence: null,
  });
  expect(bent).toMatchObject({ status: 400, answer: { message: expect.stringContaining('position.low') } });
});
