import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** A shell that outlives this process, to tidy up after it. */
export interface Watcher {
  /** Hands a line to its script. */
  tell(line: string): void;
  /** Lets the script see the end of its input now, and waits until it has run. */
  finish(): Promise<void>;
}

/**
 * Starts a shell script that reads its input to the end before it acts. The other end of that pipe is held by this
 * process alone, so the end comes when this process is gone, however it went: no code of ours runs after SIGKILL.
 */
export function startWatcher(script: string, argument: string): Watcher {
  const shell = spawn('/bin/sh', ['-c', script, 'sh', argument], {
    cwd: '/',
    detached: true, // a session of its own: Ctrl-C in the terminal is not for the watcher
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => {}); // no shell: then there is no watcher, and all else works
  shell.stdin.on('error', () => {}); // somebody killed it: the same
  shell.unref();
  unref(shell.stdin);
  return {
    tell: (line) => void shell.stdin.write(`${line}\n`),
    finish: async () => {
      if (shell.pid === undefined || shell.exitCode !== null || shell.signalCode !== null) return;
      shell.ref();
      const gone = once(shell, 'exit');
      shell.stdin.end();
      await gone;
    },
  };
}

/** Pipes of child processes keep this process alive. They are sockets in fact, which their type does not say. */
export function unref(pipe: Readable | Writable): void {
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref();
}
