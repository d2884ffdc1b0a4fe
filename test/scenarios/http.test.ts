import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { createPair, sharedServers } from '../support/databases.ts';
import { untilEqual } from '../support/equality.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { startServer } from '../support/servers.ts';
import { endSnk, pairEnv, runTst, summaryOf, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Where the process says that it listens. */
async function addressOf(snk: TestProcess): Promise<string> {
  const [, address] = await snk.waitForLine(/"address":"(http:[^"]+)"/);
  return address ?? '';
}

interface Readiness {
  status: number;
  body: { code?: string; links: { link: string; state: string; ready: boolean; code?: string }[] };
}

async function readiness(address: string): Promise<Readiness> {
  const answer = await fetch(`${address}/readyz`);
  return { status: answer.status, body: (await answer.json()) as Readiness['body'] };
}

async function untilReady(address: string, status: 200 | 503, snk: TestProcess): Promise<Readiness> {
  return await waitUntil(
    async () => {
      const found = await readiness(address);
      return found.status === status && found;
    },
    { timeout: 60_000, message: () => `/readyz to answer ${status}:\n${tailOf(snk)}` },
  );
}

/** The samples of a scrape by name and labels. */
async function scrape(address: string): Promise<Map<string, number>> {
  const answer = await fetch(`${address}/metrics`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  const samples = [...(await answer.text()).matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)];
  return new Map(samples.map(([, name = '', value]) => [name, Number(value)]));
}

const ofLink = (source: string, target: string): string =>
  `{link="${source}->${target}",source="${source}",target="${target}"}`;

it('serves metrics that add up beside writers, and says when a database goes away and comes back', async ({
  annotate,
}) => {
  const server = await startServer();
  const pair = await createPair({ a: sharedServers().a, b: server.url() });
  const snk = startSnk(['run', '--listen', '0'], { env: pairEnv(pair) });
  const address = await addressOf(snk);
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
  await untilLive(snk);
  await untilReady(address, 200, snk);

  const tst = runTst(pair, '--rows', '20000');
  const during = await waitUntil(async () => {
    const samples = await scrape(address);
    return (samples.get(`snk_link_rows_total${ofLink('a', 'b')}`) ?? 0) > 0 && samples;
  });
  expect([...during.keys()]).toContain('process_resident_memory_bytes');
  const { rows, databases } = await summaryOf(tst);
  await untilEqual(pair, { rows });
  const carried = (source: string): number => databases.find(({ name }) => name === source)?.rows ?? 0;
  const links = [
    ['a', 'b'],
    ['b', 'a'],
  ] as const;
  const after = await waitUntil(async () => {
    const samples = await scrape(address);
    const isTold = links.every(
      ([source, target]) =>
        samples.get(`snk_link_rows_total${ofLink(source, target)}`) === carried(source) &&
        samples.get(`snk_link_pending_rows${ofLink(source, target)}`) === 0,
    );
    return isTold && samples;
  });
  for (const [source, target] of links) {
    const labels = ofLink(source, target);
    const windows = after.get(`snk_link_windows_total${labels}`) ?? 0;
    const lags = after.get(`snk_link_lag_seconds_count${labels}`) ?? 0;
    expect(lags).toBeGreaterThan(0);
    expect(lags).toBeLessThanOrEqual(windows);
    const mean = (after.get(`snk_link_lag_seconds_sum${labels}`) ?? 0) / lags;
    expect(mean).toBeGreaterThan(0);
    await annotate(`${source}->${target}: ${windows} windows, mean lag ${(mean * 1_000).toFixed(1)} ms`);
    expect(after.get(`snk_link_state${labels.slice(0, -1)},state="live"}`)).toBe(1);
    expect(after.get(`snk_link_parked_rows${labels}`)).toBe(0);
    expect(after.get(`snk_change_log_bytes{node="${source}"}`)).toBeGreaterThan(0);
  }

  await server.stop('fast');
  const gone = await untilReady(address, 503, snk);
  expect(gone.body.code).toBe('SNK_NOT_READY');
  expect(gone.body.links.some(({ ready }) => !ready)).toBe(true);
  // The process is alive, and says what it knows: nothing of the node that is gone.
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
  const without = await waitUntil(async () => {
    const samples = await scrape(address);
    return !samples.has('snk_change_log_bytes{node="b"}') && samples;
  });
  expect(without.get('snk_change_log_bytes{node="a"}')).toBeGreaterThan(0);
  await server.start();
  await untilReady(address, 200, snk);

  expect(await endSnk(snk)).toBe(0);
  await expect(fetch(`${address}/healthz`)).rejects.toThrow();
  await pair.drop();
  await server.remove();
});

it('does not start where another program has its port', async () => {
  const pair = await createPair();
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const snk = startSnk(['run', '--listen', `${port}`], { env: pairEnv(pair) });
  expect((await snk.exited).code).toBe(78);
  expect(snk.stderr).toMatch(/cannot listen on 127\.0\.0\.1, port \d+ \(EADDRINUSE\) \[SNK_LISTEN\]/);
  other.close();
  await once(other, 'close');
  await pair.drop();
});
