/** An address to listen on, as text and in its parts (pure). */
import { isIP } from 'node:net';

export interface Listen {
  /** A name or an address, without brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

const loopback = '127.0.0.1';
const hostName = /^(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/i;

/** `host:port`, `[::1]:port`, or a port alone, which is on loopback: nothing is opened to a network by leaving a word out. */
export function parseListen(text: string): Listen | null {
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535) return null;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host: bracketed, port } : null;
  if (plain === undefined) return { host: loopback, port };
  return isIP(plain) === 4 || (hostName.test(plain) && !/^[\d.]+$/.test(plain))
    ? { host: plain, port }
    : null;
}

/** What is sent to it does not leave the machine. */
export function isLoopback({ host }: Pick<Listen, 'host'>): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
