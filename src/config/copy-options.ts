/** What one run says of its first copies, in place of the configuration (pure). */
import { SnkError } from '../errors.ts';
import { isMirrorOf, reverseName, type Flow, type Link, type WhenExisting } from '../topology/topology.ts';
import type { Config } from './config.ts';

export interface CopyOptions {
  readonly existing?: WhenExisting | undefined;
  /** Of each link; 0 is no limit. */
  readonly rowsPerSecond?: number | undefined;
}

/** Throws SNK_USAGE where it would change nothing. */
export function withCopyOptions(config: Config, { existing, rowsPerSecond }: CopyOptions): Config {
  const limits =
    rowsPerSecond === undefined ? config.limits : { ...config.limits, copyRowsPerSecond: rowsPerSecond };
  const links = existing === undefined ? config.links : withExisting(config.links, existing);
  return Object.freeze({ ...config, links, limits: Object.freeze(limits) });
}

function withExisting(links: readonly Link[], existing: WhenExisting): readonly Link[] {
  if (!links.some(({ flows }) => flows.some(takes))) {
    throw new SnkError(
      'SNK_USAGE',
      "--on-existing: with 'write' each flow says already what becomes of rows that are there",
    );
  }
  return links.map((link) => {
    const back = links.find((other) => other.name === reverseName(link))?.flows ?? [];
    const flows = link.flows.map((flow) => {
      if (!takes(flow)) return flow;
      // Two directions that both overwrite would trade their rows: the node listed first wins, as it does elsewhere.
      const yields = link.winner === 'target' && back.some((other) => isMirrorOf(other, flow));
      return { ...flow, existing: existing === 'overwrite' && yields ? 'skip' : existing };
    });
    return { ...link, flows };
  });
}

/** Other modes of writing say by themselves what becomes of rows that are there. */
function takes({ write }: Flow): boolean {
  return write === 'upsert';
}
