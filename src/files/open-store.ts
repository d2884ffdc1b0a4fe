/** A node's place for files, opened once per process and thread. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FilePlace } from '../topology/file-place.ts';
import { DirectoryStore } from './directory-store.ts';
import type { FileStore } from './file-store.ts';
import { S3Store } from './s3-store.ts';

const stores = new Map<string, FileStore>();

/** Opens no connection. */
export function openStore({ dir, s3, spool }: FilePlace): FileStore {
  const key = JSON.stringify([dir, s3, spool]);
  let store = stores.get(key);
  if (store === undefined) {
    store = s3 === null ? new DirectoryStore(dir ?? '.') : new S3Store(s3, spool ?? defaultSpool(key));
    stores.set(key, store);
  }
  return store;
}

/** The same after a restart, so that what had arrived is not sent again. */
function defaultSpool(key: string): string {
  return join(tmpdir(), `snk-spool-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`);
}
