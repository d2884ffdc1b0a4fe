/** What a driver's error means for a load generator: try again, or end; and what of it may be shown. */
import { TstError } from './tst-error.ts';

const transientClasses = ['08', '40', '53'];
const transientStates = [
  '25006', // read_only_sql_transaction: a failover is under way
  '55P03', // lock_not_available
  '57014', // query_canceled
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '58000', // system_error
  '58030', // io_error
];
const configStates = [
  '3D000',
  '3F000',
  '42501',
  '42703',
  '42704',
  '42804',
  '42809',
  '42883',
  '42P01',
  '25006',
  '23502',
];
const refusedConnection = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'];
const lostConnection = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED'];
// pg gives these no code.
const lostMessages =
  /connection terminated|connection ended|timeout exceeded when trying to connect|not queryable/i;
/** Classes whose messages name objects, users and limits, never the values of a row. */
const speakingClasses = /^(08|25|28|3D|3F|40|42|53|55|57|58)/;

/** An SQLSTATE or the operating system's name of an error; undefined when there is neither. */
function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^([0-9A-Z]{5}|E[A-Z_]+)$/.test(code) ? code : undefined;
}

/** Whether the same statement can be expected to work later. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error && lostMessages.test(error.message);
  return (
    transientClasses.includes(code.slice(0, 2)) ||
    transientStates.includes(code) ||
    refusedConnection.includes(code) ||
    lostConnection.includes(code)
  );
}

/**
 * Whether a statement that ended with this error may be committed all the same. An answer can be lost, and a
 * shutdown can end a session between its commit and its answer; where the server said why it refused, it did.
 */
export function mayBeCommitted(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return true;
  if (refusedConnection.includes(code)) return false;
  return lostConnection.includes(code) || /^(08|57P0[12]|58)/.test(code);
}

/** One line for people. A message that could quote a row's values is reduced to its code and constraint. */
export function describe(error: unknown): string {
  const code = codeOf(error);
  const message = (error instanceof Error ? error.message : '').split('\n', 1)[0] ?? '';
  if (code === undefined) return message || 'unknown error';
  if (code.startsWith('E')) return message.includes(code) ? message : `${message} ${code}`.trim();
  if (speakingClasses.test(code)) return `${message} (${code})`;
  const constraint = (error as { constraint?: unknown }).constraint;
  return typeof constraint === 'string'
    ? `SQLSTATE ${code} from constraint ${constraint}`
    : `SQLSTATE ${code}`;
}

/** An error while opening a database: whatever the server itself didn't say means that it wasn't reached. */
export function openFault(error: unknown, where: string): TstError {
  if (error instanceof TstError) return error;
  const code = codeOf(error);
  const config = code !== undefined && isConfigFault(code);
  const reached = code !== undefined && !code.startsWith('E') && !isTransient(error);
  const kind = config ? 'TST_CONFIG' : reached ? 'TST_REFUSED' : 'TST_UNREACHABLE';
  return new TstError(kind, `${where}: ${describe(error)}`);
}

/** An error that no retry of a batch cures. */
export function insertFault(error: unknown, where: string): TstError {
  const code = codeOf(error);
  if (code === undefined) return new TstError('TST_INTERNAL', `${where}: ${describe(error)}`);
  const hint =
    code === '23505' ? '; rows of this seed are there already: take another --seed or an empty table' : '';
  return new TstError(
    isConfigFault(code) ? 'TST_CONFIG' : 'TST_REFUSED',
    `${where}: ${describe(error)}${hint}`,
  );
}

function isConfigFault(code: string): boolean {
  return code.startsWith('28') || configStates.includes(code);
}
