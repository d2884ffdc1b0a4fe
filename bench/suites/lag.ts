/** Single rows at four rates, small and of 10 kB, and one row out of silence: from commit to seen. */
import { setTimeout as wait } from 'node:timers/promises';
import { drizzle } from '../load.ts';
import { sides } from '../pair.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { Probe } from '../probe.ts';
import { check } from '../rows.ts';
import { Sheet, tell } from '../sheet.ts';
import {
  beside,
  interleaved,
  noteMemory,
  ratioGoal,
  takingPart,
  type Context,
  type Suite,
} from '../suite.ts';

interface Case {
  readonly id: string;
  readonly label: string;
  readonly perSecond: number;
  readonly text: string;
  readonly probes: number;
}

const small = 'one row';
const large = 'x'.repeat(10_000);

function casesOf(quick: boolean): Case[] {
  const of = (perSecond: number, text: string, probes: number): Case => ({
    id: `lag.${perSecond}${text === large ? '.10kB' : ''}`,
    label: `lag at ${perSecond} rows/s${text === large ? ' of 10 kB' : ''}`,
    perSecond,
    text,
    probes: quick ? Math.ceil(probes / 3) : probes,
  });
  const idle = { id: 'lag.idle', label: 'lag of one row out of silence', perSecond: 0, text: small };
  return [
    { ...idle, probes: 2 },
    of(1, small, 4),
    of(20, small, 120),
    of(200, small, 90),
    of(2_000, small, 75),
    of(20, large, 40),
    of(200, large, 40),
  ];
}

export const lag: Suite = {
  name: 'lag',
  run: async (context) => {
    const sheet = new Sheet();
    const peers = await takingPart(
      context.quick ? ['snk', 'logical'] : ['snk', 'logical', 'id-cursor'],
      sheet,
    );
    await interleaved(context, peers, async (peer) => {
      await beside(context, peer, async (running) => await one(context, sheet, peer, running));
    });
    sheet.notes.push(
      'one row is watched at a time, from either side in turn; those above 50 rows/s are other rows',
      'the row is looked for without a pause for a millisecond, since that takes a core from the peer, and then every millisecond',
      'out of silence: two seconds without any write lie before each row',
      'p99 of the cases with few rows is their slowest row',
    );
    const against = ['snk', 'logical'] as const;
    for (const [name, value] of [
      ['p50', 1.5],
      ['p99', 1],
    ] as const) {
      const id = `lag.20.${name}`;
      const label = `lag at 20 rows/s: ${name} ÷ logical replication's`;
      ratioGoal(sheet, { id, label, sign: '<=', value }, [id, ...against]);
    }
    return sheet.result('lag', 'Lag: single rows, from commit to seen on the other side', 'logical');
  },
};

async function one({ pair, quick, say }: Context, sheet: Sheet, peer: Peer, running: Running): Promise<void> {
  let rows = 0;
  for (const { id, label, perSecond, text, probes } of casesOf(quick)) {
    const watched = Math.min(perSecond, 50);
    const others = perSecond > watched ? await drizzle(pair, perSecond - watched, text) : null;
    const all = await Promise.all(
      sides.map(async (side) => await Probe.open(pair, side, { text, tight: 1, pause: 1 })),
    );
    const lags: number[] = [];
    for (let i = 0; i < probes; i += 1) {
      await wait(watched === 0 ? 2_000 : (1_000 / watched) * (0.5 + Math.random()));
      const found = await all[i % 2]?.once();
      if (typeof found === 'number') lags.push(found);
      else if (peer.name !== 'id-cursor') throw new Error(`void: a row did not arrive beside ${peer.name}`);
    }
    rows += all.reduce((sum, probe) => sum + probe.rows, 0);
    await Promise.all(all.map(async (probe) => await probe.close()));
    const drizzled = await others?.finish();
    rows += drizzled?.rows ?? 0;
    const pace =
      drizzled === undefined ? '' : `; others at ${Math.round(drizzled.rows / drizzled.seconds)}/s`;
    sheet.addLags(peer.name, id, label, lags);
    say(`${peer.name}: ${label}: ${tell(lags)}${pace}`);
    await untilSynced(running);
  }
  noteMemory(sheet, 'lag', peer, running);
  if (peer.name !== 'id-cursor') await check(pair, rows);
}
