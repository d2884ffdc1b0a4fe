/** The first copy of a table: into an empty side, and beside a side that has the same rows already. */
import type { Side } from '../pair.ts';
import { copy } from '../peers/copy.ts';
import { snk } from '../peers/snk.ts';
import { formatWhole } from '../report/format.ts';
import { check, fillAtOnce } from '../rows.ts';
import { Sheet } from '../sheet.ts';
import { noteMemory, reset, type Context, type Suite } from '../suite.ts';

const empty = { id: 'first-copy.empty', label: 'first copy into an empty side', unit: 'rows/s' };
const equal = { id: 'first-copy.equal', label: 'first copy beside an equal side', unit: 'rows/s' };

const toB: readonly (readonly [Side, Side])[] = [['a', 'b']];

export const firstCopy: Suite = {
  name: 'first-copy',
  run: async (context) => {
    const sheet = new Sheet();
    const rows = context.full ? 5_000_000 : context.quick ? 100_000 : 300_000;
    for (let round = 0; round < context.rounds; round += 1) {
      await piped(context, sheet, rows);
      await copied(context, sheet, rows, empty);
      await copied(context, sheet, rows, equal);
    }
    sheet.notes.push(
      `${formatWhole(rows)} rows on one side; SNK's time counts from the start of its process until both links are live, the installation with it`,
      'beside an equal side SNK compares all rows and copies none; both ways, as always',
      ...(context.full ? [] : ["the issue's 5,000,000 rows take --full"]),
    );
    return sheet.result('first-copy', 'First copy: a table that is there before sync is', 'copy');
  },
};

async function piped({ pair, say }: Context, sheet: Sheet, rows: number): Promise<void> {
  await reset(pair);
  await fillAtOnce(pair, rows);
  const started = performance.now();
  await copy(pair, toB);
  const rate = rows / ((performance.now() - started) / 1_000);
  sheet.add('copy', empty, rate);
  say(`copy: ${formatWhole(rate)} rows/s`);
  await check(pair, rows);
}

async function copied({ pair, say }: Context, sheet: Sheet, rows: number, what: typeof empty): Promise<void> {
  await reset(pair);
  await fillAtOnce(pair, rows);
  if (what === equal) await copy(pair, toB);
  await pair.both('vacuum (analyze) public.record');
  const started = performance.now();
  const running = await snk.start(pair);
  try {
    const rate = rows / ((performance.now() - started) / 1_000);
    sheet.add('snk', what, rate);
    noteMemory(sheet, 'first-copy', snk, running);
    say(`snk: ${what.label}: ${formatWhole(rate)} rows/s`);
    await check(pair, rows);
  } finally {
    await running.stop();
  }
}
