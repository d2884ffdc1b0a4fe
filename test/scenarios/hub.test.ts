import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createDatabase, createPair, type TestDatabase } from '../support/databases.ts';
import { untilEqual, untilLogsEmpty } from '../support/equality.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { endSnk, full, tailOf } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const kills = full ? 20 : 2;
const keys = 200;
const links = ['x', 'y', 'z'].flatMap((name) => [`hub->${name}`, `${name}->hub`]);

it('keeps three offices equal through a hub, whatever they do to the same rows, while SNK is killed again and again', async ({
  annotate,
}) => {
  const pair = await createPair();
  const nodes = { hub: pair.a, x: pair.b, y: await createDatabase(), z: await createDatabase('b') };
  const offices = [nodes.x, nodes.y, nodes.z];
  for (const each of Object.values(nodes))
    await each.query('create table item (id integer primary key, n integer, x text, y text)');
  const cwd = mkdtempSync(path.join(tmpdir(), 'snk-test-config-'));
  writeFileSync(
    path.join(cwd, 'snk.config.json'),
    JSON.stringify({
      nodes: Object.fromEntries(Object.entries(nodes).map(([name, { url }]) => [name, { url }])),
      links: ['x', 'y', 'z'].map((name) => ({
        between: ['hub', name],
        tables: ['public.item'],
        on: ['insert', 'update', 'delete'],
        conflict: name === 'y' ? 'merge' : 'newest',
      })),
    }),
  );
  const run = (): TestProcess => startSnk(['run'], { cwd, env: { SNK_LOG_LEVEL: 'debug' } });
  // All at once they may never be live while the writers go on: a slow machine takes longer than these leave it.
  const untilAllWork = async (snk: TestProcess): Promise<void> => {
    await waitUntil(
      () => {
        if (snk.exit !== undefined) throw new Error(`snk run ended by itself:\n${snk.stderr}`);
        return links.every((link) => snk.lines.some(({ text }) => isWork(text, link)));
      },
      { message: () => `six links to be live, or to apply:\n${tailOf(snk)}` },
    );
  };

  let snk = run();
  await untilAllWork(snk);
  const stop = new AbortController();
  const writing = Promise.all(Object.values(nodes).map(async (node) => await writeUntil(node, stop.signal)));
  try {
    for (let i = 0; i < kills; i += 1) {
      await untilAllWork(snk);
      await pause(Math.random() * 500);
      await snk.kill('SIGKILL');
      snk = run();
    }
    await untilAllWork(snk);
    await pause(500);
  } finally {
    stop.abort();
  }
  const written = (await writing).reduce((sum, count) => sum + count, 0);
  for (const office of offices)
    await untilEqual(
      { ...pair, a: nodes.hub, b: office },
      { table: 'public.item', context: () => tailOf(snk) },
    );
  for (const office of offices) await untilLogsEmpty({ ...pair, a: nodes.hub, b: office });
  for (const each of Object.values(nodes)) expect(await each.query('select from snk.parked')).toEqual([]);
  const conflicts = await nodes.hub.query<{ count: number }>(
    'select count(*)::int as count from snk.conflict',
  );
  await annotate(`${written} changes, ${kills} kills, ${conflicts[0]?.count} conflicts at the hub`);
  expect(await endSnk(snk)).toBe(0);
  await Promise.all([nodes.y.drop(), nodes.z.drop()]);
  await pair.drop();
});

function isWork(line: string, link: string): boolean {
  if (!line.includes(`"link":"${link}"`)) return false;
  return line.includes('"state":"live"') || line.includes('"msg":"applied"');
}

/** Changes rows that the others change as well, a few of them in each transaction. Returns how many statements were committed. */
async function writeUntil(database: TestDatabase, stop: AbortSignal): Promise<number> {
  const session = await database.connect();
  await session.query(`set lock_timeout = '1s'`);
  const any = (most: number): number => Math.floor(Math.random() * most);
  let done = 0;
  while (!stop.aborted) {
    await session.query('begin');
    try {
      const count = 1 + any(4);
      for (let i = 0; i < count; i += 1) {
        const [id, value] = [any(keys), `v${any(1_000_000)}`];
        const statement = [
          `insert into item values (${id}, 0, '${value}', '') on conflict (id) do update set x = excluded.x`,
          `update item set y = '${value}' where id = ${id}`,
          `update item set n = n + 1 where id between ${id} and ${id + 3}`,
          `delete from item where id = ${id}`,
        ][any(4)];
        await session.query(statement ?? '');
      }
      await session.query('commit');
      done += count;
    } catch {
      await session.query('rollback');
    }
    await pause(any(20));
  }
  await session.end();
  return done;
}
