/** `snk demo`: two throw-away servers, SNK, TST as its own process, a live view; proves at the end that both are equal. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import ms, { type StringValue } from 'ms';
import { parseConfig } from '../../config/config.ts';
import { openOrm, session } from '../../db/orm.ts';
import { EmbeddedServer } from '../../dev/embedded-server.ts';
import { exitCodeOf, SnkError } from '../../errors.ts';
import type { Status } from '../../link/status.ts';
import { Snk } from '../../snk.ts';
import { DemoView } from '../demo-view.ts';
import { printLine, tellError } from '../verb.ts';

const table = 'public.record';
/** Milliseconds. */
const drainLimit = 60_000;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('start two throw-away servers, SNK and TST, and show them in sync')
    .option('--for <duration>', 'how long TST writes', '30s')
    .action(async (options: { for: string }) => {
      try {
        const duration = ms(options.for as StringValue);
        if (duration === undefined || duration <= 0)
          throw new SnkError('SNK_USAGE', `--for: wanted a duration such as 20s, found '${options.for}'`);
        process.exitCode = await demo(duration);
      } catch (error) {
        tellError(error);
        process.exitCode = exitCodeOf(error);
      }
    });
}

async function demo(duration: number): Promise<number> {
  const ending = new AbortController();
  const onSignal = (): void => ending.abort();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const folder = await mkdtemp(join(tmpdir(), 'snk-demo-'));
  await chmod(folder, 0o755); // the servers may run as another user than root
  const servers: EmbeddedServer[] = [];
  try {
    process.stderr.write('starting two PostgreSQL servers ...\n');
    const made = await Promise.all(['a', 'b'].map(async () => await startServer(folder)));
    servers.push(...made);
    const [a, b] = made as [EmbeddedServer, EmbeddedServer];
    return await play({ a: a.url(), b: b.url() }, duration, ending.signal);
  } finally {
    await Promise.allSettled(servers.map(async (server) => await server.remove()));
    await rm(folder, { recursive: true, force: true });
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function startServer(folder: string): Promise<EmbeddedServer> {
  const server = await EmbeddedServer.create({ dir: folder });
  await server.start();
  const orm = openOrm({ purpose: 'demo', node: `demo-${server.port}`, url: server.url() });
  try {
    await session(orm).execute(`create table ${table} (uuid uuid primary key, text text not null)`);
  } finally {
    await orm.close(true);
  }
  return server;
}

interface Urls {
  readonly a: string;
  readonly b: string;
}

async function play(urls: Urls, duration: number, signal: AbortSignal): Promise<number> {
  const snk = new Snk(
    parseConfig({
      nodes: { a: { url: urls.a }, b: { url: urls.b } },
      links: [{ between: ['a', 'b'], tables: [table] }],
    }),
  );
  const stopSnk = new AbortController();
  const failed = new AbortController();
  const running = snk.run(stopSnk.signal).catch((error: unknown) => failed.abort(error));
  const view = new DemoView(process.stderr);
  try {
    await until(snk, AbortSignal.any([signal, failed.signal]), 200, (status) =>
      status.links.every((link) => link.state === 'live'),
    );
    const tst = startTst(urls, duration);
    const stopTst = (): boolean => tst.kill('SIGTERM');
    signal.addEventListener('abort', stopTst);
    if (signal.aborted) stopTst();
    const ended = once(tst, 'exit');
    while (tst.exitCode === null && tst.signalCode === null && !failed.signal.aborted) {
      await Promise.race([ended, wait(250)]);
      view.show(await snk.status());
    }
    const stoppedAt = performance.now();
    await until(snk, AbortSignal.any([AbortSignal.timeout(drainLimit), failed.signal]), 5, (status) =>
      status.links.every((link) => link.pendingRows === 0),
    );
    const drainedIn = Math.round(performance.now() - stoppedAt);
    failed.signal.throwIfAborted();
    view.end();
    const report = await snk.verify();
    const rows = report.tables[0]?.rows ?? {};
    const say = (count: number | undefined): string => (count ?? 0).toLocaleString('en-US');
    printLine(
      `a has ${say(rows['a'])} rows, b has ${say(rows['b'])} rows: ${report.equal ? 'equal' : 'DIFFERENT'}; ` +
        `lag ${view.medianLag()} ms (median), all in sync ${drainedIn} ms after TST ended`,
    );
    return report.equal ? 0 : 1;
  } finally {
    view.end();
    stopSnk.abort();
    await running;
    await snk.close();
  }
}

/** TST shares nothing with SNK but the databases: a process of its own. */
function startTst(urls: Urls, duration: number): ChildProcess {
  const program = new URL(
    import.meta.url.endsWith('.ts') ? '../../tst/tst.ts' : '../../tst/tst.js',
    import.meta.url,
  );
  return spawn(process.execPath, [fileURLToPath(program), 'run', '--for', `${duration}ms`, '--json'], {
    env: { ...process.env, SNK_A_URL: urls.a, SNK_B_URL: urls.b },
    stdio: ['ignore', 'ignore', 'inherit'],
    // Ctrl-C in a terminal reaches the whole group; TST is told to end by us.
    detached: true,
  });
}

async function until(
  snk: Snk,
  signal: AbortSignal,
  interval: number,
  done: (status: Status) => boolean,
): Promise<void> {
  while (!signal.aborted && !done(await snk.status())) await wait(interval);
}
