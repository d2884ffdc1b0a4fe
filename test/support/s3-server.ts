import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface S3Server {
  readonly endpoint: string;
  /** The keys, as the SDK takes them. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * A server that speaks S3: the one at SNK_TEST_S3_ENDPOINT (with its keys in the environment), or one that npm installs.
 * A sentence where there is none.
 */
export async function openS3Server(): Promise<S3Server | string> {
  const given = process.env.SNK_TEST_S3_ENDPOINT;
  if (given !== undefined) return { endpoint: given, env: {}, close: async () => undefined };
  const S3rver = await import('s3rver').then(
    (module) => module.default,
    () => null,
  );
  if (S3rver === null)
    return 'no S3-compatible server: npm has not installed s3rver, and SNK_TEST_S3_ENDPOINT names none';
  const directory = await mkdtemp(join(tmpdir(), 'snk-s3-'));
  const server = new S3rver({ address: '127.0.0.1', port: 0, silent: true, directory });
  const { port } = await server.run();
  return {
    endpoint: `http://127.0.0.1:${port}`,
    env: { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' },
    close: async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
