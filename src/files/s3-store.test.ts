import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { CreateBucketCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { newFolder } from '../../test/support/folder.ts';
import { openS3Server, type S3Server } from '../../test/support/s3-server.ts';
import { S3Store } from './s3-store.ts';

const server: S3Server | string = await openS3Server();
const unavailable = typeof server === 'string';

describe.skipIf(unavailable)(`a bucket${unavailable ? ` (skipped: ${server})` : ''}`, () => {
  const { endpoint, close, env } = server as S3Server;
  const bucket = `pictures-${process.pid}`;
  const before = { ...process.env };
  let client: S3Client;

  beforeAll(async () => {
    Object.assign(process.env, env);
    client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });

  afterAll(async () => {
    client.destroy();
    await close();
    for (const name of Object.keys(env)) process.env[name] = before[name];
  });

  const contentOf = (bytes: Buffer) => ({
    sha256: createHash('sha256').update(bytes).digest('hex'),
    size: bytes.length,
  });
  const ref = (name: string) => ({ dir: 'pictures', name });

  async function newStore(more = {}): Promise<{ store: S3Store; spool: string }> {
    const spool = await newFolder();
    const prefix = `of ${randomBytes(4).toString('hex')}/`;
    const store = new S3Store({ bucket, prefix, endpoint, region: 'us-east-1', ...more }, spool);
    onTestFinished(() => store.close());
    return { store, spool };
  }

  async function put(store: S3Store, name: string, bytes: Buffer): Promise<string> {
    const { sha256, size } = contentOf(bytes);
    for (let at = await store.progress(sha256); at < size;)
      at = await store.write(sha256, { sha256, offset: at, bytes: bytes.subarray(at, at + 1_000_000), size });
    return await store.commit(sha256, ref(name), { sha256, size });
  }

  test.each([
    ['empty', 0],
    ['small', 20_000],
    ['of one part', 5 * 1_048_576],
    ['of several parts', 12_000_000],
  ])('holds a file that is %s, byte for byte', async (_, size) => {
    const { store, spool } = await newStore();
    const bytes = randomBytes(size);
    expect(await put(store, 'a/Ada ~ö آدا.jpg', bytes)).toBe('placed');
    expect((await store.open(ref('a/Ada ~ö آدا.jpg'))).stat.size).toBe(size);
    const parts: Buffer[] = [];
    for (let at = 0; at < size; at += 4_000_000)
      parts.push(await (await store.open(ref('a/Ada ~ö آدا.jpg'))).read(at, 4_000_000));
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    expect(await (await store.open(ref('a/Ada ~ö آدا.jpg'))).read(size + 1, 10)).toHaveLength(0);
    expect(await Array.fromAsync(store.list('pictures'))).toEqual(['a/Ada ~ö آدا.jpg']);
    expect(await readdir(spool)).toEqual([]);
  });

  test('says of each file what its content is', async () => {
    const { store } = await newStore({ prefix: 'known' });
    const bytes = Buffer.from('ada');
    await put(store, 'ada.jpg', bytes);
    const { Metadata } = await client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: 'known/pictures/ada.jpg' }),
    );
    expect(Metadata).toEqual({ 'snk-sha256': contentOf(bytes).sha256 });
  });

  test('never writes over a file, and has another stamp for another content', async () => {
    const { store } = await newStore();
    expect(await put(store, 'ada.jpg', Buffer.from('one'))).toBe('placed');
    const { stamp } = (await store.open(ref('ada.jpg'))).stat;
    expect(await put(store, 'ada.jpg', Buffer.from('two'))).toBe('taken');
    expect(await (await store.open(ref('ada.jpg'))).read(0, 9)).toEqual(Buffer.from('one'));
    await store.delete(ref('ada.jpg'));
    await store.delete(ref('ada.jpg'));
    await expect(store.open(ref('ada.jpg'))).rejects.toMatchObject({ fault: { code: 'SNK_FILE_MISSING' } });
    expect(await put(store, 'ada.jpg', Buffer.from('two'))).toBe('placed');
    expect((await store.open(ref('ada.jpg'))).stat.stamp).not.toBe(stamp);
  });

  test('gets nothing of what is broken or not whole', async () => {
    const { store } = await newStore();
    await store.write('k', { sha256: '', offset: 0, bytes: Buffer.from('xy'), size: 3 });
    expect(await store.commit('k', ref('a'), contentOf(Buffer.from('ada')))).toBe('short');
    await store.write('k', { sha256: '', offset: 2, bytes: Buffer.from('z'), size: 3 });
    expect(await store.commit('k', ref('a'), contentOf(Buffer.from('ada')))).toBe('broken');
    expect(await Array.fromAsync(store.list('pictures'))).toEqual([]);
  });

  test('that is not there is waited for, and a name that leads out refused', async () => {
    const { store } = await newStore({ bucket: `no-${bucket}` });
    await expect(store.open(ref('x'))).rejects.toMatchObject({ code: 'SNK_FILE_STORE', fate: 'retry' });
    await expect(store.open(ref('../x'))).rejects.toMatchObject({ fault: { code: 'SNK_FILE_NAME' } });
    await expect(store.commit('k', ref('a/../x'), contentOf(Buffer.alloc(0)))).rejects.toMatchObject({
      fault: { code: 'SNK_FILE_NAME' },
    });
  });
});
