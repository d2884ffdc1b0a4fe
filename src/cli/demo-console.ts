/** The console of a demo: on a free port of loopback, with a token that is said on the terminal; all goes with the demo. */
import { randomBytes } from 'node:crypto';
import { openHttp, type HttpServer } from '../http/server.ts';
import type { Snk } from '../snk.ts';
import { Health } from '../telemetry/health.ts';
import { packageVersion } from './version.ts';

/** Before links begin: health is told by what they say. */
export async function openDemoConsole(snk: Snk): Promise<HttpServer> {
  const health = new Health(
    snk.events,
    snk.config.links.map(({ name }) => name),
  );
  const token = randomBytes(24).toString('base64url');
  const quiet = (): void => undefined;
  const server = await openHttp(snk, health, { listen: { host: '127.0.0.1', port: 0 } }, quiet, {
    options: { token, hosts: [] },
    token,
    version: packageVersion(),
    onLogIn: quiet,
    onRefused: quiet,
  });
  process.stderr.write(`console: ${server.address}/console#token=${token}\n`);
  return server;
}
