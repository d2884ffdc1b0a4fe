import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createPair } from '../support/databases.ts';
import { untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import { startSnk } from '../support/processes.ts';
import { untilNoSessions } from '../support/sessions.ts';
import { endSnk, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const id = (n: number): string => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;

it('finds what was changed behind its back, and puts it right while writers go on, or when it runs again', async () => {
  const pair = await createPair();
  const folder = mkdtempSync(path.join(tmpdir(), 'snk-test-repair-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    path.join(folder, 'snk.config.json'),
    JSON.stringify({
      nodes: { a: { url: pair.a.url }, b: { url: pair.b.url } },
      links: [{ between: ['a', 'b'], tables: ['record'], on: ['insert', 'update', 'delete'] }],
      verify: { every: '1s' },
    }),
  );
  const env = { SNK_LOG_LEVEL: 'debug' };
  const verb = async (...args: string[]) => {
    const ran = startSnk(args, { env, cwd: folder });
    const { code } = await ran.exited;
    return { code, lines: ran.stdout.trimEnd().split('\n'), stderr: ran.stderr };
  };
  const run = () => startSnk(['run'], { env, cwd: folder });
  await pair.a.query(
    `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 5000) n`,
  );
  const snk = run();
  await untilLive(snk);
  await untilEqual(pair, { rows: 5000, context: () => tailOf(snk) });

  const loads = [pair.a, pair.b].map((side) => new Load(side, { rows: 3, pause: 10 }));
  const whole = await verb('verify');
  expect(whole.lines.at(-1)).toMatch(/^equal, verified through /);
  expect(whole.code).toBe(0);

  await pair.b.unseen(
    `delete from record where uuid = '${id(7)}'; update record set text = 'y' where uuid = '${id(8)}'; insert into record values ('${id(9000)}', '<b>')`,
  );
  const found = await verb('verify', '--html', 'report.html', '--json-file', 'report.json');
  const differences = [
    `uuid=${id(7)} is missing at b`,
    `uuid=${id(8)} is different at b`,
    `uuid=${id(9000)} is missing at a`,
  ];
  expect(found.lines.slice(1, -1).toSorted()).toEqual(differences.map((line) => `  ${line}`));
  expect(found.code).toBe(1);
  const file = JSON.parse(readFileSync(path.join(folder, 'report.json'), 'utf8')) as {
    tables: { differences: object[] }[];
  };
  expect(file.tables[0]?.differences).toHaveLength(3);
  expect(readFileSync(path.join(folder, 'report.html'), 'utf8')).toContain(`<code>${id(9000)}</code>`);

  const dry = await verb('repair', '--dry-run', '--from', 'a');
  expect(dry.lines.slice(1).toSorted()).toEqual([
    `  ${differences[0]}: would be added at b`,
    `  ${differences[1]}: would be overwritten at b`,
    `  ${differences[2]}: would be deleted at b`,
  ]);
  expect(dry.code).toBe(1);
  expect((await verb('verify', '--json')).code).toBe(1);

  const repaired = await verb('repair', '--from', 'a');
  expect(repaired.lines.at(-1)).toBe('repaired: equal');
  expect(repaired.code).toBe(0);
  expect(
    await pair.b.query('select uuid, text from record where uuid = any ($1) order by uuid', [
      [id(7), id(8), id(9000)],
    ]),
  ).toEqual([
    { uuid: id(7), text: 'x' },
    { uuid: id(8), text: 'x' },
  ]);
  expect(await verb('verify')).toMatchObject({
    code: 0,
    lines: [expect.any(String), expect.stringMatching(/^equal, /)],
  });
  expect((await verb('repair', '--from', 'a')).lines.at(-1)).toMatch(/^nothing to repair, /);
  await Promise.all(loads.map((load) => load.stop()));

  // what it finds by itself
  const before = snk.lines.length;
  await pair.b.unseen(`delete from record where uuid = '${id(7)}'`);
  await snk.waitForLine(/verified: different/, { since: before });
  await waitUntil(async () => (await verb('status')).lines.at(-1)?.endsWith(': 1 missing, 0 different'));
  expect((await verb('status')).code).toBe(1);
  expect(await endSnk(snk)).toBe(0);

  const alone = await verb('repair', '--json');
  expect(JSON.parse(alone.lines.join('\n'))).toMatchObject({
    equal: false,
    tables: [{ waitingFor: [{ link: 'a->b', state: 'stopped' }], left: null }],
  });
  const told = await verb('repair', '--since', '2026-01-01');
  expect(told).toMatchObject({ code: 2, stderr: expect.stringContaining('nothing is known from before') });
  expect((await verb('repair')).lines.at(-1)).toBe(
    "no process is at work on a->b: start 'snk run', and it carries what has been logged",
  );
  const again = run();
  await untilEqual(pair, { context: () => tailOf(again) });
  expect(await pair.b.query('select from record where uuid = $1', [id(7)])).toHaveLength(1);
  expect((await verb('verify', '--sample', '50')).lines.at(-1)).toMatch(
    /^equal, verified through .*; partial: about 50 % of the rows, in ranges of keys chosen at random$/,
  );
  const wrong = [
    ['verify', '--sample', '0'],
    ['verify', '--since', 'soon'],
    ['verify', '--table', 'nosuch'],
    ['verify', '--html', 'no/such/folder.html'],
    ['repair', '--from', 'nobody'],
  ];
  expect(await Promise.all(wrong.map(async (args) => (await verb(...args)).code))).toEqual(
    wrong.map(() => 2),
  );
  expect(await endSnk(again)).toBe(0);
  await untilNoSessions(pair);
  await pair.drop();
});
