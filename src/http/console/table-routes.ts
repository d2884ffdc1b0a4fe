/** Rows of synced tables: looked at by pages, added, edited and deleted; pictures where a flow has files. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Snk } from '../../snk.ts';
import type { Do } from './acts.ts';
import { fingerprint } from './door.ts';
import { pictureType } from './picture-type.ts';
import { key, text } from './link-routes.ts';

const place = z.strictObject({ node: text, table: text });
const values = z.record(z.string().max(63), z.string().max(1_000_000).nullable());
const version = z.string().max(20);
const search = z.string().trim().min(1).max(200);

/** Bytes: a row is larger than what else a page sends. */
const bodyLimit = 2 * 1_048_576;

export function tableRoutes(app: FastifyInstance, snk: Snk, act: Do): void {
  const { pictures } = snk.tables;
  const routes = app.withTypeProvider<ZodTypeProvider>();

  routes.get('/console/api/tables', async () => {
    const tables = await snk.tables.list();
    return tables.map((each) => ({
      ...each,
      pictures: [...pictures.foldersOf(each.node, each.table).keys()],
    }));
  });

  // What is looked for, and keys, stand in bodies: addresses end up in the logs of proxies.
  routes.post(
    '/console/api/rows',
    { schema: { body: place.extend({ after: key.nullish(), search: search.nullish() }) } },
    async ({ body: { node, table, after, search } }) =>
      await snk.tables.page(node, table, { after: after ?? null, search: search ?? null }),
  );

  routes.post(
    '/console/api/rows/one',
    { schema: { body: place.extend({ key }) } },
    async ({ body: { node, table, key } }) => ({ row: await snk.tables.row(node, table, key) }),
  );

  routes.post(
    '/console/api/rows/insert',
    { bodyLimit, schema: { body: place.extend({ values }) } },
    async (request) => {
      const { node, table, values } = request.body;
      const deed = { node, action: 'insert row', subject: `${node}, ${table}` };
      return { key: await act(request, deed, async () => await snk.tables.insert(node, table, values)) };
    },
  );

  routes.post(
    '/console/api/rows/update',
    { bodyLimit, schema: { body: place.extend({ key, version, values }) } },
    async (request) => {
      const { node, table, key, version, values } = request.body;
      const deed = { node, action: 'update row', subject: subjectOf(node, table, key) };
      await act(request, deed, async () => await snk.tables.update(node, table, key, version, values));
      return {};
    },
  );

  routes.post(
    '/console/api/rows/delete',
    { schema: { body: place.extend({ key, version }) } },
    async (request) => {
      const { node, table, key, version } = request.body;
      const deed = { node, action: 'delete row', subject: subjectOf(node, table, key) };
      await act(request, deed, async () => await snk.tables.delete(node, table, key, version));
      return {};
    },
  );

  routes.post(
    '/console/api/rows/picture',
    { schema: { body: place.extend({ key, column: text }) } },
    async ({ body: { node, table, key, column } }, reply) => {
      const name = (await snk.tables.row(node, table, key))?.values[column]?.text ?? null;
      const bytes = name === null ? null : await pictures.open(node, table, column, name);
      const type = bytes === null ? null : pictureType(bytes);
      if (type === null) return await reply.code(404).send({ code: 'SNK_NO_PICTURE', message: 'no picture' });
      return await reply.type(type).send(bytes);
    },
  );
}

function subjectOf(node: string, table: string, key: readonly string[]): string {
  return `${node}, ${table}, row ${fingerprint(key)}`;
}
