/** What an SQLSTATE means for a link. The default is to stop: an unknown error repeated for ever is worse. */
import { SnkError, type Fate } from '../errors.ts';

const transientClasses = new Set(['08', '40', '53']);
const transientStates = new Set([
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '25006', // read_only_sql_transaction: a failover is under way
  '55P03', // lock_not_available
  '57014', // query_canceled
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '58000', // system_error
  '58030', // io_error
]);
/** undefined_table, undefined_function, undefined_object */
const notFound = new Set(['42P01', '42883', '42704']);
const transientNodeCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** A thread of the pool has died; the next task begins another one. */
const deadThread = /^ERR_WORKER_/;
const lostConnection =
  /connection terminated|timeout exceeded when trying to connect|connection ended|not queryable|query read timeout|rolled back instead of committed/i;

/** The SQLSTATE or the operating system's code of a driver error, through MikroORM's wrapping. */
export function codeOf(error: unknown): string | undefined {
  for (
    let current = error;
    current instanceof Error;
    current = current.cause ?? (current as { previous?: unknown }).previous
  ) {
    const code = (current as { code?: unknown }).code;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** A statement took longer than it may. */
export function isCancelled(error: unknown): boolean {
  return codeOf(error) === '57014';
}

export function isTransient(error: unknown): boolean {
  if (error instanceof SnkError) return error.fate === 'retry';
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error && lostConnection.test(error.message);
  return (
    transientClasses.has(code.slice(0, 2)) ||
    transientStates.has(code) ||
    transientNodeCodes.has(code) ||
    deadThread.test(code)
  );
}

/** Of a row that is to be updated where there is none: SNK's own, for no server calls that an error. */
export const rowMissingCode = 'SNK_ROW_MISSING';

/** Of a row whose key the target has taken from it, or that it has kept out: SNK's own as well. */
export const keyChangedCode = 'SNK_KEY_CHANGED';

const ownCodes = new Set<string>([rowMissingCode, keyChangedCode]);

const rowStates = new Set([
  '54000', // program_limit_exceeded: a value too long for an index or a tsvector
  'P0001', // raise_exception
]);

/** An error of one row's data, not of the link: such a row can be parked and the others go on. */
export function isRowError(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (/^(22|23)/.test(code) || rowStates.has(code) || ownCodes.has(code));
}

/**
 * Any error → an SnkError. A driver's error may hold row values (`Key (email)=(…)`), so it is rebuilt from the
 * code and the first line of the message only, which names objects.
 */
export function toSnkError(error: unknown, doing: string): SnkError {
  if (error instanceof SnkError) return error;
  const code = codeOf(error);
  const first = error instanceof Error ? safeWords(error.message, code ?? '') : String(error);
  const fate: Fate = isTransient(error) ? 'retry' : 'stop-link';
  if (code === undefined ? fate !== 'retry' : deadThread.test(code)) {
    return new SnkError('SNK_INTERNAL', `${doing}: ${first}`, { cause: error, fate });
  }
  if (fate === 'retry' && (code === undefined || /^E|^08|^57P|^53300/.test(code))) {
    return new SnkError('SNK_UNREACHABLE', `${doing}: ${first}`, {
      cause: error,
      fate,
      hint: 'SNK tries again by itself; check that the server runs and accepts connections.',
    });
  }
  // Tables of a link are known to be there: it is a trigger of theirs that looks for something.
  const hint = notFound.has(code ?? '')
    ? 'A trigger of the table may name it without its schema: SNK writes with search_path = pg_catalog. Its function can have a search_path of its own: alter function … set search_path = public.'
    : undefined;
  return new SnkError(`SNK_SQL_${code}`, `${doing}: ${first}`, { cause: error, fate, hint });
}

/**
 * Where a statement stands in front of the message, its values do too: keep what the server said. What it says of bad
 * values (class 22) quotes them; what a function of the database raises can be anything.
 */
function safeWords(message: string, code: string): string {
  if (code.startsWith('P0')) return 'a function of the database raised an error';
  const unquoted = code.startsWith('22')
    ? message.replace(/".*("|$)/s, '"…"').replaceAll(/\b0x[0-9a-f]+\b/g, '…')
    : message;
  const said = unquoted.split(' - ').at(-1) ?? '';
  return (said.split('\n', 1)[0] ?? '').slice(0, 300);
}
