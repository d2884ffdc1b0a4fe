/** Files in a bucket of an S3-compatible service; what arrives is whole and verified in a folder of this machine before it is sent there. */
import { open } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import type { BucketOptions } from '../topology/file-place.ts';
import { badName, FileError, fileMissing, storeFault, unreadable } from './file-fault.ts';
import type { Committed, Content, FileRef, FileStore, OpenFile, Part } from './file-store.ts';
import { nameFault } from './names.ts';
import { Staging } from './staging.ts';

/** The smallest that all services take, but for the last one. */
const partSize = 5 * 1_048_576;
/** Milliseconds. */
const bucketLasts = 30_000;
const hashKey = 'snk-sha256';

interface Target {
  readonly Bucket: string;
  readonly Key: string;
}

export class S3Store implements FileStore {
  readonly #client: S3Client;
  readonly #options: BucketOptions;
  readonly #staging: Staging;
  #bucketSeenUntil = 0;

  constructor(options: BucketOptions, spool: string) {
    this.#options = options;
    this.#staging = new Staging(spool);
    this.#client = new S3Client({
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint, forcePathStyle: true }),
      ...(options.pathStyle === undefined ? {} : { forcePathStyle: options.pathStyle }),
      region: options.region ?? process.env.AWS_REGION ?? 'us-east-1',
      // Services other than the first one know these not at all, or not yet.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 3,
    });
  }

  /** Buckets are made by others, who know for whom. */
  async prepare(): Promise<void> {}

  async open(ref: FileRef): Promise<OpenFile> {
    const at = this.#at(ref);
    try {
      const { ContentLength = 0, ETag, LastModified } = await this.#client.send(new HeadObjectCommand(at));
      return {
        stat: { size: ContentLength, stamp: `${ETag}-${LastModified?.getTime()}-${ContentLength}` },
        read: async (offset, length) =>
          length === 0 || offset >= ContentLength
            ? Buffer.alloc(0)
            : await this.#read(at, ETag, offset, length),
        // Else it would not have been read.
        isSame: async () => await Promise.resolve(true),
        close: async () => await Promise.resolve(),
      };
    } catch (error) {
      // An answer without a body does not say what is missing.
      if (statusOf(error) === 404) await this.#requireBucket();
      throw readFault(error);
    }
  }

  async #read(at: Target, IfMatch: string | undefined, offset: number, length: number): Promise<Buffer> {
    try {
      const Range = `bytes=${offset}-${offset + length - 1}`;
      const { Body } = await this.#client.send(new GetObjectCommand({ ...at, Range, IfMatch }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if (statusOf(error) === 412) throw unreadable('it is another one meanwhile', error);
      throw readFault(error);
    }
  }

  async progress(key: string): Promise<number> {
    return await this.#staging.progress(key);
  }

  async write(key: string, part: Part): Promise<number> {
    return await this.#staging.write(key, part);
  }

  async commit(key: string, ref: FileRef, content: Content): Promise<Committed> {
    const state = await this.#staging.check(key, content);
    if (state !== 'whole') return state;
    const at = this.#at(ref);
    try {
      // Beside the condition of the write itself, which not every service knows.
      if (await this.#exists(at)) return 'taken';
      await this.#upload(this.#staging.pathOf(key), at, content);
    } catch (error) {
      if (statusOf(error) === 412 || statusOf(error) === 409) return 'taken';
      if (statusOf(error) === 400) throw badName('is refused by the service', error);
      throw storeFault('a file cannot be written', error);
    }
    await this.#staging.drop(key);
    return 'placed';
  }

  /** An object that has been acknowledged is durable. */
  async settle(): Promise<void> {}

  async secure(): Promise<void> {}

  async *list(dir: string): AsyncIterable<string> {
    const { bucket: Bucket } = this.#options;
    const Prefix = this.#at({ dir, name: '' }).Key;
    for (let ContinuationToken: string | undefined; ;) {
      const page = await this.#client
        .send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }))
        .catch((error: unknown) => {
          throw storeFault('the bucket cannot be listed', error);
        });
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key.slice(Prefix.length);
      if (page.IsTruncated !== true) return;
      ContinuationToken = page.NextContinuationToken;
    }
  }

  async delete(ref: FileRef): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand(this.#at(ref)));
    } catch (error) {
      if (statusOf(error) !== 404) throw storeFault('a file cannot be deleted', error);
    }
  }

  async sweep(age: number): Promise<void> {
    await this.#staging.sweep(age);
  }

  close(): void {
    this.#client.destroy();
  }

  #at({ dir, name }: FileRef): Target {
    const fault = nameFault(dir) ?? (name === '' ? null : nameFault(name));
    if (fault !== null) throw badName(fault);
    const { bucket, prefix = '' } = this.#options;
    return { Bucket: bucket, Key: `${prefix === '' ? '' : `${prefix.replace(/\/+$/, '')}/`}${dir}/${name}` };
  }

  async #requireBucket(): Promise<void> {
    if (Date.now() < this.#bucketSeenUntil) return;
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#options.bucket }));
    } catch (error) {
      if (statusOf(error) === 404) throw storeFault('the bucket is not there', error);
    }
    this.#bucketSeenUntil = Date.now() + bucketLasts;
  }

  async #exists(at: Target): Promise<boolean> {
    try {
      await this.#client.send(new HeadObjectCommand(at));
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw error;
    }
  }

  async #upload(path: string, at: Target, { sha256, size }: Content): Promise<void> {
    const Metadata = { [hashKey]: sha256 };
    const file = await open(path, 'r');
    try {
      if (size <= partSize) {
        const Body = await partOf(file, 0, size);
        await this.#client.send(new PutObjectCommand({ ...at, Body, Metadata, IfNoneMatch: '*' }));
        return;
      }
      const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand({ ...at, Metadata }));
      const upload = { ...at, UploadId };
      try {
        const Parts: CompletedPart[] = [];
        for (let offset = 0; offset < size; offset += partSize) {
          const Body = await partOf(file, offset, Math.min(partSize, size - offset));
          const PartNumber = Parts.length + 1;
          const { ETag } = await this.#client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
          Parts.push({ ETag, PartNumber });
        }
        const MultipartUpload = { Parts };
        await this.#client.send(
          new CompleteMultipartUploadCommand({ ...upload, MultipartUpload, IfNoneMatch: '*' }),
        );
      } catch (error) {
        // The service may keep, and charge for, what is neither ended nor aborted.
        await this.#client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
        throw error;
      }
    } finally {
      await file.close();
    }
  }
}

async function partOf(
  file: Awaited<ReturnType<typeof open>>,
  offset: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let have = 0; have < length;) {
    const { bytesRead } = await file.read(bytes, have, length - have, offset + have);
    if (bytesRead === 0) throw new Error('what has arrived became shorter');
    have += bytesRead;
  }
  return bytes;
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;

/** One object that is refused is that row's affair; a service that is away, or refuses everything, is not. */
function readFault(error: unknown): Error {
  if (error instanceof FileError) return error;
  const name = (error as Error | null)?.name;
  if (name === 'NoSuchBucket') return storeFault('the bucket is not there', error);
  if (statusOf(error) === 404) return fileMissing(error);
  if (name === 'InvalidObjectState') return unreadable('it is archived', error);
  return storeFault('the bucket cannot be read', error);
}
