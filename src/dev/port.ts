import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the range that systems take the ports of outgoing connections from (32768 on Linux, 49152 elsewhere): a
// server that is down keeps its port only if no client of anything can be given it meanwhile. A client that retries
// a port of that range even connects to itself, sooner or later.
const lowest = 15_000;
const highest = 32_000;

/** A port on 127.0.0.1 that nothing listens on, and that stays free while its server is down. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
    probe.close();
    await once(probe, 'close');
    return true;
  } catch {
    return false;
  }
}
