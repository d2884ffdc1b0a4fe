/** The entities of schema `snk`; the migrations make their tables, a test holds the two together. */
import { Backfill } from './backfill.ts';
import { ChangeLog } from './change-log.ts';
import { Cursor } from './cursor.ts';
import { Ledger } from './ledger.ts';
import { NodeIdentity } from './node-identity.ts';
import { Subscriber } from './subscriber.ts';

export const entities = [NodeIdentity, ChangeLog, Subscriber, Cursor, Ledger, Backfill];
