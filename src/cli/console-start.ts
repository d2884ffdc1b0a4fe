/** How `snk run` opens its console: the token that is configured, or one of its own that it says on a terminal alone. */
import { randomBytes } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { SnkError } from '../errors.ts';
import type { ConsoleStart } from '../http/console/console.ts';
import type { Logger } from '../telemetry/log.ts';
import { packageVersion } from './version.ts';

/** Null where there is none. Throws SNK_CONFIG_UNSET where nobody could know the token. */
export function consoleStart(http: NonNullable<Config['http']>, log: Logger): ConsoleStart | null {
  const options = http.console ?? null;
  if (options === null) return null;
  return {
    options,
    token: tokenOf(options.token ?? process.env['SNK_CONSOLE_TOKEN'], process.stderr.isTTY),
    version: packageVersion(),
    onLogIn: (who) => log.info({ who }, 'console: logged in'),
    onRefused: (address) => log.warn({ address }, 'console: a log-in was refused'),
  };
}

/** A token that was made up must not stand in a log, which lives longer and goes further than a terminal. */
export function tokenOf(given: string | undefined, isTerminal: boolean): string {
  if (given !== undefined && given !== '') {
    if (given.length >= 16) return given;
    throw new SnkError('SNK_CONFIG_INVALID', 'SNK_CONSOLE_TOKEN: wanted 16 characters or more');
  }
  if (isTerminal) return randomBytes(24).toString('base64url');
  throw new SnkError('SNK_CONFIG_UNSET', 'the console has no token, and there is no terminal to say one on', {
    hint: "Set SNK_CONSOLE_TOKEN in the environment or in .env, or 'http.console.token'.",
    fate: 'stop-process',
  });
}

/** The part behind # never leaves the browser: it stands in no log of a server or a proxy. */
export function sayConsole(address: string, { options, token }: ConsoleStart, log: Logger): void {
  const url = `${address}/console`;
  log.info({ url }, 'console');
  const isSaid = options.token === null && (process.env['SNK_CONSOLE_TOKEN'] ?? '') === '';
  if (isSaid) process.stderr.write(`\n  Console: ${url}#token=${token}\n\n`);
}
