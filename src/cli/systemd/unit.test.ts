import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const unit = new URL('../../../systemd/snk.service', import.meta.url);

test('the unit has a folder that may be written and outlives a restart, and says how files and their spool get there', async () => {
  const lines = (await readFile(unit, 'utf8')).split('\n');
  const settings = new Map(
    lines.filter((line) => /^\w+=/.test(line)).map((line) => line.split(/=(.*)/s) as [string, string]),
  );
  // What is not below it may not be written, or is gone with the service.
  expect(settings.get('ProtectSystem')).toBe('strict');
  expect(settings.get('PrivateTmp')).toBe('yes');
  const folder = `/var/lib/${settings.get('StateDirectory')}`;
  expect(folder).toBe('/var/lib/snk');
  const comments = lines.filter((line) => line.startsWith('#')).join('\n');
  expect(comments).toContain(`'${folder}/files'`);
  expect(comments).toContain(`'${folder}/spool'`);
});
