/** The frame of an example: what it started is ended in reverse order, whatever happens, and its exit code says how it went. */
import { mkdtemp, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guard } from '../../src/dev/guard.ts';

type Release = () => Promise<unknown>;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const interrupted = 130;

export class Stage {
  /** Everything below goes with the example, even when it is killed. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly #releases: Release[] = [];

  constructor(folder: string, signal: AbortSignal) {
    this.folder = folder;
    this.signal = signal;
  }

  /** Called when the example ends, the youngest first. */
  onEnd(release: Release): void {
    this.#releases.push(release);
  }

  /** One that fails does not keep the others. */
  async end(): Promise<void> {
    for (const release of this.#releases.splice(0).toReversed()) {
      await release().catch((error: unknown) => tell(error));
    }
  }
}

/**
 * Runs an example. The first Ctrl-C ends it in order; the second one ends it at once, and the guards tidy up.
 * An example that is interrupted in the middle ends with 130, and with 0 when `play` returns all the same.
 */
export async function runExample(play: (stage: Stage) => Promise<void>): Promise<void> {
  const ending = new AbortController();
  const onSignal = (): void => {
    if (ending.signal.aborted) process.exit(interrupted);
    ending.abort();
  };
  for (const signal of signals) process.on(signal, onSignal);
  const folder = await mkdtemp(join(tmpdir(), 'snk-example-'));
  const guard = new Guard(folder);
  await chmod(folder, 0o755); // the servers may run as another user than root
  const stage = new Stage(folder, ending.signal);
  try {
    await play(stage);
  } catch (error) {
    if (ending.signal.aborted) process.exitCode = interrupted;
    else tell(error);
  } finally {
    await stage.end();
    await guard.release();
    for (const signal of signals) process.off(signal, onSignal);
  }
}

function tell(error: unknown): void {
  process.exitCode = 1;
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}

export function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}
