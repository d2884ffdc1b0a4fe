import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../../test/support/databases.ts';
import { openSnk, openTestOrm } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig } from '../config/config.ts';
import { openOrm } from '../db/orm.ts';
import { Events } from '../telemetry/events.ts';
import { keepHub } from './keep-hub.ts';

const hubOf = (url: string) =>
  parseConfig({
    nodes: { main: { url }, office: { keyed: true } },
    links: [{ from: 'main', to: 'office', tables: ['person'] }],
    http: { listen: 1 },
  });

test('a hub says when its database goes, and when it is back, and turns all the same', async () => {
  const main = await createDatabase();
  onTestFinished(async () => await main.drop());
  const there = openTestOrm(main, 'main', 'there');
  const away = openOrm({ purpose: 'run', node: 'main', url: 'postgres://x@127.0.0.1:9/x', poolMax: 1 });
  onTestFinished(async () => await away.close(true));
  let orm = there;
  let turns = 0;
  const said: string[] = [];
  const events = new Events();
  events.on('hub:turned', () => (turns += 1));
  events.on('node:unreachable', ({ node, error }) => said.push(`${node} ${error.code}`));
  events.on('node:reached', ({ node }) => said.push(`${node} reached`));
  const ending = new AbortController();
  const kept = { topology: hubOf(main.url), ormOf: () => orm, events };
  const keeping = keepHub(kept, async () => await Promise.resolve([]), ending.signal, 5);
  const turn = async (): Promise<void> => {
    const before = turns;
    await waitUntil(() => turns > before + 3);
  };
  await turn();
  expect(said).toEqual([]);
  orm = away;
  await turn();
  expect(said).toEqual(['main SNK_UNREACHABLE']);
  orm = there;
  await turn();
  expect(said).toEqual(['main SNK_UNREACHABLE', 'main reached']);
  ending.abort();
  await keeping;
});

test('a hub whose own links have all stopped serves those of others until it is ended', async () => {
  const [main, b] = [await createDatabase(), await createDatabase()];
  onTestFinished(async () => {
    await Promise.all([main.drop(), b.drop()]);
  });
  for (const each of [main, b]) await each.query('create table person (id bigint primary key, name text)');
  const snk = openSnk(
    parseConfig({
      nodes: { main: { url: main.url }, b: { url: b.url }, office: { keyed: true } },
      links: [
        { from: 'main', to: 'b', tables: ['person'] },
        { from: 'main', to: 'office', tables: ['person'] },
      ],
      http: { listen: 1 },
    }),
  );
  const states: string[] = [];
  let turns = 0;
  snk.events.on('link:state', ({ state }) => states.push(state));
  snk.events.on('hub:turned', () => (turns += 1));
  const ending = new AbortController();
  let isOver = false;
  const running = snk.run(ending.signal, { turnWithin: 20 }).finally(() => (isOver = true));
  onTestFinished(async () => {
    ending.abort();
    await running.catch(() => undefined);
  });
  await waitUntil(() => states.includes('live'));
  await b.query('alter table person rename column name to title');
  await main.query(`insert into person values (1, 'x')`);
  await waitUntil(() => states.includes('stopped'));
  const before = turns;
  await waitUntil(() => turns > before + 3);
  expect(isOver).toBe(false);
  ending.abort();
  await running;
});
