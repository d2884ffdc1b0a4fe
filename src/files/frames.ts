/** Parts of contents as they cross a connection: one after the other, each with what it is a part of (pure). */
import type { Chunk } from './file-ends.ts';

export interface Frame extends Chunk {
  /** Of the whole content. */
  readonly size: number;
}

const hashBytes = 32;
const numberBytes = 6;
const lengthBytes = 4;
export const headBytes = hashBytes + 2 * numberBytes + lengthBytes;

export function encodeFrame({ sha256, size, offset, bytes }: Frame): Buffer[] {
  const head = Buffer.alloc(headBytes);
  head.write(sha256, 'hex');
  head.writeUIntBE(size, hashBytes, numberBytes);
  head.writeUIntBE(offset, hashBytes + numberBytes, numberBytes);
  head.writeUInt32BE(bytes.length, hashBytes + 2 * numberBytes);
  return [head, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)];
}

/** Null where it is no sequence of frames, or one that does not fit into its content. */
export function decodeFrames(body: Buffer): Frame[] | null {
  const frames: Frame[] = [];
  for (let at = 0; at < body.length;) {
    if (body.length - at < headBytes) return null;
    const sha256 = body.toString('hex', at, at + hashBytes);
    const size = body.readUIntBE(at + hashBytes, numberBytes);
    const offset = body.readUIntBE(at + hashBytes + numberBytes, numberBytes);
    const length = body.readUInt32BE(at + hashBytes + 2 * numberBytes);
    at += headBytes;
    if (length === 0 || length > body.length - at || offset + length > size) return null;
    frames.push({ sha256, size, offset, bytes: body.subarray(at, at + length) });
    at += length;
  }
  return frames;
}
