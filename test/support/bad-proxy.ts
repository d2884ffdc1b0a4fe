import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { opened } from './leftovers.ts';

export type Mishap = 'lost' | 'no-answer' | 'cut' | 'twice' | 'late';

export interface BadProxy {
  readonly url: string;
  /** How often each has happened. */
  readonly mishaps: Readonly<Record<Mishap, number>>;
  /** From now on requests go there. */
  to(upstream: string): void;
  close(): Promise<void>;
}

const kinds: readonly Mishap[] = ['lost', 'no-answer', 'cut', 'twice', 'late'];

/**
 * Passes requests on, and to so many of a hundred something happens: they are lost, their answer is lost or
 * cut in the middle of its body, they are made twice, or come after those that follow.
 */
export async function openBadProxy(first: string, percent: number, seed = 1): Promise<BadProxy> {
  let upstream = first;
  const random = xoroshiro128plus(seed);
  const mishaps: Record<Mishap, number> = { lost: 0, 'no-answer': 0, cut: 0, twice: 0, late: 0 };
  const draw = (): Mishap | null => {
    if (uniformInt(random, 1, 100) > percent) return null;
    const kind = kinds[uniformInt(random, 0, kinds.length - 1)] as Mishap;
    mishaps[kind] += 1;
    return kind;
  };
  const server = createServer((incoming, outgoing) => {
    void handle(upstream, incoming, outgoing, draw()).catch(() => outgoing.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => await closed(server);
  const noted = opened('bad proxy', close);
  return {
    url: `http://127.0.0.1:${port}`,
    mishaps,
    to: (other) => {
      upstream = other;
    },
    close: async () => {
      noted();
      await close();
    },
  };
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((done) => void server.close(() => done()));
}

async function handle(
  upstream: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  mishap: Mishap | null,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part);
  const body = Buffer.concat(parts);
  if (mishap === 'lost') return void outgoing.destroy();
  if (mishap === 'late') await wait(30);
  const pass = async (): Promise<{ answer: IncomingMessage; text: Buffer }> =>
    await new Promise((resolve, reject) => {
      const headers = { ...incoming.headers, host: new URL(upstream).host, connection: 'close' };
      const out = request(new URL(incoming.url ?? '/', upstream), { method: incoming.method, headers });
      out.on('error', reject);
      out.on('response', (answer) => {
        const got: Buffer[] = [];
        answer.on('data', (part: Buffer) => got.push(part));
        answer.on('end', () => resolve({ answer, text: Buffer.concat(got) }));
        answer.on('error', reject);
      });
      out.end(body);
    });
  const both = mishap === 'twice' ? [pass(), pass()] : [pass()];
  const [{ answer, text }] = (await Promise.all(both)) as [Awaited<ReturnType<typeof pass>>];
  if (mishap === 'no-answer') return void outgoing.destroy();
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
  if (mishap !== 'cut' || text.length < 2) return void outgoing.end(text);
  outgoing.write(text.subarray(0, text.length / 2), () => outgoing.destroy());
}
