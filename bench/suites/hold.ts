/** A writing transaction is held open: here, in another database of the cluster, and with a long change log behind it. */
import { setTimeout as wait } from 'node:timers/promises';
import { drizzle } from '../load.ts';
import type { Pair } from '../pair.ts';
import { logical } from '../peers/logical.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { sample } from '../probe.ts';
import { formatWhole } from '../report/format.ts';
import { goal } from '../result.ts';
import { check } from '../rows.ts';
import { quotient, Sheet, tell } from '../sheet.ts';
import { beside, interleaved, noteMemory, takingPart, type Context, type Suite } from '../suite.ts';

const perSecond = 200;
const held = "insert into public.record (uuid, text) values (gen_random_uuid(), 'held back')";

interface Case {
  readonly id: string;
  readonly label: string;
  readonly seconds: number;
  /** Where the transaction is held. */
  readonly database?: string;
  /** Rows, each of a statement of its own, that come in after it has begun. */
  readonly behind?: number;
}

export const hold: Suite = {
  name: 'hold',
  run: async (context) => {
    const { pair, quick, full } = context;
    const sheet = new Sheet();
    const seconds = quick ? 3 : 10;
    const behind = full ? 1_000_000 : quick ? 50_000 : 200_000;
    const free = { id: 'hold.free', label: 'nothing held', seconds: 3 };
    const others: readonly Case[] = [
      { id: 'hold.here', label: 'a transaction held here', seconds, database: 'postgres' },
      {
        id: 'hold.elsewhere',
        label: 'held in another database',
        seconds: quick ? 2 : 3,
        database: 'elsewhere',
      },
    ];
    const long: Case = {
      id: 'hold.long',
      label: `held here, ${formatWhole(behind)} log rows behind it`,
      seconds: quick ? 2 : 4,
      database: 'postgres',
      behind,
    };
    await pair.pools.a.query('create database elsewhere');
    const away = await pair.connect('a', 'elsewhere');
    await away.query('create table public.record (uuid uuid primary key, text text not null)');
    await away.end();
    const peers = await takingPart(quick ? ['snk'] : ['snk', 'logical'], sheet);
    await interleaved(
      context,
      peers,
      async (peer, round) => {
        const cases = [free, ...others, ...(round === 0 ? [long] : [])];
        await beside(context, peer, async (running) => await one(context, sheet, peer, running, cases));
      },
      [logical],
    );
    await pair.pools.a.query('drop database elsewhere');
    sheet.notes.push(
      `${perSecond} single rows per second come in beside; the held transaction has written a row of the synced table, and commits in the end`,
      'the long log and logical replication are measured in the first round only',
      ...(full
        ? []
        : [
            `the issue's 1,000,000 log rows behind a held transaction take --full; here ${formatWhole(behind)}`,
          ]),
    );
    const label = "hold: others' lag p99 with ÷ without a held transaction";
    const ratio = quotient(sheet.median('snk', 'hold.here.p99'), sheet.median('snk', 'hold.free.p99'));
    sheet.goals.push(goal('hold.p99', label, '<=', 1.5, '×', ratio));
    return sheet.result('hold', 'Hold: a transaction that stays open', 'logical');
  },
};

async function one(
  { pair, say }: Context,
  sheet: Sheet,
  peer: Peer,
  running: Running,
  cases: readonly Case[],
): Promise<void> {
  let rows = 0;
  for (const each of cases) {
    const holder = each.database === undefined ? null : await pair.connect('a', each.database);
    await holder?.query('begin');
    await holder?.query(held);
    if (each.behind !== undefined) {
      await singles(pair, each.behind);
      rows += each.behind;
      await wait(2_000); // these are on their way too, and not what is measured
    }
    const load = await drizzle(pair, perSecond, 'beside it');
    await wait(500);
    const before = pair.cpu(running.pids);
    const sampler = await sample(pair, 25);
    await wait(each.seconds * 1_000);
    const found = await sampler.finish();
    const used = pair.cpu(running.pids) - before;
    const { rows: beside } = await load.finish();
    await holder?.query('commit');
    await holder?.end();
    if (found.lost > 0) throw new Error(`void: ${found.lost} rows did not arrive beside ${peer.name}`);
    rows += found.rows + beside + (each.database === 'postgres' ? 1 : 0);
    sheet.addLags(peer.name, each.id, `lag, ${each.label}`, found.lags);
    const cpu = { id: `${each.id}.cpu`, label: `CPU of servers and sync process, ${each.label}`, unit: '%' };
    sheet.add(peer.name, cpu, (used / each.seconds) * 100);
    say(
      `${peer.name}: ${each.label}: ${tell(found.lags)}, CPU ${((used / each.seconds) * 100).toFixed(0)} % of a core`,
    );
    await untilSynced(running);
  }
  noteMemory(sheet, 'hold', peer, running);
  await check(pair, rows);
}

/** A log row for each row, as ordinary applications make them. */
async function singles(pair: Pair, rows: number): Promise<void> {
  const client = await pair.connect('a');
  await client.query(`create procedure pg_temp.singles(rows integer)
    language plpgsql
    as $$
    begin
      for i in 1 .. rows loop
        insert into public.record (uuid, text) values (gen_random_uuid(), 'behind it');
        if i % 1000 = 0 then
          commit;
        end if;
      end loop;
    end
    $$`);
  await client.query('call pg_temp.singles($1)', [rows]);
  await client.end();
}
