/** An HTTP proxy on loopback that loses, cuts, repeats, delays and reorders what passes, by a seed. */
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export interface Chaos {
  readonly seed: number;
  /** Of a hundred requests, those to which something happens. */
  readonly percent: number;
  /** Milliseconds that something is late, at the most. */
  readonly late: number;
}

const faults = [
  'request lost',
  'answer lost',
  'request cut',
  'answer cut',
  'request late, its sender gone',
  'request twice at once',
  'request once more, later',
  'delay',
] as const;
export type ChaosFault = (typeof faults)[number];

interface Asked {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export class ChaosProxy {
  readonly counts = new Map<ChaosFault | 'untouched', number>();
  /** Where there is none, nobody answers. */
  target: string | null;
  /** False: all passes as it is. */
  isOn = true;
  readonly #chaos: Chaos;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #later = new Set<Promise<unknown>>();
  readonly #ending = new AbortController();
  readonly #server = createServer((asked, reply) => {
    this.#pass(asked, reply).catch(() => reply.destroy());
  });
  #state: number;

  constructor(target: string, chaos: Chaos) {
    this.target = target;
    this.#chaos = chaos;
    this.#state = chaos.seed >>> 0;
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await new Promise((resolve) => this.#server.once('listening', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#agent.destroy();
    await Promise.allSettled(this.#later);
  }

  async #pass(incoming: IncomingMessage, reply: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const asked = { url: incoming.url ?? '/', headers: incoming.headers, body: Buffer.concat(chunks) };
    const gone = new AbortController();
    reply.once('close', () => gone.abort());
    const fault = this.#fault();
    this.counts.set(fault ?? 'untouched', (this.counts.get(fault ?? 'untouched') ?? 0) + 1);
    const late = this.#chaos.late * this.#random();
    switch (fault) {
      case 'request lost':
        return void reply.destroy();
      case 'answer lost':
        await this.#ask(asked, gone.signal);
        return void reply.destroy();
      case 'request cut':
        await this.#cutRequest(asked);
        return void reply.destroy();
      case 'answer cut':
        return cutAnswer(reply, await this.#ask(asked, gone.signal), this.#random());
      case 'request late, its sender gone':
        this.#after(late, asked);
        return void reply.destroy();
      case 'request twice at once': {
        const both = [this.#ask(asked, gone.signal), this.#ask(asked, gone.signal)] as const;
        both[1].catch(() => undefined);
        both[0].catch(() => undefined);
        return whole(reply, await both[this.#random() < 0.5 ? 0 : 1]);
      }
      case 'request once more, later': {
        const first = await this.#ask(asked, gone.signal);
        this.#after(late, asked);
        return whole(reply, first);
      }
      case 'delay':
        await wait(Math.min(late, 400), undefined, { signal: this.#ending.signal });
        return whole(reply, await this.#ask(asked, gone.signal));
      default:
        return whole(reply, await this.#ask(asked, gone.signal));
    }
  }

  #fault(): ChaosFault | undefined {
    const isFault = this.#random() * 100 < this.#chaos.percent;
    const place = Math.floor(this.#random() * faults.length);
    return isFault && this.isOn ? faults[place] : undefined;
  }

  /** Mulberry32. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A second time, or for the first, when nobody waits for it any more. */
  #after(milliseconds: number, asked: Asked): void {
    const signal = this.#ending.signal;
    const sent = wait(milliseconds, undefined, { signal })
      .then(async () => await this.#ask(asked, AbortSignal.any([signal, AbortSignal.timeout(20_000)])))
      .catch(() => undefined)
      .finally(() => this.#later.delete(sent));
    this.#later.add(sent);
  }

  async #ask({ url, headers, body }: Asked, signal: AbortSignal): Promise<Answered> {
    const { promise, resolve, reject } = Promise.withResolvers<Answered>();
    const asking = request(
      new URL(url, this.#where()),
      { method: 'POST', headers: { ...headers, connection: 'keep-alive' }, agent: this.#agent, signal },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.once('error', reject);
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    asking.once('error', reject);
    asking.end(body);
    return await promise;
  }

  async #cutRequest({ url, headers, body }: Asked): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const asking = request(new URL(url, this.#where()), { method: 'POST', headers, agent: false });
    asking.once('error', () => resolve());
    asking.once('response', (answer) => answer.resume().once('end', resolve).once('error', resolve));
    asking.write(body.subarray(0, Math.floor(body.length / 2)), () => {
      asking.destroy();
      resolve();
    });
    await promise;
  }

  #where(): string {
    if (this.target === null) throw new Error('nobody is there');
    return this.target;
  }
}

function whole(reply: ServerResponse, { status, headers, body }: Answered): void {
  reply.writeHead(status, headers).end(body);
}

function cutAnswer(reply: ServerResponse, { status, headers, body }: Answered, part: number): void {
  reply.writeHead(status, headers);
  reply.write(body.subarray(0, Math.floor(body.length * part)), () => reply.destroy());
}
