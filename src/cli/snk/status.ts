/** `snk status`: what stands in the databases about nodes and links. */
import type { Command } from 'commander';
import type { LinkStatus } from '../../link/link-status.ts';
import type { NodeStatus } from '../../link/status.ts';
import type { LastVerification } from '../../verify/last-verification.ts';
import { printJson, printLine, runVerb } from '../verb.ts';

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show nodes and links, also while snk run works in another process')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const { nodes, links, served, verifications } = await snk.status();
        if (options.json === true) {
          printJson({ nodes, links: links.map(publicStatus), served, verifications });
        } else {
          for (const node of nodes) printLine(nodeLine(node));
          for (const link of links) printLine(linkLine(link));
          for (const { link, nodes: count } of served)
            if (count === 0) printLine(`${link}  no node has come with a key yet`);
          for (const each of verifications) printLine(verifiedLine(each));
        }
        const unreachable = nodes.some((node) => !node.reachable);
        const found =
          links.some((link) => (link.conflicts ?? 0) + (link.parked ?? 0) > 0 || link.lastError !== null) ||
          verifications.some(isDifferent);
        return unreachable ? 69 : found ? 1 : 0;
      });
    });
}

function nodeLine({ name, kind, reachable, version, changeLogRows }: NodeStatus): string {
  if (!reachable) return `${name}  unreachable`;
  return kind === 'hub'
    ? `${name}  a hub, which answers`
    : `${name}  PostgreSQL ${version}, ${changeLogRows ?? 'no'} change log rows`;
}

function isDifferent({ missing, different, truncated }: LastVerification): boolean {
  return missing + different > 0 || truncated;
}

function verifiedLine(last: LastVerification): string {
  const { table, links, endedAt, missing, different, truncated } = last;
  const more = truncated ? ' and more' : '';
  const found = isDifferent(last) ? `${missing} missing, ${different} different${more}` : 'equal';
  return `${table} of ${links.join(', ')}  verified ${endedAt}: ${found}`;
}

/** Whether a process is at work shows in the state. */
function publicStatus(link: LinkStatus): Omit<LinkStatus, 'running'> {
  const { running, ...status } = link;
  void running;
  return status;
}

function linkLine(link: LinkStatus): string {
  const parts = [
    link.state,
    link.lagMs === null ? null : `lag ${Math.round(link.lagMs)} ms`,
    link.pendingRows === null ? null : `${link.pendingRows} pending`,
    link.appliedRows === null ? null : `${link.appliedRows} applied`,
    link.conflicts === null || link.conflicts === 0 ? null : `${link.conflicts} conflicts`,
    link.parked === null || link.parked === 0 ? null : `${link.parked} parked`,
    link.lastAppliedAt === null ? null : `last ${link.lastAppliedAt}`,
    link.lastRunAt === null ? null : `last run ${link.lastRunAt}`,
    link.nextRunAt === null ? null : `next run ${link.nextRunAt}`,
    link.lastSeenAt === null ? null : `last seen ${link.lastSeenAt}`,
  ].filter((part) => part !== null);
  const error =
    link.lastError === null
      ? ''
      : `\n      ${link.lastError.code}: ${link.lastError.message}${link.lastError.hint === null ? '' : `\n      ${link.lastError.hint}`}`;
  return `${link.name}  ${parts.join(', ')}${error}`;
}
