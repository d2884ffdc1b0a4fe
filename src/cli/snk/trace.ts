/** `snk trace TABLE KEY`: every hop of one row. */
import type { Command } from 'commander';
import type { Hop } from '../../verify/trace.ts';
import { printJson, printLine, runVerb } from '../verb.ts';

export function addTrace(program: Command): void {
  program
    .command('trace')
    .description('show every hop of one row, as far as change logs and ledgers reach back')
    .argument('<table>', 'schema.table')
    .argument('<key...>', 'the primary key: one value per column')
    .option('--json', 'one JSON document on stdout')
    .action(async (table: string, key: string[], options: { json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const trace = await snk.trace(table, key);
        if (options.json === true) printJson(trace);
        else {
          const present = Object.entries(trace.present).map(
            ([node, there]) => `${there ? 'present' : 'absent'} on ${node}`,
          );
          printLine(`${trace.table} ${Object.values(trace.key).join(' ')}: ${present.join(', ')}`);
          for (const hop of trace.hops) printLine(`  ${hopLine(hop)}`);
          if (trace.notReached.length > 0)
            printLine(`  what happened on ${trace.notReached.join(', ')} is not seen from here`);
          if (trace.hops.length === 0)
            printLine('  no hop is kept: it is older than the ledger, or was never synced');
        }
        return Object.values(trace.present).some(Boolean) ? 0 : 1;
      });
    });
}

function hopLine(hop: Hop): string {
  const details = [
    hop.link === null ? null : `link ${hop.link}`,
    hop.transaction === null ? null : `transaction ${hop.transaction}`,
    hop.window === null ? null : `window ${hop.window.low} to ${hop.window.high}`,
    hop.batch === null ? null : `batch ${hop.batch}`,
  ].filter((part) => part !== null);
  return `${hop.at}  ${hop.what} on ${hop.node}${details.length > 0 ? ` (${details.join(', ')})` : ''}`;
}
