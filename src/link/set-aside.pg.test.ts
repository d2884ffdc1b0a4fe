import { describe, expect, onTestFinished, test } from 'vitest';
import {
  drain,
  linkRig,
  shareDatabases,
  type LinkRig,
  type RigOptions,
  id,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { retryParked } from './retry-parked.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;
async function settledRig(options: RigOptions): Promise<LinkRig> {
  const rig = await linkRig(options);
  for (const { name } of rig.config.links) await drain(await rig.engine(name));
  return rig;
}

const texts = async (rig: LinkRig): Promise<string[]> =>
  (await rig.b.query<{ text: string }>('select text from record order by uuid')).map((row) => row.text);

describe('a parked row', () => {
  const oneWay: RigOptions = { links: [{ from: 'a', to: 'b', tables: ['public.record'], on: everything }] };
  const insertsAlone: RigOptions = { links: [{ from: 'a', to: 'b', tables: ['public.record'] }] };
  const both: [string, RigOptions][] = [
    ['more than inserts', oneWay],
    ['inserts alone', insertsAlone],
  ];

  async function withParked(options: RigOptions = oneWay): Promise<LinkRig> {
    const rig = await settledRig(options);
    await rig.b.query(`alter table record add constraint short check (length(text) < 5)`);
    await rig.a.query(
      `insert into record values ('${id(1)}', 'fits'), ('${id(2)}', 'too long'), ('${id(3)}', 'longer')`,
    );
    await drain(await rig.engine('a->b'));
    return rig;
  }

  const keys = async (rig: LinkRig) => (await rig.snk.parked()).map((row) => row.key);
  const mend = async (rig: LinkRig) => await rig.b.query('alter table record drop constraint short');
  const logged = async (rig: LinkRig) =>
    await rig.a.query('select op, key_count as keys from snk.change_log order by seq');

  /** One look of a link that is live, and what comes of it. */
  async function retry(rig: LinkRig, name = 'a->b'): Promise<boolean> {
    const engine = await rig.engine(name);
    const some = await retryParked(engine);
    await drain(engine);
    return some;
  }

  async function retryNow(rig: LinkRig): Promise<void> {
    await rig.snk.retryParked();
    await retry(rig);
  }

  test('is named with its key and the reason, and with no value', async () => {
    const rig = await withParked();
    expect(await texts(rig)).toEqual(['fits']);
    expect(await rig.snk.parked()).toEqual(
      [id(2), id(3)].map((key) => ({
        link: 'a->b',
        table: 'public.record',
        key: [key],
        code: '23514',
        message: 'the target table refused the row: constraint short',
        attempts: 1,
        firstAt: expect.any(String),
        at: expect.any(String),
        retryAt: expect.any(String),
      })),
    );
    expect(await rig.snk.parked('a->b')).toHaveLength(2);
  });

  test.each(both)('may be one that is too long for an index: %s', async (_, options) => {
    const rig = await settledRig(options);
    await rig.b.query('create index on record (text)');
    await rig.a.query(
      `insert into record
       select '${id(1)}'::uuid, string_agg(md5(i::text), '') from generate_series(1, 300) i
       union all select '${id(2)}', 'fits'`,
    );
    await drain(await rig.engine('a->b'));
    expect(await texts(rig)).toEqual(['fits']);
    expect(await rig.snk.parked()).toMatchObject([{ key: [id(1)], code: '54000' }]);
  });

  test('is shown with the row as it stands in the source now', async () => {
    const rig = await withParked();
    await rig.a.query(`update record set text = 'longest' where uuid = '${id(3)}'`);
    await rig.a.query(`delete from record where uuid = '${id(2)}'`);
    expect(await rig.snk.parkedRow('a->b', 'record', [id(3)])).toMatchObject({
      code: '23514',
      attempts: 1,
      sourceRow: { uuid: id(3), text: 'longest' },
    });
    expect(await rig.snk.parkedRow('a->b', 'public.record', [id(2)])).toMatchObject({ sourceRow: null });
    for (const key of [[id(1)], [id(3), 'x'], []])
      await expect(rig.snk.parkedRow('a->b', 'public.record', key)).rejects.toMatchObject({
        code: 'SNK_USAGE',
      });
  });

  test.each(both)('arrives by itself when its cause is mended, where %s travel', async (_, options) => {
    const rig = await withParked(options);
    const ending = new AbortController();
    const running = rig.snk.run(ending.signal);
    onTestFinished(async () => {
      ending.abort();
      await running;
    });
    await waitUntil(async () => (await rig.snk.parked()).every((row) => row.attempts > 1));
    await rig.a.query(`insert into record values ('${id(4)}', 'four')`);
    await waitUntil(async () => (await texts(rig)).length === 2);
    await mend(rig);
    await waitUntil(async () => (await texts(rig)).length === 4);
    expect(await texts(rig)).toEqual(['fits', 'too long', 'longer', 'four']);
    expect(await rig.snk.parked()).toEqual([]);
  });

  test.each(both)('arrives at once when it is told to, where %s travel', async (_, options) => {
    const rig = await withParked(options);
    await mend(rig);
    expect(await rig.snk.retryParked()).toBe(2);
    expect(await retry(rig)).toBe(true);
    expect(await texts(rig)).toEqual(['fits', 'too long', 'longer']);
    expect(await rig.snk.parked()).toEqual([]);
    expect(await retry(rig)).toBe(false);
  });

  test('arrives as it stands when it is sent once more', async () => {
    const rig = await withParked();
    await rig.a.query(`update record set text = 'mend' where uuid = '${id(2)}'`);
    await retryNow(rig);
    expect(await texts(rig)).toEqual(['fits', 'mend']);
    expect(await keys(rig)).toEqual([[id(3)]]);
  });

  test('that is refused again stays, and waits twice as long, up to five minutes', async () => {
    const rig = await withParked();
    const [before] = await rig.snk.parked();
    const patience = async () =>
      await rig.b.query(
        `select attempts, round(extract(epoch from retry_at - at))::int as seconds from snk.parked where key = '{${id(2)}}'`,
      );
    expect(await patience()).toEqual([{ attempts: 1, seconds: 1 }]);
    await retryNow(rig);
    expect(await patience()).toEqual([{ attempts: 2, seconds: 2 }]);
    await retryNow(rig);
    expect(await patience()).toEqual([{ attempts: 3, seconds: 4 }]);
    await rig.b.query('update snk.parked set attempts = 1000');
    await retryNow(rig);
    expect(await patience()).toEqual([{ attempts: 1001, seconds: 300 }]);
    const [after] = await rig.snk.parked();
    expect(after?.firstAt).toBe(before?.firstAt);
    expect(Date.parse(after?.at ?? '')).toBeGreaterThan(Date.parse(before?.at ?? ''));
  });

  test('is sent when its time has come, not before, and once: its entry stays until its row is in', async () => {
    const rig = await withParked();
    const engine = await rig.engine();
    await rig.a.query('delete from snk.change_log');
    await rig.b.query(`update snk.parked set retry_at = clock_timestamp() + interval '1 hour'`);
    expect(await retryParked(engine)).toBe(true);
    expect(await logged(rig)).toEqual([]);
    await rig.snk.retryParked();
    await retryParked(engine);
    await retryParked(engine);
    expect(await logged(rig)).toEqual([{ op: 'U', keys: 2 }]);
    expect(await keys(rig)).toEqual([[id(2)], [id(3)]]);
  });

  test('is put off only while it is what was sent: one that is refused meanwhile keeps its own time', async () => {
    const rig = await withParked();
    await rig.snk.retryParked();
    const other = await rig.a.connect();
    onTestFinished(async () => await other.end());
    await other.query('begin; lock table snk.change_log in exclusive mode');
    const retrying = retryParked(await rig.engine());
    await waitUntil(
      async () =>
        (
          await rig.a.query(
            `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'snk:test:a'`,
          )
        ).length === 1,
    );
    await rig.b.query(
      `update snk.parked set at = clock_timestamp(), retry_at = '2100-01-01' where key = '{${id(3)}}'`,
    );
    await other.query('commit');
    await retrying;
    const [one, two] = await rig.b.query<{ year: number }>(
      'select extract(year from retry_at)::int as year from snk.parked order by key',
    );
    expect(one?.year).toBeLessThan(2100);
    expect(two?.year).toBe(2100);
  });

  test('of a flow that is gone keeps no link from its rest', async () => {
    const rig = await withParked();
    const { target } = await rig.engine('a->b');
    expect(await target.hasParked()).toBe(true);
    await rig.b.query(`update snk.parked set target_table = 'public.gone'`);
    expect(await target.hasParked()).toBe(false);
  });

  test('is not sent into a log that has reached its bound', async () => {
    const rig = await withParked();
    await rig.a.query('delete from snk.change_log; update snk.capture_gate set is_open = false');
    await rig.snk.retryParked();
    await retryParked(await rig.engine());
    expect(await logged(rig)).toEqual([]);
    expect(await keys(rig)).toHaveLength(2);
  });

  test.each([
    ['by an update', oneWay, `update record set text = 'mend' where uuid = '${id(2)}'`],
    [
      'beside one that is refused',
      oneWay,
      `update record set text = case uuid when '${id(2)}' then 'mend' else 'long again' end where uuid <> '${id(1)}'`,
    ],
    ['by a delete', oneWay, `delete from record where uuid = '${id(2)}'`],
    [
      'by an insert, where inserts alone travel',
      insertsAlone,
      `delete from record where uuid = '${id(2)}'; insert into record values ('${id(2)}', 'mend')`,
    ],
    [
      'by many inserts, whose rows are in the log',
      insertsAlone,
      `delete from record where uuid = '${id(2)}';
       insert into record select ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, 'x' from generate_series(1, 100) n
       union all select '${id(2)}', 'mend'`,
    ],
  ])('is parked no more once a version of it goes in: %s', async (_, options, statement) => {
    const rig = await withParked(options);
    await rig.a.query(statement);
    await drain(await rig.engine());
    expect(await keys(rig)).toEqual([[id(3)]]);
  });

  test('is given up when its row is gone and deletes do not travel', async () => {
    const rig = await withParked(insertsAlone);
    await rig.a.query(`delete from record where uuid = '${id(2)}'`);
    await retryNow(rig);
    expect(await keys(rig)).toEqual([[id(3)]]);
  });

  test('is given up when the flow does not take its row any more', async () => {
    const rig = await withParked({
      links: [
        { from: 'a', to: 'b', flows: [{ from: 'public.record', where: `text <> 'no more' -- a remark` }] },
      ],
    });
    await rig.a.query(`update record set text = 'no more' where uuid = '${id(2)}'`);
    await retryNow(rig);
    expect(await keys(rig)).toEqual([[id(3)]]);
  });

  test('is parked no more when its row is gone and deletes travel, though no update does', async () => {
    const rig = await withParked({
      links: [{ from: 'a', to: 'b', tables: ['public.record'], on: ['insert', 'delete'] }],
    });
    // of a time before deletes travelled
    await rig.a.unseen(`delete from record where uuid = '${id(2)}'`);
    await mend(rig);
    await retryNow(rig);
    expect(await texts(rig)).toEqual(['fits', 'longer']);
    expect(await keys(rig)).toEqual([]);
  });

  test('may be one that the target does not let go, and goes by itself when it does', async () => {
    const rig = await settledRig(oneWay);
    await rig.a.query(`insert into record values ('${id(1)}', 'one'), ('${id(2)}', 'two')`);
    await drain(await rig.engine());
    await rig.b.query(
      `create table holds (uuid uuid references record); insert into holds values ('${id(1)}')`,
    );
    await rig.a.query('delete from record');
    await drain(await rig.engine());
    expect(await texts(rig)).toEqual(['one']);
    await retryNow(rig);
    expect(await rig.snk.parked()).toMatchObject([{ key: [id(1)], code: '23503', attempts: 2 }]);
    await rig.b.query('delete from holds');
    await retryNow(rig);
    expect(await texts(rig)).toEqual([]);
    expect(await rig.snk.parked()).toEqual([]);
  });

  test('is given up by its key, or with all of its link', async () => {
    const rig = await withParked();
    expect(await rig.snk.dropParked('a->b', [id(9)])).toBe(0);
    expect(await rig.snk.dropParked('a->b', [id(3)])).toBe(1);
    expect(await rig.snk.dropParked('a->b')).toBe(1);
    expect(await rig.snk.parked()).toEqual([]);
  });

  test('of a link that does not exist is a usage error that names the links', async () => {
    const rig = await withParked();
    await expect(rig.snk.parked('b->a')).rejects.toMatchObject({
      code: 'SNK_USAGE',
      message: "there is no link 'b->a'; there are a->b",
    });
  });

  test.each(both)('may have a key of several columns of any type, where %s travel', async (_, options) => {
    const on = options === oneWay ? everything : (['insert'] as const);
    const rig = await settledRig({
      tables: `create table item (a numeric, b date, c text, primary key (b, a))`,
      links: [{ from: 'a', to: 'b', tables: ['public.item', 'public.record'], on }],
    });
    await rig.b.query(`alter table item add constraint short check (length(c) < 5)`);
    await rig.a.query(
      `insert into item values (1.50, '2026-02-01', 'too long'), (1.50, '2026-02-02', 'too long'), (2, '2026-02-01', 'too long')`,
    );
    await drain(await rig.engine('a->b'));
    expect(await keys(rig)).toHaveLength(3);
    await retryNow(rig);
    expect(await rig.snk.parked()).toMatchObject([{ attempts: 2 }, { attempts: 2 }, { attempts: 2 }]);
    // equal, though not alike; and one that has a value of each column of another
    await rig.a.query(
      `delete from item where b = '2026-02-02'; insert into item values (1.5, '2026-02-02', 'ok'), (9, '2026-02-01', 'ok')`,
    );
    await drain(await rig.engine('a->b'));
    expect((await keys(rig)).map((key) => key.join(' ')).toSorted()).toEqual([
      '2026-02-01 1.50',
      '2026-02-01 2',
    ]);
    await rig.b.query('alter table item drop constraint short');
    await retryNow(rig);
    expect(await rig.b.query('select t::text as row from item t order by b, a')).toEqual([
      { row: '(1.50,2026-02-01,"too long")' },
      { row: '(2,2026-02-01,"too long")' },
      { row: '(9,2026-02-01,ok)' },
      { row: '(1.5,2026-02-02,ok)' },
    ]);
    expect(await keys(rig)).toEqual([]);
  });

  test('under the same key in another table, or of another link, stays', async () => {
    const rig = await settledRig({
      tables: 'create table item (uuid uuid primary key, text text)',
      links: [{ from: 'a', to: 'b', tables: ['public.record', 'public.item'] }],
    });
    await rig.b.query(
      `insert into snk.parked (link, target_table, key, code, message)
       values ('a->b', 'public.item', '{${id(1)}}', 'x', 'x'), ('c->b', 'public.record', '{${id(1)}}', 'x', 'x'),
         ('a->b', 'public.record', '{${id(1)}}', 'x', 'x')`,
    );
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    await drain(await rig.engine());
    expect(await rig.b.query('select link, target_table as "table" from snk.parked order by 1')).toEqual([
      { link: 'a->b', table: 'public.item' },
      { link: 'c->b', table: 'public.record' },
    ]);
  });

  describe('is one of so many that a link may have', () => {
    const cursor = async (rig: LinkRig) => await rig.b.query(`select * from snk.cursor where link = 'a->b'`);

    async function withBad(): Promise<LinkRig> {
      const rig = await settledRig(oneWay);
      await rig.b.query(`alter table record add constraint short check (length(text) < 5)`);
      await rig.a.query(
        `insert into record values ('${id(1)}', 'fits'), ('${id(2)}', 'too long'), ('${id(3)}', 'longer')`,
      );
      return rig;
    }

    test.each([0, 1])('(%i): one more stops the link, and nothing of its page is in', async (parkedRows) => {
      const rig = await withBad();
      const before = await cursor(rig);
      await expect(drain(await rig.engine(), { parkedRows })).rejects.toMatchObject({
        code: 'SNK_PARKED_MAX',
        fate: 'stop-link',
        hint: expect.stringMatching(/'snk parked list'.*limits\.parkedRows/),
      });
      expect(await texts(rig)).toEqual([]);
      expect(await rig.snk.parked()).toEqual([]);
      expect(await cursor(rig)).toEqual(before);
      await mend(rig);
      await drain(await rig.engine(), { parkedRows });
      expect(await texts(rig)).toEqual(['fits', 'too long', 'longer']);
    });

    test('(2): two are parked, and another takes the place of one that goes in', async () => {
      const rig = await withBad();
      await drain(await rig.engine(), { parkedRows: 2 });
      await rig.a.query(
        `update record set text = 'mend' where uuid = '${id(2)}'; insert into record values ('${id(4)}', 'too long')`,
      );
      await drain(await rig.engine(), { parkedRows: 2 });
      expect(await keys(rig)).toEqual([[id(3)], [id(4)]]);
    });

    test('is said by the status, and the other direction goes on', async () => {
      const rig = await linkRig({
        links: [{ between: ['a', 'b'], tables: ['public.record'] }],
        limits: { parkedRows: 1 },
      });
      await rig.b.query(`alter table record add constraint short check (length(text) < 5)`);
      await rig.a.query(`insert into record values ('${id(2)}', 'too long'), ('${id(3)}', 'longer')`);
      const ending = new AbortController();
      const running = rig.snk.run(ending.signal);
      onTestFinished(async () => {
        ending.abort();
        await running;
      });
      const links = async () => (await rig.snk.status()).links;
      await waitUntil(async () => (await links())[0]?.lastError?.code === 'SNK_PARKED_MAX');
      await rig.b.query(`insert into record values ('${id(1)}', 'goes')`);
      await waitUntil(async () => (await rig.a.query('select from record')).length === 3);
      await waitUntil(async () => (await links())[1]?.state === 'live');
      expect(await links()).toMatchObject([{ state: 'stopped', parked: 0 }, { state: 'live' }]);
    });
  });
});

describe('a conflict', () => {
  const both: RigOptions = { links: [{ between: ['a', 'b'], tables: ['public.record'], on: everything }] };

  test('is listed without its rows, and shown with both', async () => {
    const rig = await settledRig(both);
    await rig.a.query(`insert into record values ('${id(1)}', 'of a')`);
    await rig.b.query(`insert into record values ('${id(1)}', 'of b')`);
    await drain(await rig.engine('a->b'));
    const conflict = {
      link: 'a->b',
      id: expect.stringMatching(/^\d+$/),
      table: 'public.record',
      key: { uuid: id(1) },
      winner: 'source',
      reason: 'priority',
      at: expect.any(String),
      resolvedAt: null,
      kept: null,
    };
    const [listed] = await rig.snk.conflicts();
    expect(listed).toEqual(conflict);
    expect(await rig.snk.conflict('a->b', listed?.id ?? '')).toEqual({
      ...conflict,
      sourceRow: { uuid: id(1), text: 'of a' },
      targetRow: { uuid: id(1), text: 'of b' },
    });
    expect(await rig.snk.conflicts('b->a')).toEqual([]);
  });

  test.each(['0', '999', 'x', '1; drop table record'])('of number %s is a usage error', async (number) => {
    const rig = await settledRig(both);
    await expect(rig.snk.conflict('a->b', number)).rejects.toMatchObject({ code: 'SNK_USAGE' });
  });
});

describe('a paused link', () => {
  test('writes nothing until it is resumed, whatever is at work on it; the other direction goes on', async () => {
    const rig = await settledRig({ links: [{ between: ['a', 'b'], tables: ['public.record'] }] });
    const ending = new AbortController();
    const states: string[] = [];
    rig.snk.events.on('link:state', ({ link, state }) => states.push(`${link} ${state}`));
    const running = rig.snk.run(ending.signal);
    onTestFinished(async () => {
      ending.abort();
      await running;
    });
    await waitUntil(() => states.includes('a->b live') && states.includes('b->a live'));
    await rig.snk.pause('a->b');
    await rig.a.query(`insert into record values ('${id(1)}', 'waits')`);
    await rig.b.query(`insert into record values ('${id(2)}', 'goes')`);
    await waitUntil(async () => (await rig.a.query('select from record')).length === 2);
    await waitUntil(() => states.at(-1) === 'a->b paused');
    expect(await texts(rig)).toEqual(['goes']);
    expect((await rig.snk.status()).links).toMatchObject([
      { name: 'a->b', state: 'paused', pendingRows: 1 },
      { name: 'b->a', state: 'live' },
    ]);
    await rig.snk.resume('a->b');
    await waitUntil(async () => (await texts(rig)).length === 2);
    expect(await texts(rig)).toEqual(['waits', 'goes']);
  });

  test('must have been installed', async () => {
    const rig = await settledRig({ links: [{ from: 'a', to: 'b', tables: ['public.record'] }] });
    await rig.b.query('delete from snk.cursor');
    await expect(rig.snk.pause('a->b')).rejects.toMatchObject({ code: 'SNK_NOT_ATTACHED' });
  });
});
