import { describe, expect, onTestFinished, test } from 'vitest';
import {
  drain,
  linkRig,
  shareDatabases,
  type LinkRig,
  type RigOptions,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;
const id = (n: number): string => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;

async function settledRig(options: RigOptions): Promise<LinkRig> {
  const rig = await linkRig(options);
  for (const { name } of rig.config.links) await drain(await rig.engine(name));
  return rig;
}

const texts = async (rig: LinkRig): Promise<string[]> =>
  (await rig.b.query<{ text: string }>('select text from record order by uuid')).map((row) => row.text);

describe('a parked row', () => {
  const oneWay: RigOptions = { links: [{ from: 'a', to: 'b', tables: ['public.record'], on: everything }] };

  async function withParked(options: RigOptions = oneWay): Promise<LinkRig> {
    const rig = await settledRig(options);
    await rig.b.query(`alter table record add constraint short check (length(text) < 5)`);
    await rig.a.query(
      `insert into record values ('${id(1)}', 'fits'), ('${id(2)}', 'too long'), ('${id(3)}', 'longer')`,
    );
    await drain(await rig.engine('a->b'));
    return rig;
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
        at: expect.any(String),
      })),
    );
    expect(await rig.snk.parked('a->b')).toHaveLength(2);
  });

  test.each<[string, RigOptions]>([
    ['more than inserts', oneWay],
    ['inserts alone', { links: [{ from: 'a', to: 'b', tables: ['public.record'] }] }],
  ])('arrives when it is sent once more and its cause is mended, where %s travel', async (_, options) => {
    const rig = await withParked(options);
    await rig.b.query('alter table record drop constraint short');
    expect(await rig.snk.retryParked()).toBe(2);
    await drain(await rig.engine('a->b'));
    expect(await texts(rig)).toEqual(['fits', 'too long', 'longer']);
    expect(await rig.snk.parked()).toEqual([]);
  });

  test('arrives as it stands when it is sent once more', async () => {
    const rig = await withParked();
    await rig.a.query(`update record set text = 'mend' where uuid = '${id(2)}'`);
    await rig.snk.retryParked('a->b');
    await drain(await rig.engine('a->b'));
    expect(await texts(rig)).toEqual(['fits', 'mend']);
    expect((await rig.snk.parked()).map((row) => row.key)).toEqual([[id(3)]]);
  });

  test('that is refused again is parked again', async () => {
    const rig = await withParked();
    await rig.snk.retryParked();
    expect(await rig.snk.parked()).toEqual([]);
    await drain(await rig.engine('a->b'));
    expect((await rig.snk.parked()).map((row) => row.key)).toEqual([[id(2)], [id(3)]]);
  });

  test('is kept when it is refused once more before its sending is noted', async () => {
    const rig = await withParked();
    const other = await rig.a.connect();
    onTestFinished(async () => await other.end());
    await other.query('begin; lock table snk.change_log in exclusive mode');
    const retrying = rig.snk.retryParked();
    await waitUntil(
      async () =>
        (
          await rig.a.query(
            `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'snk:main:a'`,
          )
        ).length === 1,
    );
    await rig.b.query('update snk.parked set at = clock_timestamp()');
    await other.query('commit');
    await retrying;
    expect(await rig.snk.parked()).toHaveLength(2);
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

  test('may have a key of several columns of any type', async () => {
    const rig = await settledRig({
      tables: `create table item (a numeric, b date, c text, primary key (a, b))`,
      links: [{ from: 'a', to: 'b', tables: ['public.item'], on: everything }],
    });
    await rig.b.query(`alter table item add constraint short check (length(c) < 5)`);
    await rig.a.query(`insert into item values (1.50, '2026-02-01', 'too long')`);
    await drain(await rig.engine('a->b'));
    expect((await rig.snk.parked()).map((row) => row.key)).toEqual([['1.50', '2026-02-01']]);
    await rig.b.query('alter table item drop constraint short');
    await rig.snk.retryParked();
    await drain(await rig.engine('a->b'));
    expect(await rig.b.query('select t::text as row from item t')).toEqual([
      { row: '(1.50,2026-02-01,"too long")' },
    ]);
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
