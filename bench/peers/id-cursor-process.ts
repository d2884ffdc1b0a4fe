/** Polls both tables for rows above the highest id it has seen, and writes them to the other side as entities. */
import { setTimeout as wait } from 'node:timers/promises';
import { defineEntity, MikroORM, p } from '@mikro-orm/postgresql';

const Row = defineEntity({
  name: 'Row',
  tableName: 'record',
  schema: 'public',
  properties: {
    uuid: p.uuid().primary(),
    text: p.text(),
    id: p.bigint('number').autoincrement().nullable(),
  },
});

const page = 200;
/** Milliseconds between two looks that find nothing. */
const rest = 50;

interface Side {
  readonly orm: MikroORM;
  /** Rows that this process wrote here, so that it does not send them back. */
  readonly written: Set<string>;
}

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());

function open(name: string, url: string | undefined): Side {
  const orm = new MikroORM({
    contextName: `id-cursor-${name}`,
    entities: [Row],
    clientUrl: url ?? '',
    ensureDatabase: false,
    debug: false,
  });
  return { orm, written: new Set() };
}

async function sync(from: Side, to: Side): Promise<void> {
  const [last] = await from.orm.em.fork().find(Row, {}, { orderBy: { id: 'desc' }, limit: 1 });
  let cursor = Number(last?.id ?? 0);
  while (!stopping.signal.aborted) {
    const rows = await from.orm.em
      .fork()
      .find(Row, { id: { $gt: cursor } }, { orderBy: { id: 'asc' }, limit: page });
    const target = to.orm.em.fork();
    for (const { uuid, text } of rows) {
      if (from.written.delete(uuid)) continue;
      target.create(Row, { uuid, text }, { persist: true });
      to.written.add(uuid);
    }
    await target.flush();
    cursor = rows.at(-1)?.id ?? cursor;
    if (rows.length < page) await wait(rest, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

const a = open('a', process.env['SNK_A_URL']);
const b = open('b', process.env['SNK_B_URL']);
const both = [sync(a, b), sync(b, a)];
await wait(200);
process.stdout.write('live\n');
await Promise.all(both);
await Promise.all([a.orm.close(true), b.orm.close(true)]);
