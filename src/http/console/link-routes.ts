/** Links: how they fare, pause and resume, what they have set aside, and the way of a row. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Snk } from '../../snk.ts';
import { targetOf, type Do } from './acts.ts';
import { fingerprint } from './door.ts';
import type { Overviews } from './overview.ts';
import type { Listed } from './wire.ts';

/** Names and keys as a page sends them. */
export const text = z.string().max(200);
export const key = z.array(z.string().max(10_000)).min(1).max(32);

const linkOf = z.object({ link: text });
/** Of a list: a page that shows more helps nobody. */
const most = 500;
/** It tells that there are more. */
const oneMore = { newest: most + 1 };

function listed<Item>(found: readonly Item[], { elsewhere }: Snk): Listed<Item> {
  return { rows: found.slice(0, most), more: found.length > most, elsewhere };
}

export function linkRoutes(app: FastifyInstance, snk: Snk, overviews: Overviews, act: Do): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const paused = { pause: (link: string) => snk.pause(link), resume: (link: string) => snk.resume(link) };

  routes.get(
    '/console/api/overview',
    { schema: { querystring: z.object({ since: z.coerce.number().min(0).default(0) }) } },
    async ({ query }) => await overviews.read(query.since),
  );

  for (const [action, work] of Object.entries(paused)) {
    routes.post(`/console/api/links/:link/${action}`, { schema: { params: linkOf } }, async (request) => {
      const { link } = request.params;
      const deed = { node: targetOf(snk, link), action, subject: link };
      await act(request, deed, async () => await work(link));
      return {};
    });
  }

  routes.get('/console/api/conflicts', async () => listed(await snk.conflicts(undefined, oneMore), snk));

  routes.get(
    '/console/api/conflicts/:link/:id',
    { schema: { params: linkOf.extend({ id: text }) } },
    async ({ params }) => await snk.conflict(params.link, params.id),
  );

  routes.post(
    '/console/api/conflicts/:link/:id',
    { schema: { params: linkOf.extend({ id: text }), body: z.strictObject({ keep: text }) } },
    async (request) => {
      const { link, id } = request.params;
      const { keep } = request.body;
      const subject = `${link}, conflict ${id}: keep the version of ${keep}`;
      const deed = { node: targetOf(snk, link), action: 'resolve conflict', subject };
      await act(request, deed, async () => await snk.resolveConflict(link, id, { keep }));
      return {};
    },
  );

  routes.get('/console/api/parked', async () => listed(await snk.parked(undefined, oneMore), snk));

  routes.post(
    '/console/api/parked/row',
    { schema: { body: z.strictObject({ link: text, table: text, key }) } },
    async ({ body }) => await snk.parkedRow(body.link, body.table, body.key),
  );

  routes.post(
    '/console/api/parked/retry',
    { schema: { body: z.strictObject({ link: text }) } },
    async (request) => {
      const { link } = request.body;
      const deed = { node: targetOf(snk, link), action: 'retry parked', subject: link };
      return { rows: await act(request, deed, async () => await snk.retryParked(link)) };
    },
  );

  routes.post(
    '/console/api/parked/drop',
    { schema: { body: z.strictObject({ link: text, table: text, key }) } },
    async (request) => {
      const { link, table, key } = request.body;
      const subject = `${link}, ${table}, row ${fingerprint(key)}`;
      const deed = { node: targetOf(snk, link), action: 'drop parked', subject };
      return { rows: await act(request, deed, async () => await snk.dropParked(link, key, table)) };
    },
  );

  routes.post(
    '/console/api/trace',
    { schema: { body: z.strictObject({ table: text, key }) } },
    async ({ body }) => await snk.trace(body.table, body.key),
  );

  routes.get('/console/api/audit', async () => await snk.audit.list());
}
