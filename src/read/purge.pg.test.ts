import { describe, expect, onTestFinished, test } from 'vitest';
import { drain, linkRig, type LinkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { session } from '../db/orm.ts';
import { attachLink } from '../link/attach.ts';
import { tidyLink } from '../link/drain.ts';
import type { LocalEngine } from '../link/engine.ts';
import { purgeChangeLog } from './purge.ts';

shareDatabases();

async function insert(rig: LinkRig, ...texts: string[]): Promise<void> {
  await rig.a.query('insert into record select gen_random_uuid(), unnest($1::text[])', [texts]);
}

/** Drains, tells the source, and purges. */
async function drainAndTidy(engine: LocalEngine): Promise<void> {
  const report = await drain(engine);
  await tidyLink(engine, report.state, testLimits);
}

const logRows = async (rig: LinkRig): Promise<number> =>
  (await rig.a.query<{ n: number }>('select count(*)::integer as n from snk.change_log'))[0]?.n ?? -1;

const arrived = async (rig: LinkRig): Promise<string[]> =>
  (await rig.b.query<{ text: string }>('select text from record order by text')).map((row) => row.text);

describe('the purge of the change log', () => {
  test('leaves nothing of what the target holds', async () => {
    const rig = await linkRig();
    await insert(rig, 'x', 'y');
    await drainAndTidy(await rig.engine());
    expect(await logRows(rig)).toBe(0);
  });

  test('leaves what nobody has read', async () => {
    const rig = await linkRig();
    await insert(rig, 'x');
    expect(await purgeChangeLog(session(rig.orm('a')), 1000)).toBe(0);
    expect(await logRows(rig)).toBe(1);
  });

  test('leaves a row whose transaction committed late, although it has a low number and an old time', async () => {
    const rig = await linkRig();
    const engine = await rig.engine();
    const late = await rig.a.connect();
    onTestFinished(async () => await late.end());
    await late.query('begin');
    await late.query(`insert into record values (gen_random_uuid(), 'late')`);
    await insert(rig, 'early');
    const report = await drain(engine);
    await late.query('commit');
    await tidyLink(engine, report.state, testLimits);
    expect(await logRows(rig)).toBe(1);
    await drainAndTidy(engine);
    expect(await arrived(rig)).toEqual(['early', 'late']);
    expect(await logRows(rig)).toBe(0);
  });

  test('keeps to the slowest of several subscribers', async () => {
    const links = [
      { from: 'a', to: 'b', tables: ['public.record'] },
      { from: 'a', to: 'c', tables: ['public.record'] },
    ];
    const rig = await linkRig({ links, nodes: ['c'] });
    const [fast, slow] = [await rig.engine('a->b'), await rig.engine('a->c')];
    await insert(rig, 'x');
    await drainAndTidy(fast);
    expect(await logRows(rig)).toBe(1);
    await drainAndTidy(slow);
    expect(await logRows(rig)).toBe(0);
  });

  test('keeps what a slow subscriber still has to read when transactions overlap', async () => {
    const links = [
      { from: 'a', to: 'b', tables: ['public.record'] },
      { from: 'a', to: 'c', tables: ['public.record'] },
    ];
    const rig = await linkRig({ links, nodes: ['c'] });
    const [fast, slow] = [await rig.engine('a->b'), await rig.engine('a->c')];
    const late = await rig.a.connect();
    onTestFinished(async () => await late.end());
    await late.query('begin');
    await late.query(`insert into record values (gen_random_uuid(), 'late')`);
    await insert(rig, 'early');
    await drainAndTidy(slow); // has 'early', and knows that 'late' is open
    await late.query('commit');
    await drainAndTidy(fast); // has both
    await drainAndTidy(slow);
    const texts = await rig.other('c').query<{ text: string }>('select text from record order by text');
    expect(texts.map((row) => row.text)).toEqual(['early', 'late']);
  });

  test('takes no more rows at once than it is told', async () => {
    const rig = await linkRig();
    for (let i = 0; i < 5; i += 1) await insert(rig, 'x');
    const report = await drain(await rig.engine());
    await rig.a.query('update snk.subscriber set safe = $1::pg_snapshot', [
      report.state.standing?.position.low,
    ]);
    expect(await purgeChangeLog(session(rig.orm('a')), 3)).toBe(3);
    expect(await purgeChangeLog(session(rig.orm('a')), 3)).toBe(2);
  });

  test('does nothing without a subscriber', async () => {
    const rig = await linkRig();
    await insert(rig, 'x');
    await rig.a.query('delete from snk.subscriber');
    expect(await purgeChangeLog(session(rig.orm('a')), 3)).toBe(0);
  });

  test('before all readers takes nothing that one who subscribes meanwhile would miss', async () => {
    const rig = await linkRig();
    const em = session(rig.orm('a'));
    await rig.a.query('delete from snk.subscriber');
    await rig.b.query('delete from snk.cursor');
    await rig.b.query('delete from snk.backfill');
    const [late, comer] = [await rig.a.connect(), await rig.a.connect()];
    onTestFinished(async () => {
      await late.end();
      await comer.end();
    });
    await late.query('begin');
    await late.query(`insert into record values (gen_random_uuid(), 'late')`);
    await comer.query('begin');
    await comer.query(
      `insert into snk.subscriber (link, generation, nonce, safe, standing)
       values ('a->b', 0, gen_random_uuid(), pg_current_snapshot(), 'begun')`,
    );
    await insert(rig, 'early');
    // It sees no subscriber, and what was committed after the one that comes had taken its snapshot.
    expect(await purgeChangeLog(em, 1000, { beforeAllReaders: true })).toBe(1);
    await comer.query('commit');
    const engine = await rig.engine();
    await attachLink(engine.link, rig.orm('a'), rig.orm('b'));
    await insert(rig, 'after');
    await late.query('commit');
    expect(await purgeChangeLog(em, 1000, { beforeAllReaders: true })).toBe(0);
    await drainAndTidy(engine);
    expect(await arrived(rig)).toEqual(['after', 'early', 'late']);
  });

  test('takes nothing where those who had read before are lost', async () => {
    const rig = await linkRig();
    await insert(rig, 'x');
    await drainAndTidy(await rig.engine());
    await insert(rig, 'y');
    await rig.a.query('delete from snk.subscriber');
    expect(await purgeChangeLog(session(rig.orm('a')), 3, { beforeAllReaders: true })).toBe(0);
  });
});
