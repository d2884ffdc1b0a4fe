import { describe, expect, test } from 'vitest';
import { linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { session } from '../db/orm.ts';
import { purgeLedger, type LedgerLimits } from './purge-ledger.ts';

shareDatabases();

const wide: LedgerLimits = { ledgerKeys: 1_000_000, ledgerAge: 3_600_000 };

/** Entries of so many keys, oldest first, each so many seconds old. */
async function entries(rig: LinkRig, counts: readonly number[], link = 'a->b', age = 0): Promise<void> {
  await rig.b.query(
    `insert into snk.ledger (link, target_table, kind, generation, low, high, row_count, written, applied_at)
     select $1, 'public.record', 'window', 1, '1:1:', '1:1:', n, n, clock_timestamp() - make_interval(secs => $3)
     from unnest($2::integer[]) with ordinality as c (n, place) order by place`,
    [link, counts, age],
  );
}

async function left(rig: LinkRig, limits: Partial<LedgerLimits> = {}, link = 'a->b'): Promise<number[]> {
  await purgeLedger(session(rig.orm('b')), link, { ...wide, ...limits });
  const rows = await rig.b.query<{ n: number }>(
    'select row_count as n from snk.ledger where link = $1 order by batch',
    [link],
  );
  return rows.map((row) => row.n);
}

describe('the ledger', () => {
  test('keeps all that is within its bounds', async () => {
    const rig = await linkRig();
    await entries(rig, [100, 200, 300]);
    expect(await left(rig)).toEqual([100, 200, 300]);
  });

  test('keeps the newest batches up to so many keys', async () => {
    const rig = await linkRig();
    await entries(rig, [100, 200, 300, 400]);
    expect(await left(rig, { ledgerKeys: 700 })).toEqual([300, 400]);
    expect(await left(rig, { ledgerKeys: 699 })).toEqual([400]);
  });

  test('keeps the newest batch, however large or old it is', async () => {
    const rig = await linkRig();
    await entries(rig, [5000], 'a->b', 100);
    expect(await left(rig, { ledgerKeys: 10, ledgerAge: 1000 })).toEqual([5000]);
  });

  test('keeps batches for so long', async () => {
    const rig = await linkRig();
    await entries(rig, [1, 2], 'a->b', 7200);
    await entries(rig, [3], 'a->b', 1800);
    await entries(rig, [4]);
    expect(await left(rig)).toEqual([3, 4]);
  });

  test('is bounded for batches of single rows too: each is a row of its own', async () => {
    const rig = await linkRig();
    await entries(
      rig,
      Array.from({ length: 50 }, () => 1),
    );
    expect(await left(rig, { ledgerKeys: 200 })).toHaveLength(10);
  });

  test('of one link does not count for another', async () => {
    const rig = await linkRig();
    await entries(rig, [100, 100], 'a->b');
    await entries(rig, [100, 100], 'c->b');
    expect(await left(rig, { ledgerKeys: 150 }, 'a->b')).toEqual([100]);
    expect(await left(rig, {}, 'c->b')).toEqual([100, 100]);
  });
});
