/** What the page asks its server; every fault comes as an ApiError with its next step. */
import type {
  AuditEntry,
  Conflict,
  ConflictInFull,
  Failure,
  FullRow,
  KeyNow,
  Listed,
  NewKey,
  Overview,
  ParkedInFull,
  ParkedRow,
  RowPage,
  SessionNow,
  TableInfo,
  Trace,
} from '../http/console/wire.ts';

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(status: number, { code, message, hint }: Failure) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export type Values = Readonly<Record<string, string | null>>;
export type TableNow = TableInfo & { readonly pictures: readonly string[] };

interface Place {
  readonly node: string;
  readonly table: string;
}

/** Milliseconds: a server that does not answer is a fault as well. */
const patience = 20_000;
const base = '/console/api';
let csrf = '';
let onLoggedOut = (): void => undefined;

export function whenLoggedOut(listener: () => void): void {
  onLoggedOut = listener;
}

async function send(method: string, path: string, body?: object): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-snk-csrf'] = csrf;
  const signal = AbortSignal.timeout(patience);
  const request = { method, headers, signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const answer = await fetch(`${base}/${path}`, request).catch(() => null);
  if (answer === null) {
    const hint = 'It is asked again by itself; see that snk run still works.';
    throw new ApiError(0, {
      code: 'SNK_NO_ANSWER',
      message: 'the server of this console does not answer',
      hint,
    });
  }
  if (answer.ok) return answer;
  const failure = (await answer.json().catch(() => null)) as Failure | null;
  const error = new ApiError(
    answer.status,
    failure ?? { code: `HTTP ${answer.status}`, message: answer.statusText || 'something went wrong' },
  );
  if (error.code === 'SNK_LOGGED_OUT') onLoggedOut();
  throw error;
}

async function get<Result>(path: string): Promise<Result> {
  return (await (await send('GET', path)).json()) as Result;
}

async function post<Result>(path: string, body: object): Promise<Result> {
  return (await (await send('POST', path, body)).json()) as Result;
}

const part = encodeURIComponent;
/** Of a table no more than where it is. */
const at = ({ node, table }: Place): Place => ({ node, table });

function entered(session: SessionNow): SessionNow {
  csrf = session.csrf;
  return session;
}

export const api = {
  logIn: async (token: string, name: string) =>
    entered(await post<SessionNow>('session', name === '' ? { token } : { token, name })),
  session: async () => {
    const session = await get<SessionNow | null>('session');
    return session === null ? null : entered(session);
  },
  logOut: async () => await send('DELETE', 'session'),

  overview: async (since: number) => await get<Overview>(`overview?since=${since}`),
  pause: async (link: string) => await post(`links/${part(link)}/pause`, {}),
  resume: async (link: string) => await post(`links/${part(link)}/resume`, {}),

  conflicts: async () => await get<Listed<Conflict>>('conflicts'),
  conflict: async (link: string, id: string) =>
    await get<ConflictInFull>(`conflicts/${part(link)}/${part(id)}`),
  resolve: async (link: string, id: string, keep: string) =>
    await post(`conflicts/${part(link)}/${part(id)}`, { keep }),

  parked: async () => await get<Listed<ParkedRow>>('parked'),
  parkedRow: async ({ link, table, key }: Pick<ParkedRow, 'link' | 'table' | 'key'>) =>
    await post<ParkedInFull>('parked/row', { link, table, key }),
  retryParked: async (link: string) => await post<{ rows: number }>('parked/retry', { link }),
  dropParked: async ({ link, table, key }: Pick<ParkedRow, 'link' | 'table' | 'key'>) =>
    await post<{ rows: number }>('parked/drop', { link, table, key }),

  trace: async (table: string, key: readonly string[]) => await post<Trace>('trace', { table, key }),
  audit: async () => await get<readonly AuditEntry[]>('audit'),

  tables: async () => await get<readonly TableNow[]>('tables'),
  rows: async (place: Place, after: readonly string[] | null, search: string | null) =>
    await post<RowPage>('rows', { ...at(place), after, search }),
  row: async (place: Place, key: readonly string[]) =>
    (await post<{ row: FullRow | null }>('rows/one', { ...at(place), key })).row,
  insert: async (place: Place, values: Values) =>
    (await post<{ key: readonly string[] }>('rows/insert', { ...at(place), values })).key,
  update: async (place: Place, { key, version }: FullRow, values: Values) =>
    await post('rows/update', { ...at(place), key, version, values }),
  delete: async (place: Place, { key, version }: FullRow) =>
    await post('rows/delete', { ...at(place), key, version }),
  picture: async (place: Place, key: readonly string[], column: string) =>
    await (await send('POST', 'rows/picture', { ...at(place), key, column })).blob(),

  keys: async () => await get<readonly KeyNow[]>('keys'),
  createKey: async (name: string, links: readonly string[]) => await post<NewKey>('keys', { name, links }),
  rotateKey: async (name: string) => await post<NewKey>(`keys/${part(name)}/rotate`, {}),
  revokeKey: async (name: string) => await post<{ revoked: boolean }>(`keys/${part(name)}/revoke`, {}),
};
