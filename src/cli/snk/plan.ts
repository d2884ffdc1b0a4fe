/** `snk plan`: what is wrong and what would be installed; writes nothing. */
import type { Command } from 'commander';
import { exitCodeOf, FaultsError } from '../../errors.ts';
import { faultText, printJson, printLine, runVerb } from '../verb.ts';

export function addPlan(program: Command): void {
  program
    .command('plan')
    .description('say what is wrong and what would be installed, without writing anything')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const plan = await snk.plan();
        if (options.json === true) printJson(plan);
        else {
          for (const node of plan.nodes) {
            const capture =
              node.capture.length > 0
                ? `would capture ${node.capture.join(', ')}`
                : 'captures all its tables';
            const schema = node.installed ? '' : 'would get schema snk; ';
            printLine(
              `${node.name}: ${node.version === null ? 'not reached' : `PostgreSQL ${node.version}; ${schema}${capture}`}`,
            );
          }
          for (const link of plan.links) for (const flow of link.flows) printLine(`${link.name}: ${flow}`);
          for (const warning of plan.warnings) process.stderr.write(`warning: ${faultText(warning)}\n`);
          for (const fault of plan.faults) process.stderr.write(`${faultText(fault)}\n`);
        }
        return plan.faults.length === 0 ? 0 : exitCodeOf(new FaultsError(plan.faults));
      });
    });
}
