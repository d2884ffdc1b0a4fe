/**
 * The one error base of SNK. A code is stable and documented; a message says what happened, without any row value
 * or secret; a hint says the next step.
 */

/** What becomes of an error: try again, stop the link until a person acts, or end the process. */
export type Fate = 'retry' | 'stop-link' | 'stop-process';

export interface SnkErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly fate?: Fate | undefined;
}

export class SnkError extends Error {
  override readonly name: string = 'SnkError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly fate: Fate;

  constructor(code: string, message: string, options: SnkErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.fate = options.fate ?? 'stop-link';
  }
}

/** One thing that is wrong with a configuration or with what it points at. */
export interface Fault {
  readonly code: string;
  /** Where: a path in the configuration (`links[0].tables[1]`) or an object (`a: public.record`). */
  readonly at: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** All faults of a configuration at once: nothing has been written when it is thrown. */
export class FaultsError extends SnkError {
  override readonly name = 'FaultsError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    const first = faults[0];
    const rest = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
    super(first?.code ?? 'SNK_FAULTS', `${first?.at}: ${first?.message}${rest}`, {
      hint: first?.hint,
      fate: 'stop-process',
    });
    this.faults = faults;
  }
}

/** An error as data: structured clone would drop the code, the hint and the fate. */
export interface SerializedError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly fate: Fate;
  readonly stack?: string | undefined;
}

export function serializeError(error: SnkError): SerializedError {
  return { code: error.code, message: error.message, hint: error.hint, fate: error.fate, stack: error.stack };
}

export function deserializeError(data: SerializedError): SnkError {
  const error = new SnkError(data.code, data.message, { hint: data.hint, fate: data.fate });
  if (data.stack !== undefined) error.stack = data.stack;
  return error;
}

/** Exit codes: 0 fine, 1 found something, 2 usage, 69 unreachable, 70 internal, 78 configuration. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof SnkError)) return 70;
  if (error instanceof FaultsError) {
    return error.faults.every((fault) => fault.code === 'SNK_UNREACHABLE') ? 69 : 78;
  }
  if (error.code === 'SNK_UNREACHABLE') return 69;
  if (error.code === 'SNK_CONFLICT_STALE') return 1;
  if (error.code === 'SNK_USAGE') return 2;
  if (error.code === 'SNK_INTERNAL') return 70;
  return 78;
}
