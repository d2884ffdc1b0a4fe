import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { serverAccount } from './account.ts';
import { findBinaries } from './binaries.ts';
import { makeCluster, type ServerSettings } from './cluster.ts';
import { createDatabase, dropDatabase } from './database.ts';
import { SnkError } from '../errors.ts';
import { Guard } from './guard.ts';
import { freePort } from './port.ts';
import { Postmaster } from './postmaster.ts';

export type { ServerSettings };

type Launch = (port: number) => Postmaster;

const startTimeout = 60_000;
const stopTimeout = 60_000;

/** PostgreSQL's three ways to shut down: wait for clients, end their sessions, or stop at once (as in a crash). */
export type StopMode = 'smart' | 'fast' | 'immediate';
const stopSignals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** How a server is to be made. */
export interface EmbeddedServerOptions {
  /** The folder below which the server makes a folder of its own. Default: the system's temporary folder. */
  dir?: string;
  /** Default: a free one. It stays the same over restarts. */
  port?: number;
  settings?: ServerSettings;
  /** Takes each line of the server's log. */
  log?: (line: string) => void;
}

/**
 * A throw-away PostgreSQL server on 127.0.0.1: for the demo, the tests and the benchmark.
 *
 * It can be stopped, crashed, killed and started again, with its data. `remove()` ends it for good; and should this
 * process end in any other way, nothing of it remains either (see Guard).
 */
export class EmbeddedServer {
  /** The folder of this server, with all it has on disk. */
  readonly dir: string;
  readonly #password: string;
  readonly #guard: Guard;
  readonly #launch: Launch;
  #port: number | undefined;
  #postmaster: Postmaster | undefined;
  #hasRun = false;
  #wasKilled = false;

  private constructor(dir: string, password: string, guard: Guard, launch: Launch) {
    this.dir = dir;
    this.#password = password;
    this.#guard = guard;
    this.#launch = launch;
  }

  /** Makes a server, with an empty cluster of databases. It does not run yet: see start(). */
  static async create(options: EmbeddedServerOptions = {}): Promise<EmbeddedServer> {
    const { port, settings = {}, log = () => {} } = options;
    const account = await serverAccount();
    const { initdb, postgres } = await findBinaries(account);
    const password = randomBytes(18).toString('base64url');
    const dir = await mkdtemp(path.join(options.dir ?? tmpdir(), 'snk-postgres-'));
    const guard = new Guard(dir);
    try {
      const data = await makeCluster(dir, { initdb, account, password, settings });
      const launch: Launch = (port) => new Postmaster({ program: postgres, data, port, account, log });
      const server = new EmbeddedServer(dir, password, guard, launch);
      server.#port = port;
      return server;
    } catch (error) {
      await guard.release();
      throw error;
    }
  }

  /** The process id of the running server. */
  get pid(): number | undefined {
    return this.running ? this.#postmaster?.pid : undefined;
  }

  get running(): boolean {
    return this.#postmaster !== undefined && !this.#postmaster.isGone;
  }

  /** The port, known from the first start on. */
  get port(): number {
    if (this.#port !== undefined) return this.#port;
    throw new SnkError('SNK_SERVER_START', 'this PostgreSQL server was never started');
  }

  /** The URL of one of its databases, with its user and password. */
  url(database = 'postgres'): string {
    return `postgres://postgres:${this.#password}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }

  /** Starts the server, and waits until it takes connections. */
  async start(): Promise<void> {
    if (this.running) return;
    const deadline = Date.now() + startTimeout;
    for (;;) {
      const port = this.#port ?? (await freePort());
      const postmaster = this.#run(port);
      if (await postmaster.ready(Math.max(deadline - Date.now(), 1000))) {
        this.#port = port;
        this.#hasRun = true;
        this.#wasKilled = false;
        return;
      }
      if (!this.#mayPass(postmaster.tail) || Date.now() > deadline) {
        throw new SnkError('SNK_SERVER_START', `PostgreSQL did not start:\n${postmaster.tail}`);
      }
    }
  }

  /** Shuts the server down, and waits until its last process is gone. */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    await this.#end(stopSignals[mode]);
  }

  /** Stops at once, without a checkpoint: the next start has to recover, as after a crash. */
  async crash(): Promise<void> {
    await this.stop('immediate');
  }

  /** Kills the server with SIGKILL, and waits until its last process is gone. */
  async kill(): Promise<void> {
    this.#wasKilled ||= this.running;
    await this.#end('SIGKILL');
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Ends the server for good, and removes all it has on disk. */
  async remove(): Promise<void> {
    // a killed server leaves shared memory behind, which its next run takes away
    if (this.#wasKilled) await this.start().catch(() => {});
    await this.crash().catch(() => this.kill());
    await this.#guard.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  /** Creates a database, empty or as a copy of another one that nobody is connected to. */
  async createDatabase(name: string, template?: string): Promise<void> {
    await createDatabase(this.url(), name, template);
  }

  /** Drops a database, if it exists, together with the sessions in it. */
  async dropDatabase(name: string): Promise<void> {
    await dropDatabase(this.url(), name);
  }

  /** Whether a start that failed like this may succeed when it is tried again. */
  #mayPass(log: string): boolean {
    // the process id of a killed postmaster may stand for another process for a while
    if (/lock file .* already exists|shared memory block .* still in use/.test(log)) return true;
    // somebody was faster: another port then, or, over a restart, the old one as soon as it is free again
    return /Address already in use/.test(log) && (this.#hasRun || this.#port === undefined);
  }

  #run(port: number): Postmaster {
    const postmaster = this.#launch(port);
    this.#postmaster = postmaster;
    this.#guard.watch(postmaster.pid);
    // its process id may be somebody else's from then on
    void postmaster.gone.then(() => this.#postmaster === postmaster && this.#guard.watch(undefined));
    return postmaster;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster === undefined || (await postmaster.end(signal, stopTimeout))) return;
    throw new SnkError(
      'SNK_SERVER_STOP',
      `PostgreSQL still runs, ${stopTimeout} ms after ${signal}:\n${postmaster.tail}`,
    );
  }
}
