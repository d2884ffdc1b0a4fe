import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openNotify, watchdogOf } from './notify.ts';

let folder = '';
const path = process.env['PATH'] ?? '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snk-notify-'));
});

afterEach(async () => {
  process.env['PATH'] = path;
  await rm(folder, { recursive: true, force: true });
});

/** A `systemd-notify` that does this. */
async function fake(script: string): Promise<void> {
  const file = join(folder, 'systemd-notify');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  process.env['PATH'] = `${folder}:${path}`;
}

const env = { NOTIFY_SOCKET: '/run/systemd/notify' };

describe('systemd', () => {
  test('is not spoken to where nobody listens', () => {
    expect(openNotify({}, () => undefined)).toBeNull();
    expect(openNotify({ NOTIFY_SOCKET: '' }, () => undefined)).toBeNull();
  });

  test('hears one thing after the other, each as it is', async () => {
    // The first message takes longest.
    await fake(`case "$1" in READY=1) sleep 0.2;; esac\nprintf '%s|' "$@" >> ${folder}/said`);
    const failed = vi.fn<(reason: string) => void>();
    const notify = openNotify(env, failed);
    await Promise.all([notify?.('READY=1', 'STATUS=2 of 2 $(links)'), notify?.('WATCHDOG=1')]);
    expect(await readFile(join(folder, 'said'), 'utf8')).toBe('READY=1|STATUS=2 of 2 $(links)|WATCHDOG=1|');
    expect(failed).not.toHaveBeenCalled();
  });

  test('is spoken to again after a failure, which is told once', async () => {
    await fake('exit 3');
    const failed = vi.fn<(reason: string) => void>();
    const notify = openNotify(env, failed);
    await notify?.('READY=1');
    await notify?.('WATCHDOG=1');
    expect(failed.mock.calls).toEqual([['3']]);
    await fake(`echo "$1" > ${folder}/said`);
    await notify?.('WATCHDOG=1');
    expect(await readFile(join(folder, 'said'), 'utf8')).toBe('WATCHDOG=1\n');
  });

  test('is told of in the log where its program is not there', async () => {
    process.env['PATH'] = folder;
    const failed = vi.fn<(reason: string) => void>();
    await openNotify(env, failed)?.('READY=1');
    expect(failed.mock.calls).toEqual([['ENOENT']]);
  });
});

describe('the watchdog', () => {
  test.each([
    [{}, null],
    [{ WATCHDOG_USEC: '0' }, null],
    [{ WATCHDOG_USEC: 'soon' }, null],
    [{ WATCHDOG_USEC: '30000000' }, 30_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 30_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, null],
  ])('of %j waits %s ms', (env, milliseconds) => {
    expect(watchdogOf(env, 7)).toBe(milliseconds);
  });
});
