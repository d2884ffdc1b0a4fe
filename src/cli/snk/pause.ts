/** `snk pause LINK` and `snk resume LINK`: a link that writes nothing for a while, whatever runs. */
import type { Command } from 'commander';
import { printLine, runVerb } from '../verb.ts';

export function addPause(program: Command): void {
  program
    .command('pause')
    .description(
      'let a link write nothing until it is resumed, also through restarts; its change log grows meanwhile',
    )
    .argument('<link>', 'as snk status names it: "a->b"')
    .action(async (link: string, _: object, command: Command) => {
      await runVerb(command, async (snk) => {
        await snk.pause(link);
        printLine(`${link}: paused`);
        return 0;
      });
    });
}

export function addResume(program: Command): void {
  program
    .command('resume')
    .description('let a paused link go on where it was')
    .argument('<link>', 'as snk status names it: "a->b"')
    .action(async (link: string, _: object, command: Command) => {
      await runVerb(command, async (snk) => {
        await snk.resume(link);
        printLine(`${link}: goes on`);
        return 0;
      });
    });
}
