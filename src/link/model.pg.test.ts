import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expected, type Row, type Write } from '../../test/support/history-model.ts';
import { drain, id, linkRig, type LinkRig, settle } from '../../test/support/link-rig.ts';
import type { ConflictPolicy } from '../topology/topology.ts';

const runs = Math.ceil(Number(process.env['SNK_TEST_HISTORIES'] ?? 15) * 0.4);

const layouts = [
  { nodes: ['a', 'b'], pairs: [['a', 'b']] },
  {
    nodes: ['a', 'b', 'c'],
    pairs: [
      ['a', 'b'],
      ['b', 'c'],
    ],
  },
] as const;

const choose = new URL('../../test/fixtures/choose-version.ts', import.meta.url).pathname;

const policies: readonly ConflictPolicy[] = [
  'priority',
  'newest',
  'merge',
  { column: 'text' },
  { function: `${choose}#shorter` },
];

function statement({ do: what, key, column, text }: Write): string {
  const at = `'${id(key)}'`;
  switch (what) {
    case 'insert':
      return `insert into record (uuid, ${column}) values (${at}, '${text}') on conflict do nothing`;
    case 'upsert':
      return `insert into record (uuid, text) values (${at}, '${text}') on conflict (uuid) do update set text = excluded.text, other = excluded.text`;
    case 'update':
      return `update record set ${column} = '${text}' where uuid = ${at}`;
    default:
      return `delete from record where uuid = ${at}`;
  }
}

/** Rounds of writes of which nobody hears before the round is over; then links in the order in which they happen to work. */
const histories = (nodes: readonly string[], links: readonly string[]) => {
  const write: fc.Arbitrary<Write> = fc.record({
    do: fc.constantFrom('insert', 'upsert', 'update', 'update', 'delete'),
    at: fc.constantFrom(...nodes),
    key: fc.nat(2),
    column: fc.constantFrom('text', 'other'),
    text: fc.string({ unit: fc.constantFrom('x', 'y', 'z'), maxLength: 2 }),
  });
  const arrival = fc.record({ link: fc.constantFrom(...links), pageKeys: fc.constantFrom(1, 2, 10_000) });
  const round = fc.record({
    writes: fc.array(write, { minLength: 1, maxLength: 12 }),
    arrivals: fc.array(arrival, { maxLength: 5 }),
  });
  return fc.array(round, { minLength: 1, maxLength: 3 });
};

const rowsOf = async (rig: LinkRig, node: string): Promise<Map<number, Row>> =>
  new Map(
    (
      await rig
        .other(node)
        .query<Row & { key: number }>('select right(uuid::text, 1)::int as key, text, other from record')
    ).map(({ key, text, other }) => [key, { text, other }]),
  );

const asTexts = (rows: ReadonlyMap<number, Row | null>): string[] =>
  [...rows]
    .flatMap(([key, row]) => (row === null ? [] : [`${key} ${row.text}/${row.other}`]))
    .toSorted((one, other) => one.localeCompare(other));

async function losers(rig: LinkRig, nodes: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    nodes.map(
      async (node) =>
        await rig
          .other(node)
          .query<{ key: string; lost: Row | null }>(
            `select key->>'uuid' as key, case winner when 'source' then target_row else source_row end as lost from snk.conflict`,
          ),
    ),
  );
  return found
    .flat()
    .map(({ key, lost }) => `${key} ${lost === null ? 'none' : `${lost.text}/${lost.other}`}`);
}

describe.each(layouts)('on the nodes $nodes', ({ nodes, pairs }) => {
  const links = pairs.flatMap(([one, other]) => [`${one}->${other}`, `${other}->${one}`]);

  async function playRounds(conflict: ConflictPolicy): Promise<void> {
    const rig = await linkRig({
      tables: 'alter table record alter column text drop not null, add column other text',
      links: pairs.map((between) => ({
        between,
        tables: ['public.record'],
        on: ['insert', 'update', 'delete'] as const,
        conflict,
      })),
      nodes: nodes.slice(2),
    });
    await settle(rig);
    await fc.assert(
      fc.asyncProperty(histories(nodes, links), async (rounds) => {
        await rig.other(nodes[0]).query('delete from record');
        await settle(rig);
        let rows: ReadonlyMap<number, Row> = new Map();
        for (const { writes, arrivals } of rounds) {
          for (const node of nodes) await rig.other(node).query('delete from snk.conflict');
          for (const write of writes) await rig.other(write.at).query(statement(write));
          const wanted = expected(rows, writes, nodes, conflict);
          for (const { link, pageKeys } of arrivals)
            await drain(await rig.engine(link), { page: { keys: pageKeys, logRows: 5_000 } });
          await settle(rig);
          const policy = JSON.stringify(conflict);
          rows = await rowsOf(rig, nodes[0]);
          const said = new Map<number, Row | null>(wanted.rows);
          for (const key of wanted.open) said.set(key, rows.get(key) ?? null);
          for (const node of nodes)
            expect({ policy, node, rows: asTexts(await rowsOf(rig, node)) }).toEqual({
              policy,
              node,
              rows: asTexts(said),
            });
          const kept = await losers(rig, nodes);
          for (const { key, row } of wanted.lost)
            expect({ policy, kept }).toEqual({
              policy,
              kept: expect.arrayContaining([
                `${id(key)} ${row === null ? 'none' : `${row.text}/${row.other}`}`,
              ]) as unknown,
            });
        }
      }),
      { numRuns: runs, endOnFailure: true },
    );
  }

  test(`what all have changed at once ends as the model says, in whatever order it arrives, and what was lost is kept, under each policy (${runs * policies.length} histories)`, async () => {
    const played = await Promise.allSettled(policies.map(playRounds));
    for (const each of played) if (each.status === 'rejected') throw each.reason;
  }, 900_000);
});
