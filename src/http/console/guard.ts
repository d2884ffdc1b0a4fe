/** What every request to the console passes first: its Host, where it comes from, and the headers that fence the page in. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback, type Listen } from '../../config/listen.ts';

/** No script and no style but our own files, nothing from elsewhere, no frame around it. */
export const pageHeaders = {
  'content-security-policy': [
    `default-src 'none'`,
    `script-src 'self'`,
    `style-src 'self'`,
    `img-src 'self' blob:`,
    `connect-src 'self'`,
    `frame-ancestors 'none'`,
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** The name in a Host header, without its port and brackets; null where it is none. */
export function hostName(header: string | undefined): string | null {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return (bracketed ?? plain)?.toLowerCase() ?? null;
}

/**
 * A page of somebody else's may have a name of its own that leads to this address; its requests say that name. Names are not
 * looked up: what is not known here is refused.
 */
export function isOurHost(header: string | undefined, listen: Listen, hosts: readonly string[]): boolean {
  const name = hostName(header);
  if (name === null) return false;
  return isLoopback({ host: name }) || name === listen.host.toLowerCase() || hosts.includes(name);
}

export interface Origins {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

/** Browsers say where a request comes from; what says nothing at all is no browser, and needs a token of the session all the same. */
export function comesFromElsewhere({ host, origin, 'sec-fetch-site': site }: Origins): boolean {
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}

/** In a time that tells nothing of the two. */
export function isSameSecret(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
