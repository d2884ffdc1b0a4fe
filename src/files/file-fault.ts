/** What is wrong with one file, so that the row that names it is set aside; anything else that goes wrong is an SnkError. */
import { SnkError } from '../errors.ts';

export interface FileFault {
  readonly code: 'SNK_FILE_MISSING' | 'SNK_FILE_UNREADABLE' | 'SNK_FILE_TOO_LARGE' | 'SNK_FILE_NAME';
  /** Without the name: it is a row's value. */
  readonly message: string;
}

export class FileError extends Error {
  readonly fault: FileFault;

  constructor(code: FileFault['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.fault = { code, message };
  }
}

export const fileMissing = (cause?: unknown): FileError =>
  new FileError('SNK_FILE_MISSING', 'the file is not there', cause);

export const badName = (why: string, cause?: unknown): FileError =>
  new FileError('SNK_FILE_NAME', `the file's name ${why}`, cause);

export const unreadable = (why: string, cause?: unknown): FileError =>
  new FileError('SNK_FILE_UNREADABLE', `the file cannot be read: ${why}`, cause);

/** What a store as a whole refuses: it may be full, or away. */
export function storeFault(what: string, cause: unknown): SnkError {
  const reason = (cause as { code?: string; name?: string } | null)?.code ?? (cause as Error | null)?.name;
  return new SnkError('SNK_FILE_STORE', `${what}${reason === undefined ? '' : ` (${reason})`}`, {
    hint: 'See that the folder or bucket is there, has room, and may be read and written.',
    fate: 'retry',
    cause,
  });
}

/** The fault, or what was thrown. */
export function faultOf(error: unknown): FileFault {
  if (error instanceof FileError) return error.fault;
  throw error;
}
