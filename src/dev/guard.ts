import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { startWatcher, type Watcher } from './watcher.ts';

// Each line of the input names the process to end (an empty one: none). A server gets an immediate shutdown, for
// there is nothing worth saving in a folder that is about to go. Its last act is to remove its pid file; the process
// itself stays as a zombie where nobody takes in orphans.
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

/** Sees to it that a folder, and the process that works in it, do not outlive this process. */
export class Guard {
  readonly #folder: string;
  readonly #watcher: Watcher;
  #pid: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#watcher = startWatcher(script, folder);
    guards.add(this);
    if (!listening) process.on('exit', endAll);
    listening = true;
  }

  /** Tells which process to end with the folder; `undefined`: none (any more). */
  watch(pid: number | undefined): void {
    this.#pid = pid;
    this.#watcher.tell(String(pid ?? ''));
  }

  /** Removes the folder now. Afterwards there is nothing to guard, and the watcher is gone. */
  async release(): Promise<void> {
    if (!guards.has(this)) return;
    this.watch(undefined);
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    guards.delete(this);
    await this.#watcher.finish();
  }

  /** What can be done while this process exits, where nothing can be waited for; the watcher does the rest. */
  endNow(): void {
    try {
      if (this.#pid !== undefined) process.kill(this.#pid, 'SIGQUIT');
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // the process is gone already, or still writes: the watcher comes after it
    }
  }
}

function endAll(): void {
  for (const guard of guards) guard.endNow();
}
