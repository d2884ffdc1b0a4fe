import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { createDatabase } from '../support/databases.ts';
import { openSnk } from '../support/link-rig.ts';
import { startSnk } from '../support/processes.ts';

it('makes a key that a script can take, rotates, revokes and lists it', async () => {
  const database = await createDatabase();
  onTestFinished(async () => await database.drop());
  await database.query('create table record (uuid uuid primary key, text text)');
  const cwd = mkdtempSync(path.join(tmpdir(), 'snk-test-config-'));
  const configuration = {
    nodes: { main: { url: database.url }, office: { keyed: true as const } },
    links: [{ between: ['main', 'office'] as const, tables: ['public.record'] }],
  };
  writeFileSync(path.join(cwd, 'snk.config.json'), JSON.stringify(configuration));
  const here = openSnk(parseConfig(configuration));
  await here.install();
  const snk = async (...args: string[]) => {
    const process = startSnk(['keys', ...args], { cwd });
    const { code } = await process.exited;
    return { code, out: process.stdout.trim(), err: process.stderr };
  };
  const [made, wrong] = await Promise.all([
    snk('create', 'lyon', '--links', 'main->office, office->main'),
    snk('create', 'x', '--links', 'main->ofice'),
  ]);
  expect(made).toMatchObject({ code: 0, err: expect.stringContaining('cannot be shown again') });
  expect(made.out).toMatch(/^snk_lyon_[\w-]{43}$/);
  expect(await here.keys.authenticate(made.out)).toMatchObject({ links: ['main->office', 'office->main'] });
  expect(wrong).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining("Did you mean 'main->office'?"),
  });
  const rotated = await snk('rotate', 'lyon', '--grace', '1h');
  expect(rotated.out).not.toBe(made.out);
  for (const each of [made, rotated]) expect(await here.keys.authenticate(each.out)).not.toBeNull();
  expect(await snk('revoke', 'lyon')).toMatchObject({ code: 0, out: 'lyon: revoked' });
  for (const each of [made, rotated]) expect(await here.keys.authenticate(each.out)).toBeNull();
  const [list, json] = await Promise.all([snk('list'), snk('list', '--json')]);
  expect(JSON.parse(json.out)).toEqual(await here.keys.list());
  expect(list.out).toMatch(/^lyon {2}main->office, office->main: created at .*, revoked at /);
});
