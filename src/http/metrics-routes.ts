/** `/metrics`, for Prometheus. */
import type { FastifyInstance } from 'fastify';
import type { Gauges } from '../snk.ts';
import type { Metrics } from './metrics.ts';
import type { Sampled } from './sampled.ts';

export function metricsRoutes(metrics: Metrics, gauges: Sampled<Gauges>): (app: FastifyInstance) => void {
  return (app) => {
    app.get('/metrics', async (_, reply) => {
      void reply.type(metrics.registry.contentType);
      return await metrics.text(await gauges.read());
    });
  };
}
