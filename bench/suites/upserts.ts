/** Both sides upsert at the same time: each its own keys, then both the same ones, where their changes clash. */
import { randomUUID } from 'node:crypto';
import { atFullSpeed, inStatements, perStatement, type Bulk } from '../bulk.ts';
import { sides, type Pair, type Side } from '../pair.ts';
import { copy } from '../peers/copy.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { changing } from '../peers/snk.ts';
import { formatWhole } from '../report/format.ts';
import { check } from '../rows.ts';
import { quotient, Sheet } from '../sheet.ts';
import { beside, interleaved, noteMemory, takingPart, type Context, type Suite } from '../suite.ts';

const recorded = {
  id: 'upserts.same.conflicts',
  label: 'conflicts recorded, of the rows written',
  unit: '%',
};
const passes = 3;

const upsert = `insert into public.record (uuid, text)
  select key, $2::text || key
  from unnest($1::uuid[]) as key
  on conflict (uuid) do update
  set text = excluded.text`;

export const upserts: Suite = {
  name: 'upserts',
  run: async (context) => {
    const sheet = new Sheet();
    const count = context.full ? 400_000 : context.quick ? 10_000 : 20_000;
    const peers = await takingPart(context.quick ? ['snk'] : ['bare', 'snk', 'logical'], sheet, [changing]);
    await interleaved(context, peers, async (peer) => {
      const keys = makeKeys(count);
      const work = async (running: Running): Promise<void> => await one(context, sheet, peer, running, keys);
      await beside(context, peer, work, async () => await prepare(context.pair, keys));
    });
    sheet.skipped.push({
      peer: 'logical',
      why: 'the same keys: its subscription stops at a key that both sides insert, and a row that both update stays different',
    });
    const [apart, same] = ['apart', 'same'].map((name) => sheet.median('snk', `upserts.${name}.equal`));
    const slower = quotient(same ?? null, apart ?? null)?.toFixed(2) ?? '?';
    sheet.notes.push(
      `each side goes ${passes} times over ${formatWhole(count)} keys, its own and then the same as the other, ${formatWhole(perStatement)} in a statement; half of them are there before`,
      'a conflict is recorded with the version that lost; in the end both sides hold the same rows, byte for byte',
      `beside SNK, rows/s until both sides are equal are with the same keys ${slower} times what they are with keys apart`,
    );
    return sheet.result(
      'upserts',
      'Upserts: both sides write at the same time, keys apart and the same',
      'bare',
    );
  },
};

interface Keys {
  /** Side by side; all of one length. */
  readonly apart: readonly (readonly string[])[];
  /** The very same list for each side. */
  readonly same: readonly (readonly string[])[];
}

function makeKeys(count: number): Keys {
  const some = (): string[] => Array.from({ length: count }, () => randomUUID());
  const both = some();
  return { apart: sides.map(some), same: sides.map(() => both) };
}

/** Every second key is there: the others come in as inserts. */
async function prepare(pair: Pair, { apart, same }: Keys): Promise<void> {
  const all = [...apart, ...same.slice(0, 1)].flatMap((keys) => keys.filter((_, i) => i % 2 === 0));
  await pair.pools.a.query(upsert, [all, 'before ']);
  await copy(pair, [['a', 'b']]);
  await pair.both('vacuum (analyze) public.record');
}

async function one(
  context: Context,
  sheet: Sheet,
  peer: Peer,
  running: Running,
  { apart, same }: Keys,
): Promise<void> {
  const { pair, say } = context;
  const run = async (name: string, label: string, keys: Keys['same']): Promise<number> => {
    const rows = passes * keys.flat().length;
    const bulks = sides.map((side, i) => bulkOf(side, keys[i] ?? []));
    const probes = await atFullSpeed(context, sheet, peer, running, {
      id: `upserts.${name}`,
      label: `upserts, ${label}`,
      rows,
      bulks,
    });
    await untilSynced(running);
    if (peer.name !== 'snk' || keys === apart) return probes;
    const found = await countConflicts(pair);
    sheet.add(peer.name, recorded, (found / rows) * 100);
    say(`  ${formatWhole(found)} conflicts in ${formatWhole(rows)} rows`);
    return probes;
  };
  const [both = []] = same;
  let expected = apart.flat().length + both.length / 2;
  expected += await run('apart', 'keys apart', apart);
  if (peer.name !== 'logical') expected += (await run('same', 'the same keys', same)) + both.length / 2;
  noteMemory(sheet, 'upserts', peer, running);
  if (peer.name !== 'bare') await check(pair, expected);
}

/** In the order of the keys, as who writes rows in batches does for the sake of others; each pass has a text of its own. */
function bulkOf(side: Side, keys: readonly string[]): Bulk {
  const statements = inStatements(keys.toSorted());
  const binds = Array.from({ length: passes }, (_, pass) =>
    statements.map((each) => [each, `${side} in pass ${pass + 1}: `]),
  ).flat();
  return { side, text: upsert, binds };
}

/** Each is recorded where it was met, which is at the target of either link. */
async function countConflicts(pair: Pair): Promise<number> {
  const found = await Promise.all(
    sides.map(
      async (side) => await pair.pools[side].query<{ n: string }>('select count(*) as n from snk.conflict'),
    ),
  );
  return found.reduce((sum, { rows }) => sum + Number(rows[0]?.n ?? 0), 0);
}
