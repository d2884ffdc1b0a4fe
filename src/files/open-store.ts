/** A node's place for files, opened once per process and thread. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BucketOptions, FilePlace } from '../topology/file-place.ts';
import { DirectoryStore } from './directory-store.ts';
import type { FileStore } from './file-store.ts';

const stores = new Map<string, Promise<FileStore>>();

/** Opens no connection. */
export async function openStore({ dir, s3, spool }: FilePlace): Promise<FileStore> {
  const key = JSON.stringify([dir, s3, spool]);
  let store = stores.get(key);
  if (store === undefined) {
    store =
      s3 === null
        ? Promise.resolve(new DirectoryStore(dir ?? '.'))
        : openBucket(s3, spool ?? defaultSpool(key));
    stores.set(key, store);
  }
  return await store;
}

/** The client of buckets takes many megabytes, in every thread: only where there is one. */
async function openBucket(options: BucketOptions, spool: string): Promise<FileStore> {
  const { S3Store } = await import('./s3-store.ts');
  return new S3Store(options, spool);
}

/** The same after a restart, so that what had arrived is not sent again. */
function defaultSpool(key: string): string {
  return join(tmpdir(), `snk-spool-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`);
}
