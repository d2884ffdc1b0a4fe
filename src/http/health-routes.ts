/** `/healthz`: the process answers. `/readyz`: all links, and the hub, do what they are to do. Names and codes alone, no messages. */
import type { FastifyInstance } from 'fastify';
import type { Health } from '../telemetry/health.ts';

export function healthRoutes(health: Health): (app: FastifyInstance) => void {
  return (app) => {
    app.get('/healthz', () => ({ status: 'ok' }));
    app.get('/readyz', async (_, reply) => {
      const links = health.links.map(({ link, state, code, ready }) => ({
        link,
        state,
        ready,
        ...(code === null ? {} : { code }),
      }));
      if (health.ready) return { status: 'ready', links };
      const not = links.filter((each) => !each.ready).map(({ link, state }) => `${link} (${state})`);
      if (health.served > 0 && !health.serves)
        not.push(
          `the hub (${health.unreachable.length > 0 ? `without ${health.unreachable.join(', ')}` : 'waiting'})`,
        );
      const message = `not ready: ${not.join(', ')}`;
      return await reply.code(503).send({ code: 'SNK_NOT_READY', message, links });
    });
  };
}
