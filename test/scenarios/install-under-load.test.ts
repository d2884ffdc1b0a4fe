import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPair } from '../support/databases.ts';
import { countRows, untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import { endSnk, full, runSnk, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const holdMs = full ? 12_000 : 6000;

it('installs beside a long transaction without making other writers wait', async ({ annotate }) => {
  const pair = await createPair();
  const load = new Load(pair.a, { writers: 4, rows: 1, pause: 2 });
  await waitUntil(async () => (await countRows(pair.a)) > 100, { message: 'the writers to be at work' });
  const holder = await pair.a.connect();
  await holder.query('begin');
  await holder.query('insert into public.record values ($1, $2)', [randomUUID(), 'held']);
  const heldSince = performance.now();

  const snk = runSnk(pair);
  await waitUntil(() => performance.now() - heldSince > holdMs, { message: 'the hold to last long enough' });
  expect(snk.exit).toBeUndefined();
  const [triggers] = await pair.a.query<{ n: number }>(
    `select count(*)::int as n from pg_trigger where tgrelid = 'public.record'::regclass and not tgisinternal`,
  );
  expect(triggers).toEqual({ n: 0 }); // it is still waiting for its chance
  await holder.query('commit');
  await holder.end();
  await untilLive(snk);

  const before = load.rows;
  await waitUntil(() => load.rows > before + 100, { message: 'the writers to go on' });
  const rows = (await load.stop()) + 1;
  await untilEqual(pair, { rows, context: () => tailOf(snk) });
  await annotate(`${rows} rows; the longest statement took ${load.slowest.toFixed(0)} ms`);
  expect(load.slowest).toBeLessThan(1000);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});
