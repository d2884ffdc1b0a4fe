/** The protocol between a node and its hub: what may be asked of an end of a link, and what is answered (pure). */
import { z } from 'zod';
import {
  moment,
  digits,
  count,
  flow,
  list,
  key,
  bounds,
  position,
  storedSubscriber,
  fence,
  baseline,
  standing,
  page,
  step,
  batch,
  care,
  written,
  parkedEntry,
  extent,
  summary,
  gate,
  copyState,
  operation,
  nothing,
  problem,
} from './shapes.ts';
import { keepingOperations } from './keeping-operations.ts';
import { standingOperations } from './standing-operations.ts';
import { description, snapshot, uuid } from './words.ts';

/** Raised with what is no more understood by those who speak an earlier one. */
export const protocol = 2;

/** Bytes of a body, unpacked. A page is bounded by its reader well below this; a single statement's rows may come to more. */
export const largestBody = 64 * 1_048_576;

/** Rows of one statement are read as a whole, and their texts are no longer than this. */
export const largestAnswer = 512 * 1_048_576;

interface Shape {
  /** The end that has to be the hub's. */
  readonly end: 'source' | 'target' | 'either';
  readonly says: string;
  readonly request: z.ZodType;
  readonly answer: z.ZodType;
}

/** `open` comes first and gives the session under which all others are asked. */
export const operations = {
  open: {
    end: 'either',
    says: 'Opens a link: tells the hub what the other end is, and answers what the hub has.',
    request: z.strictObject({
      protocol: z.number().int(),
      link: z.string().max(1_000_000),
      own: description,
    }),
    answer: z.object({ session: uuid, description }),
  },
  subscriber: {
    end: 'source',
    says: 'The fence of the link, as it stands.',
    request: nothing,
    answer: storedSubscriber.nullable(),
  },
  subscribe: {
    end: 'source',
    says: 'Begins the link: from the snapshot that is answered on, all changes are kept for it.',
    request: nothing,
    answer: baseline,
  },
  'reverse-begun': {
    end: 'source',
    says: 'Whether the other direction has its cursor here.',
    request: nothing,
    answer: z.boolean(),
  },
  renew: {
    end: 'source',
    says: 'Begins a link anew for which the log has not been kept.',
    request: nothing,
    answer: baseline,
  },
  raise: { end: 'source', says: 'Raises the fence.', request: z.strictObject({ fence }), answer: nothing },
  wait: {
    end: 'source',
    says: 'Answers as soon as something waits, or when the time is over; with `check`, as of that name, then.',
    request: z.strictObject({
      low: snapshot,
      milliseconds: z.number().int().min(0).max(60_000),
      check: z.boolean(),
    }),
    answer: z.boolean(),
  },
  read: {
    end: 'source',
    says: 'The next page, behind the fence that is raised with it; null when nothing waits.',
    request: z.strictObject({
      position,
      limits: z.strictObject({
        keys: z.number().int().min(1).max(100_000),
        logRows: z.number().int().min(1).max(100_000),
        bytes: z.number().optional(),
      }),
      fence: fence.nullable(),
    }),
    answer: page.nullable(),
  },
  'count-rows': {
    end: 'source',
    says: 'Rows of a table.',
    request: z.strictObject({ flow }),
    answer: digits,
  },
  'hash-range': {
    end: 'either',
    says: 'How many rows a range of keys holds, and a hash of them.',
    request: z.strictObject({ flow, bounds, mostRows: count.nullable() }),
    answer: summary,
  },
  'fitting-range': {
    end: 'source',
    says: 'The begin of a range, of no more than so many bytes.',
    request: z.strictObject({ flow, bounds, mostBytes: z.number().min(1) }),
    answer: extent,
  },
  'read-range': {
    end: 'source',
    says: 'The rows of a range, but for those whose hashes are given.',
    request: z.strictObject({ flow, bounds, hashes: list.nullable(), low: snapshot }),
    answer: z.looseObject({ snapshot, count }),
  },
  'list-hashes': {
    end: 'target',
    says: 'The hash of each row of a range.',
    request: z.strictObject({ flow, bounds }),
    answer: list,
  },
  missing: {
    end: 'source',
    says: 'Of some keys, places of those for which there is no row.',
    request: z.strictObject({ flow, keys: z.array(key).max(10_000) }),
    answer: z.array(count),
  },
  'list-keys': {
    end: 'target',
    says: 'The first keys of a range.',
    request: z.strictObject({ flow, bounds, most: z.number().int().min(1).max(10_000) }),
    answer: z.array(key),
  },
  'begin-anew': {
    end: 'target',
    says: 'Puts the cursor where the link begins anew; all rows are compared once more.',
    request: z.strictObject({ nonce: uuid, baseline }),
    answer: nothing,
  },
  'log-again': {
    end: 'source',
    says: 'Has rows carried once more; null for those of which nothing can come any more.',
    request: z.strictObject({ flow, keys: z.array(key).max(1_000) }),
    answer: z.array(operation.nullable()),
  },
  'tidy-source': {
    end: 'source',
    says: 'Tells how far the target is, so that the log may be purged.',
    request: z.strictObject({ nonce: uuid, low: snapshot }),
    answer: z.object({ more: z.boolean(), gate }),
  },
  cursor: {
    end: 'target',
    says: 'The cursor of the link.',
    request: nothing,
    answer: position.extend({ state: z.enum(['running', 'paused', 'stopped']), sourceNode: uuid }).nullable(),
  },
  attach: {
    end: 'target',
    says: 'Gives the link its place.',
    request: z.strictObject({ baseline: baseline.nullable() }),
    answer: nothing,
  },
  adopt: {
    end: 'target',
    says: 'Lets the cursor stand under a fence that is one ahead of it.',
    request: z.strictObject({ position, fence: z.object({ generation: digits, nonce: uuid }) }),
    answer: position,
  },
  apply: {
    end: 'target',
    says: 'Writes a page behind a fence that has been raised; the cursor moves in the same transaction.',
    request: z.strictObject({ standing, batch, care, fence }),
    answer: written.extend({ standing, care }),
  },
  'apply-beside': {
    end: 'target',
    says: 'Writes one of several ranges of a first copy, all behind one fence.',
    request: z.strictObject({ from: position, generation: digits, batch }),
    answer: written,
  },
  'pending-copies': {
    end: 'target',
    says: 'First copies to be made.',
    request: nothing,
    answer: z.array(flow),
  },
  'copy-state': {
    end: 'target',
    says: 'How far one is.',
    request: z.strictObject({ flow }),
    answer: copyState,
  },
  estimate: {
    end: 'target',
    says: 'Notes how many rows a first copy is of.',
    request: z.strictObject({ flow, rows: digits }),
    answer: nothing,
  },
  'pass-over': {
    end: 'target',
    says: 'A range was equal.',
    request: z.strictObject({ step }),
    answer: nothing,
  },
  finish: {
    end: 'target',
    says: 'A first copy is done.',
    request: z.strictObject({ flow, position: key.nullable(), begun: moment }),
    answer: nothing,
  },
  'copy-anew': {
    end: 'target',
    says: 'First copies begin anew.',
    request: z.strictObject({ before: digits, closures: digits }),
    answer: nothing,
  },
  ...keepingOperations,
  'has-parked': { end: 'target', says: 'Whether rows are parked.', request: nothing, answer: z.boolean() },
  parked: { end: 'target', says: 'Some of them.', request: nothing, answer: z.array(parkedEntry) },
  'put-off': {
    end: 'target',
    says: 'They are on their way once more.',
    request: z.strictObject({ entries: z.array(parkedEntry).max(1_000) }),
    answer: nothing,
  },
  'give-up': {
    end: 'target',
    says: 'Nothing will come of them.',
    request: z.strictObject({ entries: z.array(parkedEntry).max(1_000) }),
    answer: nothing,
  },
  'tidy-target': { end: 'target', says: 'Purges the ledger.', request: nothing, answer: digits },
  check: { end: 'either', says: 'Whether the tables are what they were.', request: nothing, answer: nothing },
  clock: { end: 'either', says: 'Milliseconds since the epoch.', request: nothing, answer: z.number() },
  ...standingOperations,
  'count-parked': { end: 'target', says: 'How many rows are parked.', request: nothing, answer: count },
  mark: { end: 'source', says: 'The snapshot as it is now.', request: nothing, answer: snapshot },
  'record-state': {
    end: 'target',
    says: 'What is told of the link.',
    request: z.strictObject({ state: z.enum(['running', 'stopped']), error: problem.nullable() }),
    answer: nothing,
  },
  'record-begin': { end: 'target', says: 'The link is at work.', request: nothing, answer: nothing },
  'record-end': {
    end: 'target',
    says: 'All that there was has been carried.',
    request: z.strictObject({ every: count.nullable() }),
    answer: nothing,
  },
} as const satisfies Record<string, Shape>;

export type Operations = typeof operations;
export type OperationName = keyof Operations;
export type RequestOf<Name extends OperationName> = z.output<Operations[Name]['request']>;
export type AnswerOf<Name extends OperationName> = z.output<Operations[Name]['answer']>;

export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(operations, name);
}
