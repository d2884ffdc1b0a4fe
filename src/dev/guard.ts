import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';

// No code of ours runs after SIGKILL. So a shell of its own session reads a pipe whose other end only this process
// holds: end of file means that this process is gone, however it went. A line on the pipe names the server to end
// (an empty one: none). Immediate shutdown, for there is nothing worth saving in a folder that is about to go. Its
// last act is to remove its pid file; the process itself stays as a zombie where nobody takes in orphans.
const script = `
while read -r line; do pid=$line; done
if [ -n "$pid" ] && kill -QUIT "$pid"; then
  tries=0
  while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid" && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1)); sleep 0.1
  done
  kill -KILL "$pid"
fi
tries=0
until rm -rf -- "$1" || [ "$tries" -ge 50 ]; do tries=$((tries + 1)); sleep 0.1; done`;

const guards = new Set<Guard>();
let listening = false;

/** Sees to it that a folder, and the server that runs in it, do not outlive this process. */
export class Guard {
  readonly #folder: string;
  readonly #watcher: ChildProcessByStdio<Writable, null, null>;
  #pid: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#watcher = spawn('/bin/sh', ['-c', script, 'sh', folder], {
      cwd: '/',
      detached: true, // a session of its own: Ctrl-C in the terminal is not for the watcher
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#watcher.on('error', () => {}); // without a shell the exit handler below must do
    this.#watcher.stdin.on('error', () => {}); // somebody killed the watcher: the same
    this.#watcher.unref();
    unref(this.#watcher.stdin);
    guards.add(this);
    if (!listening) process.on('exit', endAll);
    listening = true;
  }

  /** Tells which process to end with the folder; `undefined`: none (any more). */
  watch(pid: number | undefined): void {
    this.#pid = pid;
    this.#watcher.stdin.write(`${pid ?? ''}\n`);
  }

  /** Removes the folder now. Afterwards there is nothing to guard, and the watcher is gone. */
  async release(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    guards.delete(this);
    this.watch(undefined);
    const watcher = this.#watcher;
    if (watcher.pid === undefined || watcher.exitCode !== null || watcher.signalCode !== null) return;
    watcher.ref();
    const gone = once(watcher, 'exit');
    watcher.stdin.end();
    await gone;
  }

  /** What can be done while the process exits, where nothing can be waited for; the watcher does the rest. */
  endNow(): void {
    try {
      if (this.#pid !== undefined) process.kill(this.#pid, 'SIGQUIT');
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // the server is gone already, or still writes: the watcher comes after it
    }
  }
}

function endAll(): void {
  for (const guard of guards) guard.endNow();
}

/** The pipe must not keep this process alive. It is a socket in fact, which its type does not say. */
function unref(stream: Writable): void {
  if ('unref' in stream && typeof stream.unref === 'function') stream.unref();
}
