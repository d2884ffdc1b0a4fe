/** `snk demo`: two throw-away servers, SNK, TST as its own process, a live view; proves at the end that both are equal. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import ms, { type StringValue } from 'ms';
import { parseConfig } from '../../config/config.ts';
import { openOrm, session } from '../../db/orm.ts';
import { EmbeddedServer } from '../../dev/embedded-server.ts';
import { Guard } from '../../dev/guard.ts';
import { exitCodeOf, SnkError } from '../../errors.ts';
import type { Status } from '../../link/status.ts';
import { Snk } from '../../snk.ts';
import { DemoView } from '../demo-view.ts';
import { printLine, tellError } from '../verb.ts';

const table = 'public.record';
/** Milliseconds. */
const drainLimit = 60_000;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** The exit code when a signal comes before there is a result to tell. */
const interrupted = 130;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('start two throw-away servers, SNK and TST, and show them in sync')
    .option('--for <duration>', 'how long TST writes', '30s')
    .option('--console', 'open the console as well, and say where')
    .action(async (options: { for: string; console?: boolean }) => {
      try {
        // A bare number would mean milliseconds.
        const duration = /[a-z]$/i.test(options.for) ? ms(options.for as StringValue) : undefined;
        if (duration === undefined || !(duration > 0))
          throw new SnkError('SNK_USAGE', `--for: wanted a duration such as 20s, found '${options.for}'`);
        process.exitCode = await demo(duration, options.console === true);
      } catch (error) {
        tellError(error);
        process.exitCode = exitCodeOf(error);
      }
    });
}

async function demo(duration: number, withConsole: boolean): Promise<number> {
  const ending = new AbortController();
  // The first signal ends TST, and the result is told; the second ends all at once, and the guards tidy up.
  const onSignal = (): void => {
    if (ending.signal.aborted) process.exit(interrupted);
    ending.abort();
  };
  for (const signal of signals) process.on(signal, onSignal);
  const folder = await mkdtemp(join(tmpdir(), 'snk-demo-'));
  const guard = new Guard(folder);
  await chmod(folder, 0o755); // the servers may run as another user than root
  const servers: EmbeddedServer[] = [];
  try {
    process.stderr.write('starting two PostgreSQL servers ...\n');
    const starts = await Promise.allSettled(['a', 'b'].map(async () => await startServer(folder)));
    for (const start of starts) if (start.status === 'fulfilled') servers.push(start.value);
    // Ctrl-C in a terminal reaches initdb as well, and then its failure is no news.
    if (ending.signal.aborted) return interrupted;
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    const [a, b] = servers as [EmbeddedServer, EmbeddedServer];
    return await play({ a: a.url(), b: b.url() }, { duration, withConsole }, guard, ending.signal);
  } finally {
    await Promise.allSettled(servers.map(async (server) => await server.remove()));
    await guard.release();
    for (const signal of signals) process.off(signal, onSignal);
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

interface Play {
  readonly duration: number;
  readonly withConsole: boolean;
}

async function play(
  urls: Urls,
  { duration, withConsole }: Play,
  guard: Guard,
  signal: AbortSignal,
): Promise<number> {
  const snk = new Snk(
    parseConfig({
      nodes: { a: { url: urls.a }, b: { url: urls.b } },
      links: [{ between: ['a', 'b'], tables: [table] }],
    }),
  );
  const stopSnk = new AbortController();
  const failed = new AbortController();
  // Loaded only where it is wanted: the framework takes memory.
  const console = withConsole ? await (await import('../demo-console.ts')).openDemoConsole(snk) : null;
  const running = snk.run(stopSnk.signal).catch((error: unknown) => failed.abort(error));
  const view = new DemoView(process.stderr);
  let tst: Tst | undefined;
  try {
    await until(snk, AbortSignal.any([signal, failed.signal]), 200, (status) =>
      status.links.every((link) => link.state === 'live'),
    );
    if (signal.aborted) return interrupted;
    tst = startTst(urls, duration);
    guard.watch(tst.pid); // or it would outlive a demo that is killed
    let said = '';
    tst.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
    signal.addEventListener('abort', () => tst?.kill('SIGTERM'));
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
    if (tst.exitCode !== 0 && !signal.aborted) throw new SnkError('SNK_INTERNAL', `TST failed: ${said}`);
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
    tst?.kill('SIGTERM');
    guard.watch(undefined);
    stopSnk.abort();
    await running;
    await console?.close();
    await snk.close();
  }
}

type Tst = ChildProcessByStdio<null, null, Readable>;

/** TST shares nothing with SNK but the databases: a process of its own. */
function startTst(urls: Urls, duration: number): Tst {
  const program = new URL(
    import.meta.url.endsWith('.ts') ? '../../tst/tst.ts' : '../../tst/tst.js',
    import.meta.url,
  );
  return spawn(process.execPath, [fileURLToPath(program), 'run', '--for', `${duration}ms`, '--json'], {
    env: { ...process.env, SNK_A_URL: urls.a, SNK_B_URL: urls.b },
    // Its own live line would break the one of the demo.
    stdio: ['ignore', 'ignore', 'pipe'],
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
