import { describe, expect, test } from 'vitest';
import { bareRig, drain, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { full } from '../../test/support/snk-run.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;

const value = (type: string, megabytes: number): string =>
  type === 'text'
    ? `repeat('0123456789', ${megabytes * 100_000})`
    : `decode(repeat('00ff5c27aa', ${megabytes * 200_000}), 'hex')`;

const stored = async (rig: LinkRig) =>
  await Promise.all(
    [rig.a, rig.b].map(
      async (side) =>
        await side.query('select id, md5(v::text), octet_length(v) as bytes from big order by id'),
    ),
  );

const options = (type: string, on: readonly ('insert' | 'update' | 'delete')[]) => ({
  // kept as they are: nothing is gained by packing them, and it takes long
  tables: `create table big (id integer primary key, v ${type}); alter table big alter v set storage external`,
  links: [{ from: 'a', to: 'b', tables: ['public.big'], on }],
});

describe('a row of 100 MB', () => {
  test.each([
    ['text', 'inserts', ['insert']],
    ['text', 'changes', everything],
    ['bytea', 'inserts', ['insert']],
    ['bytea', 'changes', everything],
  ] as const)('travels: %s, by %s', async (type, _, on) => {
    const rig = await linkRig(options(type, on));
    await drain(await rig.engine());
    await rig.a.query(`insert into big values (1, 'small'), (2, ${value(type, 100)})`);
    expect(await drain(await rig.engine())).toMatchObject({ rows: 2, parked: 0, conflicts: 0 });
    const [ofA, ofB] = await stored(rig);
    expect(ofB).toEqual(ofA);
    expect(ofB?.[1]).toMatchObject({ bytes: 100_000_000 });
  });

  test('comes alone in the first copy, and those before it together', async () => {
    const rig = await bareRig(options('bytea', everything));
    await rig.a.query(`insert into big select n, 'small' from generate_series(1, 50) n`);
    await rig.a.query(`insert into big values (25000, ${value('bytea', 20)}), (25001, 'small')`);
    await rig.snk.install();
    expect(await drain(await rig.engine())).toMatchObject({ rows: 52, parked: 0 });
    const [ofA, ofB] = await stored(rig);
    expect(ofB).toEqual(ofA);
    const copied = await rig.b.query(
      `select row_count as rows from snk.ledger where kind = 'backfill' order by generation`,
    );
    expect(copied).toEqual([{ rows: 50 }, { rows: 1 }, { rows: 1 }]);
  });
});

describe('a row that no string can hold', () => {
  // takes gigabytes of memory
  test.runIf(full)('stops its link, and not the process', { timeout: 240_000 }, async () => {
    const rig = await linkRig(options('bytea', everything));
    await drain(await rig.engine());
    await rig.a.query(`insert into big values (1, ${value('bytea', 270)})`);
    await expect(drain(await rig.engine())).rejects.toMatchObject({
      code: 'SNK_TOO_LARGE',
      fate: 'stop-link',
    });
    await rig.a.query(`update big set v = 'small'`);
    expect(await drain(await rig.engine())).toMatchObject({ rows: 1, parked: 0 });

    const fresh = await bareRig(options('bytea', everything));
    await fresh.a.query(`insert into big values (1, ${value('bytea', 270)})`);
    await fresh.snk.install();
    await expect(drain(await fresh.engine())).rejects.toMatchObject({
      code: 'SNK_TOO_LARGE',
      fate: 'stop-link',
    });
  });
});
