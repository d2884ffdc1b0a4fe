/**
 * The fence: one row in the source that is durable before the target commits.
 *
 * Visible is not durable. With synchronous_commit = off a reader sees rows that a crash then erases, and the next
 * transaction is given the same xid and sequence number. The commit record of this update comes after the commit
 * record of all that the window saw, so flushing the one flushes the other. It also chains the two sides, says what
 * of the log may be purged, and keeps two processes apart: it moves by compare-and-set, and only its holder commits.
 */
import { SnkError } from '../errors.ts';
import type { EntityManager } from '../db/orm.ts';
import { durableCommit } from '../db/durable.ts';
import { prepared } from '../db/prepared.ts';
import { query } from '../db/query.ts';

export interface Subscriber {
  readonly generation: string;
  readonly nonce: string;
  readonly prevNonce: string | null;
}

export interface StoredSubscriber extends Subscriber {
  /** Snapshot that the target was said to hold: the log below it may be gone. */
  readonly safe: string;
  /** `begun`: not yet to be used; `expired`: the log beyond `safe` may be gone as well; `renewed`: it begins anew, at generation 0. */
  readonly standing: 'begun' | 'kept' | 'expired' | 'renewed';
}

export interface Fence {
  readonly link: string;
  /** The subscriber as last seen by this process: a late fence of a process that was overtaken must not land. */
  readonly expected: Subscriber;
  readonly next: Subscriber;
  /** Snapshot that the target holds durably: the log below it may be purged. */
  readonly safe: string;
}

export async function loadSubscriber(em: EntityManager, link: string): Promise<StoredSubscriber | null> {
  const rows = await query<StoredSubscriber>(
    em,
    `select generation::text as generation, nonce::text as nonce, prev_nonce::text as "prevNonce", safe::text as safe, standing from snk.subscriber where link = $1`,
    [link],
  );
  return rows[0] ?? null;
}

/**
 * Raises the fence if `condition` holds, as the CTEs `durable` and `raised` of a statement that is a transaction of its
 * own. Binds: see fenceBinds.
 */
export function fenceCtes(firstBind: number, condition: string): string {
  const bind = (i: number) => `$${firstBind + i}`;
  return `durable as materialized (
  select ${durableCommit}
),
raised as (
  update snk.subscriber s
  set generation = ${bind(3)}::bigint, nonce = ${bind(4)}::uuid, prev_nonce = ${bind(5)}::uuid,
    safe = ${bind(6)}::pg_snapshot, updated_at = clock_timestamp()
  from durable
  where s.link = ${bind(0)}
    and s.generation = ${bind(1)}::bigint
    and s.nonce = ${bind(2)}::uuid
    and (${condition})
  returning 1
)`;
}

export function fenceBinds({ link, expected, next, safe }: Fence): readonly (string | null)[] {
  return [link, expected.generation, expected.nonce, next.generation, next.nonce, next.prevNonce, safe];
}

const fenceText = prepared(`
with ${fenceCtes(1, 'true')}
select 1 as raised from raised`);

/** Resolves when the fence is on disk. Throws SNK_OVERTAKEN when another process has moved the fence meanwhile. */
export async function raiseFence(em: EntityManager, fence: Fence): Promise<void> {
  if ((await query(em, fenceText, fenceBinds(fence))).length !== 1) throw overtaken(fence.link);
}

const fencesText = prepared(`
with durable as materialized (
  select ${durableCommit}
)
update snk.subscriber s
set generation = f.generation, nonce = f.nonce, prev_nonce = f.prev_nonce, safe = f.safe, updated_at = clock_timestamp()
from durable
cross join unnest($1::text[], $2::bigint[], $3::uuid[], $4::bigint[], $5::uuid[], $6::uuid[], $7::pg_snapshot[])
  as f (link, expected, expected_nonce, generation, nonce, prev_nonce, safe)
where s.link = f.link
  and s.generation = f.expected
  and s.nonce = f.expected_nonce
returning s.nonce::text as nonce`);

/** Those of several links at once; answers the nonces of the ones that stand, on disk. */
export async function raiseFences(em: EntityManager, fences: readonly Fence[]): Promise<ReadonlySet<string>> {
  const all = fences.map(fenceBinds);
  const binds = Array.from({ length: 7 }, (_, i) => all.map((each) => each[i] ?? null));
  return new Set((await query<{ nonce: string }>(em, fencesText, binds)).map(({ nonce }) => nonce));
}

export function overtaken(link: string): SnkError {
  return new SnkError('SNK_OVERTAKEN', `link ${link}: another process has moved its fence`, {
    fate: 'retry',
  });
}

/** Tells the source, without moving the chain, that everything up to `safe` is in the target: purge may follow. */
export async function acknowledge(
  em: EntityManager,
  link: string,
  nonce: string,
  safe: string,
): Promise<void> {
  await query(
    em,
    `update snk.subscriber set safe = $3::pg_snapshot, updated_at = clock_timestamp() where link = $1 and nonce = $2::uuid`,
    [link, nonce, safe],
  );
}
