/** `snk parked`: rows that their target refused, to be looked at, sent once more, or given up. */
import type { Command } from 'commander';
import { printJson, printLine, runVerb } from '../verb.ts';

export function addParked(program: Command): void {
  const parked = program.command('parked').description('show, retry or drop rows that their target refused');
  parked
    .command('list')
    .description('one line for each row, with the reason')
    .option('--link <link>', 'of this link alone')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { link?: string; json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const found = await snk.parked(options.link);
        if (options.json === true) printJson(found);
        else {
          for (const { link, table, key, code, message, at } of found)
            printLine(`${link}  ${table} ${key.join(' ')}: ${code}, ${message}, at ${at}`);
        }
        return found.length > 0 ? 1 : 0;
      });
    });
  parked
    .command('retry')
    .description('send parked rows once more, as they now stand; refused again, they are parked again')
    .option('--link <link>', 'of this link alone')
    .action(async (options: { link?: string }, command: Command) => {
      await runVerb(command, async (snk) => {
        printLine(`${await snk.retryParked(options.link)} rows are sent once more`);
        return 0;
      });
    });
  parked
    .command('drop')
    .description('give up the parked rows of a link, or the one of that key')
    .argument('<link>', 'as the list names it: "a->b"')
    .argument('[key...]', 'the primary key: one value per column')
    .action(async (link: string, key: string[], _: object, command: Command) => {
      await runVerb(command, async (snk) => {
        const dropped = await snk.dropParked(link, key);
        printLine(`${dropped} rows are given up`);
        return key.length > 0 && dropped === 0 ? 1 : 0;
      });
    });
}
