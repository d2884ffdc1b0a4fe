/**
 * Speaks to systemd through its own `systemd-notify`. Node has no unix datagram sockets, and the packages that have them bring
 * a library to be compiled at installation; this program is there wherever somebody listens. It waits until its message has
 * been taken in, so that its sender can be told from its process; the unit says NotifyAccess=all, for it is a child.
 */
import { execFile } from 'node:child_process';

/** Sends assignments such as `READY=1`, in the order of the calls; resolves when they are sent, or could not be. */
export type Notify = (...assignments: readonly string[]) => Promise<void>;

/** Milliseconds. */
const limit = 5_000;

/** Null where nobody listens. `onError` is called once. */
export function openNotify(
  env: Readonly<Record<string, string | undefined>>,
  onError: (reason: string) => void,
): Notify | null {
  if ((env['NOTIFY_SOCKET'] ?? '') === '') return null;
  let last: Promise<void> = Promise.resolve();
  let told = false;
  return async (...assignments) => {
    const before = last;
    last = (async () => {
      await before;
      const reason = await send(assignments);
      if (reason === null || told) return;
      told = true;
      onError(reason);
    })();
    return await last;
  };
}

/** Why it failed; null if it did not. */
async function send(assignments: readonly string[]): Promise<string | null> {
  return await new Promise((resolve) => {
    execFile('systemd-notify', [...assignments], { timeout: limit }, (error) => {
      if (error === null) resolve(null);
      else resolve(error.killed === true ? 'no answer' : String(error.code));
    });
  });
}

/** Milliseconds within which systemd wants to hear from this process; null: it does not. */
export function watchdogOf(
  env: Readonly<Record<string, string | undefined>>,
  pid: number = process.pid,
): number | null {
  const microseconds = Number(env['WATCHDOG_USEC'] ?? '');
  const meant = env['WATCHDOG_PID'] ?? '';
  if (!Number.isFinite(microseconds) || microseconds <= 0) return null;
  return meant === '' || meant === String(pid) ? microseconds / 1_000 : null;
}
