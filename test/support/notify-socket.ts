import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { opened } from './leftovers.ts';

/** Node has no unix datagram sockets: Python listens, and closes what comes with a message, as systemd does. */
const listener = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 65536, 8)
    for fd in fds:
        os.close(fd)
    print(data.decode().rstrip('\\n').replace('\\n', ' '), flush=True)
`;

/** Whether this machine has what it takes to listen as systemd does, and to speak to it. */
export const canNotify =
  spawnSync('systemd-notify', ['--version']).status === 0 &&
  spawnSync('python3', ['-c', 'import socket; socket.recv_fds']).status === 0;

/** A socket such as systemd gives to a service of Type=notify. */
export class NotifySocket {
  readonly path: string;
  /** Messages so far, one a line. */
  readonly said: string[] = [];
  readonly #end: () => Promise<void>;

  private constructor(socket: string, end: () => Promise<void>) {
    this.path = socket;
    this.#end = end;
  }

  static async open(): Promise<NotifySocket> {
    const folder = await mkdtemp(path.join(tmpdir(), 'snk-notify-'));
    const file = path.join(folder, 'notify');
    const python = spawn('python3', ['-c', listener, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(python, 'close');
    const end = async (): Promise<void> => {
      closed();
      python.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    };
    const closed = opened(`notify socket ${file}`, end);
    const socket = new NotifySocket(file, end);
    const lines = createInterface({ input: python.stdout });
    const [first] = (await once(lines, 'line')) as [string];
    if (first !== 'listening') throw new Error(`the listener said ${first}`);
    // What systemd-notify says for itself is no message.
    lines.on('line', (line) => line === 'BARRIER=1' || socket.said.push(line));
    return socket;
  }

  async close(): Promise<void> {
    await this.#end();
  }
}
