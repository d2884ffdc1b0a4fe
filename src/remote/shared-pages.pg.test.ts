import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { linkRig, shareDatabases, id, type LinkRig } from '../../test/support/link-rig.ts';
import { nextFence } from '../apply/batch.ts';
import { queryOne } from '../db/query.ts';
import { session } from '../db/orm.ts';
import { PageReader, type Page } from '../read/page.ts';
import { onlyTo } from '../db/unread-log.ts';
import { FenceRaiser, SharedPages } from './shared-pages.ts';

shareDatabases();

const limits = { keys: 1_000, logRows: 1_000 };
const node = randomUUID();

interface Reader {
  readonly link: string;
  readonly read: (from?: string) => Promise<Page | null | undefined>;
}

async function sharing(): Promise<{
  rig: LinkRig;
  reader: (from?: string) => Promise<Reader>;
  low: () => Promise<string>;
}> {
  const rig = await linkRig({ links: [{ from: 'a', to: 'b', tables: ['public.record'] }] });
  const engine = await rig.engine();
  const orm = rig.orm('a');
  const flows = engine.flows.map(({ from }) => ({ ...from, forNode: '' }));
  const pages = new SharedPages(orm, flows, new FenceRaiser(orm), async (work) => await work());
  const low = async (): Promise<string> =>
    (await queryOne<{ now: string }>(session(orm), 'select pg_current_snapshot()::text as now')).now;
  const reader = async (at?: string): Promise<Reader> => {
    const from = at ?? (await low());
    const [subscriber] = await rig.a.query<{ link: string; nonce: string }>(
      `insert into snk.subscriber (link, target_node, generation, nonce, safe)
       values ('a->' || gen_random_uuid(), '${node}', 0, gen_random_uuid(), '${from}') returning link, nonce::text`,
    );
    const { link = '', nonce = '' } = subscriber ?? {};
    const position = { low: from, high: null, seq: '0', generation: '0', nonce };
    const standing = { position, subscriber: { generation: '0', nonce, prevNonce: null } };
    const read = async (): Promise<Page | null | undefined> => {
      const fence = nextFence({ link, newNonce: randomUUID }, standing);
      return await pages.read({ position, limits, fence, node });
    };
    return { link, read };
  };
  return { rig, reader, low };
}

const textsOf = (page: Page | null | undefined): unknown => page?.rows.map(({ columns }) => columns[1]);
const raised = async (rig: LinkRig): Promise<unknown> =>
  (
    await rig.a.query<{ n: number }>(
      `select count(*)::integer as n from snk.subscriber where generation = 1 and target_node = '${node}'`,
    )
  )[0]?.n;

describe('a page that several nodes ask for', () => {
  let reads = vi.spyOn(PageReader.prototype, 'read');
  beforeAll(() => {
    reads = vi.spyOn(PageReader.prototype, 'read');
  });

  test('is read once for those who came while another one was read, each behind a fence of its own', async () => {
    const { rig, reader } = await sharing();
    // Transactions that log nothing part their snapshots, and not what is beyond them.
    const readers: Reader[] = [];
    for (let i = 0; i < 6; i += 1) {
      readers.push(await reader());
      await rig.a.query('select pg_current_xact_id()');
    }
    await rig.a.query(`insert into record values ('${id(1)}', 'one')`);
    reads.mockClear();
    const pages = await Promise.all(readers.map(async (each) => await each.read()));
    expect(pages.map(textsOf)).toEqual(Array.from({ length: 6 }, () => ['{one}']));
    expect(reads).toHaveBeenCalledTimes(2);
    expect(await raised(rig)).toBe(6);
  });

  test("is nobody's who stands elsewhere: it reads for itself", async () => {
    const { rig, reader, low } = await sharing();
    const before = await reader();
    await rig.a.query(`insert into record values ('${id(1)}', 'one')`);
    const between = await reader(await low());
    await rig.a.query(`insert into record values ('${id(2)}', 'two')`);
    const first = before.read();
    const [second, third] = await Promise.all([before.read().catch(() => 'overtaken'), between.read()]);
    expect(textsOf(await first)).toEqual(['{one,two}']);
    expect(second).toBe('overtaken');
    expect(third).toBeUndefined();
    expect(await raised(rig)).toBe(1);
  });

  test.each([
    ['came from it', node],
    ['is for it alone', onlyTo(node)],
  ])('is not for one of them where a row of it %s', async (_, origin) => {
    const { rig, reader } = await sharing();
    const { read } = await reader();
    await rig.a.query(`insert into record values ('${id(1)}', 'one')`);
    await rig.a.query(`update snk.change_log set origin = '${origin}'`);
    expect(await read()).toBeUndefined();
    expect(await raised(rig)).toBe(0);
  });

  test('holds nothing that is for another one alone, and all that came from others', async () => {
    const { rig, reader } = await sharing();
    const { read } = await reader();
    await rig.a.query(`insert into record values ('${id(1)}', 'one')`);
    await rig.a.query(`update snk.change_log set origin = '${onlyTo(randomUUID())}'`);
    await rig.a.query(`insert into record values ('${id(2)}', 'two')`);
    await rig.a.query(`update snk.change_log set origin = '${randomUUID()}' where origin is null`);
    expect(textsOf(await read())).toEqual(['{two}']);
    expect(await raised(rig)).toBe(1);
  });

  test('raises nothing where nothing waits', async () => {
    const { rig, reader } = await sharing();
    expect(await (await reader()).read()).toBeNull();
    expect(await raised(rig)).toBe(0);
  });
});
