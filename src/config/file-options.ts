/** What a configuration says of files (pure). */
import { resolve } from 'node:path';
import { z } from 'zod';
import type { FilePlace } from '../topology/file-place.ts';
import { duration } from './duration.ts';

const folder = z.string().regex(/^[^\0]+$/, 'wanted a folder');
const options = {
  /** How long a file that no row names any more stays. After it was brought it stays a day in any case: its row may be under way. */
  grace: duration.default(7 * 24 * 3_600_000),
};
const s3 = z.strictObject({
  bucket: z.string().regex(/^[^\0/]{1,255}$/, 'wanted the name of a bucket'),
  prefix: z
    .string()
    .regex(/^[^\0]{0,512}$/, 'wanted a text before all names')
    .optional(),
  endpoint: z.url({ protocol: /^https?$/, error: 'wanted an address such as https://host:9000' }).optional(),
  region: z.string().min(1).optional(),
  pathStyle: z.boolean().optional(),
});

/** `'./folder'`, `{ dir, grace }` or `{ s3: { bucket, … }, spool, grace }`. */
export const filePlace = z.union(
  [
    folder,
    z.strictObject({ dir: folder, ...options }),
    z.strictObject({ s3, spool: folder.optional(), ...options }),
  ],
  { error: "wanted a folder, { dir: '…' } or { s3: { bucket: '…' } }" },
);

/** Folders are looked for from where the configuration is. */
export function placedFiles(given: z.output<typeof filePlace>, directory: string): FilePlace {
  if (typeof given === 'string')
    return placedFiles({ dir: given, grace: options.grace.parse(undefined) }, directory);
  const { grace } = given;
  if ('dir' in given) return { dir: resolve(directory, given.dir), s3: null, spool: null, grace };
  const spool = given.spool === undefined ? null : resolve(directory, given.spool);
  return { dir: null, s3: given.s3, spool, grace };
}

/** A flow's folder stands below those of nodes, whatever these are. */
export function folderFault(text: string): string | null {
  const isBelow = text
    .split('/')
    .every((part) => /^[^\p{Cc}\\:]{1,200}$/u.test(part) && !/^\.{1,2}$|^\.snk$|[. ]$/i.test(part));
  return isBelow ? null : "wanted a folder below each node's place for files, as 'pictures'";
}

export const fileColumns = z.record(
  z.string().regex(/^[^\0]{1,63}$/, 'wanted the name of a column'),
  z.strictObject({
    dir: z.string().superRefine((text, context) => {
      const fault = folderFault(text);
      if (fault !== null) context.addIssue({ code: 'custom', message: fault });
    }),
    /** A row that names a larger file is parked. */
    maxBytes: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  }),
);
