/** Rivals that are packages of Debian: what keeps them out of a run. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Peer } from './peer.ts';

const run = promisify(execFile);

/** Both put C or Perl code into the server, and the throw-away servers of npm have room for neither. */
function outside(name: string, debianPackage: string, wants: string): Peer {
  const refuse = async (): Promise<never> => {
    throw new Error(`${name} takes no part`);
  };
  return {
    name,
    skip: async () => {
      const { stdout } = await run('dpkg-query', ['-W', '-f', '${db:Status-Abbrev}', debianPackage]).catch(
        () => ({ stdout: '' }),
      );
      return stdout.startsWith('ii')
        ? `its package is installed, but it wants ${wants}, which the bench's own servers do not have`
        : `its package (${debianPackage}) is not installed; it wants ${wants}`;
    },
    start: refuse,
    remove: async () => {},
  };
}

export const bucardo = outside('bucardo', 'bucardo', 'PL/Perl in the server');
export const pglogical = outside('pglogical', 'postgresql-18-pglogical', 'its library in the server');
