/** A database URL taken apart. It holds a password: no error here repeats any of it. */
import { TstError } from './tst-error.ts';

export interface DatabaseUrl {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** undefined: no TLS. */
  readonly ssl: { readonly rejectUnauthorized: boolean } | undefined;
}

const plainModes = ['disable', 'allow', 'prefer'];
const tlsModes = ['no-verify', 'require', 'verify-ca', 'verify-full'];

/**
 * @param at where the URL stands (`SNK_A_URL`, `--url 2`), for the error
 * @throws {TstError} TST_CONFIG
 */
export function parseDatabaseUrl(text: string, at: string): DatabaseUrl {
  if (!URL.canParse(text)) {
    throw refused(
      at,
      'wanted a URL such as postgres://user:password@host:5432/database (special characters as %XX)',
    );
  }
  const url = new URL(text);
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw refused(at, 'wanted a URL that starts with postgres://');
  if (url.hostname === '') throw refused(at, 'wanted a host in the URL');
  if (url.username === '') throw refused(at, 'wanted a user in the URL');
  if (url.pathname.length < 2) throw refused(at, 'wanted a database at the end of the URL');
  return {
    host: decode(url.hostname.replace(/^\[|\]$/g, ''), at),
    port: Number(url.port || 5432),
    user: decode(url.username, at),
    password: decode(url.password, at),
    database: decode(url.pathname.slice(1), at),
    ssl: sslOf(url, at),
  };
}

/** MikroORM drops the query of a URL: what asked for TLS must not end as plain text, so the rest is refused. */
function sslOf(url: URL, at: string): DatabaseUrl['ssl'] {
  for (const name of url.searchParams.keys()) {
    if (name !== 'sslmode')
      throw refused(at, 'has a URL parameter that TST does not know; sslmode is the only one');
  }
  const mode = url.searchParams.get('sslmode');
  if (mode === null || plainModes.includes(mode)) return undefined;
  if (tlsModes.includes(mode)) return { rejectUnauthorized: mode !== 'no-verify' };
  throw refused(at, `wanted an sslmode of ${[...plainModes, ...tlsModes].join(', ')}`);
}

function decode(text: string, at: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(at, 'has a % that is not followed by two hexadecimal digits; write it as %25');
  }
}

function refused(at: string, message: string): TstError {
  return new TstError('TST_CONFIG', `${at}: ${message}`);
}
