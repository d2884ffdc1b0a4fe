/** `snk install`: schema, triggers and the ends of all links; safe under load and to run again. */
import type { Command } from 'commander';
import { printLine, runVerb } from '../verb.ts';

export function addInstall(program: Command): void {
  program
    .command('install')
    .description(
      'install what is missing: schema snk, capture triggers, links (safe under load, and to run again)',
    )
    .option('--rebaseline <link>', 'start a link anew: compare all its rows and copy what is missing')
    .action(async (options: { rebaseline?: string }, command: Command) => {
      await runVerb(command, async (snk) => {
        let changed = false;
        snk.events.on('node:installed', ({ node, migrations, captured }) => {
          changed = true;
          const what = [
            ...migrations.map((name) => `migration ${name}`),
            ...captured.map((table) => `triggers of ${table}`),
          ];
          printLine(`${node}: installed ${what.join(', ')}`);
        });
        await snk.install();
        if (options.rebaseline !== undefined) {
          await snk.rebaseline(options.rebaseline);
          changed = true;
          printLine(`${options.rebaseline}: starts anew`);
        }
        if (!changed) printLine('everything is installed');
        return 0;
      });
    });
}
