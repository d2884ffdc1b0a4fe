/**
 * Readers of a hub that keep nothing: each asks what a node asks of its hub, in the order in which it does, and stands in memory
 * where a node's cursor stands in its database. Hundreds of databases would be what is measured otherwise.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { nextFence, type Standing } from '../src/apply/batch.ts';
import { parseConfig, type UserConfig } from '../src/config/config.ts';
import { openOrm } from '../src/db/orm.ts';
import { describeEnd } from '../src/link/engine.ts';
import type { EndDescription } from '../src/link/ends.ts';
import { HubClient } from '../src/remote/hub-client.ts';
import { farEnd, HubLink } from '../src/remote/far-end.ts';
import { FarBell } from '../src/remote/far-bell.ts';
import type { Link } from '../src/topology/topology.ts';

interface Given {
  /** As a spoke's, of the first reader. */
  readonly config: UserConfig;
  readonly url: string;
  readonly address: string;
  readonly readers: readonly { readonly name: string; readonly key: string }[];
}

const limits = { keys: 10_000, logRows: 5_000, bytes: 8_000_000 };
const pace = { tidy: 1_000, check: 30_000 } as const;

const given = JSON.parse(process.env['SNK_BENCH_READERS'] ?? '{}') as Given;
const [declared] = parseConfig(given.config).links as readonly [Link];
const orm = openOrm({ purpose: 'bench', node: 'b', url: given.url, poolMax: 1, prepares: false });
const described = await describeEnd(declared, 'target', orm);
await orm.close(true);

let rows = 0;
const tell = (what: object): void => void process.send?.(what);

async function read(name: string, key: string, nodeId: string): Promise<void> {
  const own: EndDescription = { ...described, nodeId };
  const link: Link = { ...declared, name: `main->${name}`, target: name };
  const hub = new HubLink(
    new HubClient({ kind: 'hub', name: 'main', address: given.address, key, ca: null }),
    link.name,
  );
  const { source } = farEnd(hub);
  await hub.open(link, own);
  const { safe, generation, nonce } = await source.subscribe();
  const bell = new FarBell(hub);
  let standing: Standing = {
    position: { low: safe, high: null, seq: '0', generation, nonce },
    subscriber: { generation, nonce, prevNonce: null },
  };
  tell({ ready: name });
  let [tidyAt, checkAt] = [Infinity, Date.now() + pace.check * (0.5 + Math.random() / 2)];
  const never = new AbortController().signal;
  for (;;) {
    const known = await bell.change(standing.position.low, Math.min(tidyAt, Date.now() + pace.check), never);
    let isThere = known || (await source.peek(standing.position));
    while (isThere) {
      const fence = nextFence({ link: link.name, newNonce: randomUUID }, standing);
      const page = await source.read(standing.position, limits, { fence });
      if (page === null) break;
      const { generation: g, nonce: n } = fence.next;
      standing = {
        position: page.moreInWindow
          ? { ...standing.position, high: page.high, seq: page.lastSeq, generation: g, nonce: n }
          : { low: page.high, high: null, seq: '0', generation: g, nonce: n },
        subscriber: fence.next,
      };
      rows += page.keyCount;
      tell({ read: page.keyCount, at: Date.now(), total: rows });
      tidyAt = Date.now() + pace.tidy;
      isThere = await source.peek(standing.position);
    }
    if (Date.now() >= tidyAt) {
      await source.tidy({ nonce: standing.subscriber.nonce, low: standing.position.low, budget: 0 });
      tidyAt = Infinity;
    }
    if (Date.now() >= checkAt) {
      await source.check();
      checkAt = Date.now() + pace.check;
    }
  }
}

/** A reader's failure is told, and its loop begins anew, as a node's would. */
async function keepReading(name: string, key: string): Promise<void> {
  const nodeId = randomUUID();
  for (;;) {
    await read(name, key, nodeId).catch((error: unknown) => tell({ failed: String(error) }));
    await wait(500);
  }
}

for (const [i, { name, key }] of given.readers.entries()) {
  void keepReading(name, key);
  if (i % 10 === 9) await wait(200);
}
