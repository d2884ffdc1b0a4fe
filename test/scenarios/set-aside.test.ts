import { expect, it } from 'vitest';
import { createPair } from '../support/databases.ts';
import { startSnk } from '../support/processes.ts';
import { untilNoSessions } from '../support/sessions.ts';
import { endSnk, pairEnv, runSnk, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

it('shows what was set aside, sends or settles it, and pauses, all from the command line', async () => {
  const pair = await createPair();
  const env = pairEnv(pair);
  const verb = async (...args: string[]) => {
    const snk = startSnk(args, { env });
    const { code } = await snk.exited;
    return { code, stdout: snk.stdout, stderr: snk.stderr };
  };
  const [clash, bad] = [1, 2].map((n) => `00000000-0000-0000-0000-00000000000${n}`);
  await pair.a.query('insert into public.record values ($1, $2)', [clash, 'of a']);
  await pair.b.query('insert into public.record values ($1, $2)', [clash, 'of b']);
  await pair.b.query('alter table public.record add constraint short check (length(text) < 5)');
  await pair.a.query('insert into public.record values ($1, $2)', [bad, 'too long']);
  const snk = runSnk(pair);
  await untilLive(snk);

  await waitUntil(async () => (await verb('parked', 'list')).code === 1);
  const parked = await verb('parked', 'list');
  expect(parked.stdout).toMatch(
    new RegExp(
      `^a->b {2}public\\.record ${bad}: 23514, the target table refused the row: constraint short, at `,
    ),
  );
  expect(parked.stdout).not.toContain('too long');
  // not by itself: it waits for an hour
  await pair.b.query(`update snk.parked set retry_at = clock_timestamp() + interval '1 hour'`);
  await pair.b.query('alter table public.record drop constraint short');
  expect(await verb('parked', 'retry')).toMatchObject({
    code: 0,
    stdout: '1 rows are sent now, or as soon as snk runs\n',
  });
  await waitUntil(async () => (await pair.b.query('select from public.record')).length === 2);
  await waitUntil(async () => (await verb('parked', 'list', '--json')).stdout === '[]\n');

  const { code, stdout } = await verb('conflicts', 'list', '--json');
  expect(code).toBe(1);
  const [conflict] = JSON.parse(stdout) as { link: string; id: string }[];
  const shown = await verb('conflicts', 'show', conflict?.link ?? '', conflict?.id ?? '');
  expect(shown.code).toBe(0);
  expect(shown.stdout).toContain(`    uuid: ${clash}\n  * text: source of `);
  expect((await verb('conflicts', 'show', 'a->b', '99')).code).toBe(2);

  const all = JSON.parse(stdout) as { link: string; id: string }[];
  const [link, id] = [conflict?.link ?? '', conflict?.id ?? ''];
  expect((await verb('conflicts', 'resolve', link, id)).code).toBe(2);
  expect((await verb('conflicts', 'resolve', link, id, '--keep', 'c')).code).toBe(2);
  await pair.a.query(`update public.record set text = 'else' where uuid = $1`, [clash]);
  const stale = await verb('conflicts', 'resolve', link, id, '--keep', 'b');
  expect(stale.code).toBe(1);
  expect(stale.stderr).toMatch(/SNK_CONFLICT_STALE/);
  for (const each of all)
    expect(await verb('conflicts', 'resolve', each.link, each.id, '--keep', 'b', '--force')).toMatchObject({
      code: 0,
      stdout: `${each.link} ${each.id}: the version of b is kept\n`,
    });
  expect((await verb('conflicts', 'resolve', link, id, '--keep', 'b')).code).toBe(2);
  for (const side of [pair.a, pair.b])
    expect(await side.query('select text from public.record where uuid = $1', [clash])).toEqual([
      { text: 'of b' },
    ]);
  expect(await verb('conflicts', 'list')).toMatchObject({ code: 0, stdout: '' });
  const resolved = await verb('conflicts', 'list', '--all');
  expect(resolved).toMatchObject({ code: 0, stdout: expect.stringContaining('; resolved for b, at ') });

  expect(await verb('pause', 'b->a')).toMatchObject({ code: 0, stdout: 'b->a: paused\n' });
  expect((await verb('status')).stdout).toMatch(/b->a {2}paused/);
  expect(await verb('resume', 'b->a')).toMatchObject({ code: 0, stdout: 'b->a: goes on\n' });
  expect((await verb('pause', 'x->y')).code).toBe(2);
  expect(await endSnk(snk)).toBe(0);
  await untilNoSessions(pair);
  await pair.drop();
});
