/** How a link fares one end of which is behind a hub: what stands here, and what the hub says of the rest. */
import { isHeld, linkLockSpace } from '../db/link-lock-space.ts';
import type { EntityManager } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import { loadSubscriber } from '../read/fence.ts';
import type { Link } from '../topology/topology.ts';
import {
  notAttached,
  readPending,
  readTargetFacts,
  statusOf,
  unreachable,
  type LinkStatus,
  type Pending,
  type TargetFacts,
} from './link-status.ts';

/** A hub, asked about its end of a link; both reject where it does not answer. */
export interface FarLooks {
  /** Of a link whose source is the hub's. */
  isThere(link: Link): Promise<unknown>;
  pending(link: Link, facts: Pick<TargetFacts, 'low' | 'seq' | 'high'>): Promise<Pending>;
  standing(link: Link): Promise<TargetFacts | null>;
}

const notAsked = async (): Promise<never> =>
  await Promise.reject(new SnkError('SNK_UNREACHABLE', 'no hub is asked', { fate: 'retry' }));

export const nobodyAnswers: FarLooks = { isThere: notAsked, pending: notAsked, standing: notAsked };

export interface FarStatus {
  readonly status: LinkStatus;
  /** The hub did. */
  readonly answered: boolean;
}

const nobodyKnows: Pending = { pendingRows: null, lagMs: null, capturing: true };

/** The source is the hub's. */
export async function pullStatus(link: Link, target: EntityManager, far: FarLooks): Promise<FarStatus> {
  const facts = await readTargetFacts(target, link.name);
  if (facts === null) {
    // Whether the hub is there is worth knowing all the same.
    const { answered } = await answerOf(far.isThere(link));
    return { status: notAttached(link), answered };
  }
  const asked = await answerOf(far.pending(link, facts));
  if (asked.answered) return { status: statusOf(link, facts, asked.answer), answered: true };
  return { status: withoutHub(statusOf(link, facts, nobodyKnows), asked.error), answered: false };
}

/** The target is the hub's. */
export async function pushStatus(link: Link, source: EntityManager, far: FarLooks): Promise<FarStatus> {
  const [asked, subscriber, { running }] = await Promise.all([
    answerOf(far.standing(link)),
    loadSubscriber(source, link.name),
    queryOne<{ running: boolean }>(source, `select ${isHeld('$1', 2)} as running`, [
      link.name,
      linkLockSpace,
    ]),
  ]);
  if (asked.answered) {
    if (asked.answer === null) return { status: { ...notAttached(link), running }, answered: true };
    const facts = { ...asked.answer, running };
    return { status: statusOf(link, facts, await readPending(source, link, facts)), answered: true };
  }
  // Up to there the hub has said that it holds all; a little more may be there.
  const { pendingRows, lagMs } =
    subscriber === null
      ? nobodyKnows
      : await readPending(source, link, { low: subscriber.safe, seq: '0', high: null });
  const status = withoutHub({ ...unreachable(link), pendingRows, lagMs, running }, asked.error);
  return { status, answered: false };
}

/** What stands in the way of both sides is said; that one of them is away is said by the state. */
function withoutHub(status: LinkStatus, error: SnkError | null): LinkStatus {
  const { state, lastError } = status;
  const told =
    error === null || error.fate === 'retry'
      ? null
      : { code: error.code, message: error.message, hint: error.hint ?? null };
  return {
    ...status,
    state: state === 'paused' ? state : 'unreachable',
    lastError: lastError ?? told,
  };
}

type Asked<Answer> =
  | { readonly answered: true; readonly answer: Answer }
  | { readonly answered: false; readonly error: SnkError | null };

async function answerOf<Answer>(asking: Promise<Answer>): Promise<Asked<Answer>> {
  try {
    return { answered: true, answer: await asking };
  } catch (error) {
    return { answered: false, error: error instanceof SnkError ? error : null };
  }
}
