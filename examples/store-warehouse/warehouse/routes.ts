/** The warehouse's API: orders are listed, all or those of one status, read, created and updated. */
import { LockMode, type MikroORM } from '@mikro-orm/postgresql';
import type { FastifyInstance } from 'fastify';
import { text } from '../api/door.ts';
import { byKey, change, newOrder, Order, type Fields, type NewOrder } from './order.ts';

const page = {
  type: 'object',
  properties: {
    status: text,
    after: text,
    limit: { type: 'string', pattern: '^[1-9][0-9]{0,2}$' },
  },
  additionalProperties: false,
};

interface Page {
  status?: string;
  /** Orders behind this id. */
  after?: string;
  limit?: string;
}

export function warehouseRoutes(app: FastifyInstance, orm: MikroORM): void {
  app.get<{ Querystring: Page }>('/orders', { schema: { querystring: page } }, async ({ query }) => {
    const { status, after, limit = '100' } = query;
    const where = {
      ...(status === undefined ? {} : { status }),
      ...(after === undefined ? {} : { id: { $gt: after } }),
    };
    return await orm.em.fork().find(Order, where, { orderBy: { id: 'asc' }, limit: Number(limit) });
  });

  app.get<{ Params: { id: string } }>(
    '/orders/:id',
    { schema: { params: byKey } },
    async ({ params }) => await orm.em.fork().findOneOrFail(Order, params.id),
  );

  app.post<{ Body: NewOrder }>('/orders', { schema: { body: newOrder } }, async ({ body }, reply) => {
    const em = orm.em.fork();
    const order = em.create(Order, { comment: null, ...body });
    await em.flush();
    return await reply
      .code(201)
      .header('location', `/orders/${encodeURIComponent(order.id)}`)
      .send(order);
  });

  app.patch<{ Params: { id: string }; Body: Partial<Fields> }>(
    '/orders/:id',
    { schema: { params: byKey, body: change } },
    async ({ params, body }) =>
      await orm.em.fork().transactional(async (em) => {
        const order = await em.findOneOrFail(Order, params.id, { lockMode: LockMode.PESSIMISTIC_WRITE });
        return em.assign(order, body);
      }),
  );
}
