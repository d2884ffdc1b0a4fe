/** Readers and their keys: a key is shown once, when it is made. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Snk } from '../../snk.ts';
import { databasesOf, servedLinks } from '../../topology/topology.ts';
import type { Do } from './acts.ts';
import { text } from './link-routes.ts';

const name = z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/i, 'wanted a name of letters, digits, - and _');
const nameOf = z.object({ name });

export function keyRoutes(app: FastifyInstance, snk: Snk, act: Do): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const { keys } = snk;
  const [first] = servedLinks(snk.config);
  const local = databasesOf(snk.config).map(({ name }) => name);
  const node = [first?.source, first?.target].find((end) => end !== undefined && local.includes(end)) ?? '';

  routes.get('/console/api/keys', async () => await keys.list());

  routes.post(
    '/console/api/keys',
    { schema: { body: z.strictObject({ name, links: z.array(text).min(1).max(100) }) } },
    async (request) => {
      const { name, links } = request.body;
      const deed = { node, action: 'create key', subject: `${name}: ${links.join(', ')}` };
      return await act(request, deed, async () => await keys.create(name, links));
    },
  );

  routes.post('/console/api/keys/:name/rotate', { schema: { params: nameOf } }, async (request) => {
    const { name } = request.params;
    const deed = { node, action: 'rotate key', subject: name };
    return await act(request, deed, async () => await keys.rotate(name));
  });

  routes.post('/console/api/keys/:name/revoke', { schema: { params: nameOf } }, async (request) => {
    const { name } = request.params;
    const deed = { node, action: 'revoke key', subject: name };
    return { revoked: await act(request, deed, async () => await keys.revoke(name)) };
  });
}
