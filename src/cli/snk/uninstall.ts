/** `snk uninstall --yes`: takes SNK out of every node and leaves nothing behind. */
import type { Command } from 'commander';
import { SnkError } from '../../errors.ts';
import { databasesOf } from '../../topology/topology.ts';
import { printLine, runVerb } from '../verb.ts';

export function addUninstall(program: Command): void {
  program
    .command('uninstall')
    .description("drop SNK's triggers and schema from every node; the tables and their rows stay")
    .option('--yes', 'really do it')
    .action(async (options: { yes?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        if (options.yes !== true) {
          const nodes = databasesOf(snk.config)
            .map((node) => node.name)
            .join(', ');
          throw new SnkError('SNK_USAGE', `would drop schema snk and all capture triggers from ${nodes}`, {
            hint: 'Run it with --yes.',
          });
        }
        for (const [node, tables] of await snk.uninstall()) {
          printLine(
            `${node}: dropped schema snk${tables.length > 0 ? ` and the triggers of ${tables.join(', ')}` : ''}`,
          );
        }
        return 0;
      });
    });
}
