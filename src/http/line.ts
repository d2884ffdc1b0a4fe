/** Requests that wait for their turn: so many have it at once, and of those nobody more than a part. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { whenOver } from './over.ts';
import { Places, type Bounds } from './places.ts';

interface Waiting {
  readonly who: string;
  readonly begin: (leave: () => void) => void;
}

export class Line {
  readonly #bounds: Bounds;
  readonly #places = new Places();
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Returns what ends the turn, which ends at the latest when the request is over; null: it is over already. */
  async turn(request: FastifyRequest, reply: FastifyReply): Promise<(() => void) | null> {
    // Who is let in says with each request who he is, and no two say the same; how the word before it is written says nothing.
    const who = (request.headers.authorization ?? '').replace(/^\S* /, '');
    let isOver = false;
    const leave = await new Promise<() => void>((resolve) => {
      let end = (): void => undefined;
      const one: Waiting = {
        who,
        begin: (leave) => {
          end = leave;
          resolve(leave);
        },
      };
      this.#waiting.add(one);
      this.#advance();
      whenOver(request, reply, () => {
        isOver = true;
        // One that is gone is not kept until its turn would have come.
        if (this.#waiting.delete(one)) resolve(end);
        end();
      });
    });
    return isOver ? null : leave;
  }

  #advance(): void {
    for (const one of this.#waiting) {
      if (this.#places.take(one.who, 1, this.#bounds)) {
        this.#waiting.delete(one);
        one.begin(this.#leaver(one.who));
      } else this.#places.giveBack(one.who, 1);
    }
  }

  #leaver(who: string): () => void {
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#places.giveBack(who, 1);
      this.#advance();
    };
  }
}
