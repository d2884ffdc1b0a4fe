/** `snk parked`: rows that their target refuses, to be looked at, sent at once, or given up. */
import type { Command } from 'commander';
import type { ParkedInFull } from '../../link/set-aside.ts';
import { noteElsewhere, printJson, printLine, runVerb } from '../verb.ts';

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
        if (options.link === undefined) noteElsewhere(snk);
        return found.length > 0 ? 1 : 0;
      });
    });
  parked
    .command('show')
    .description('one row: why and how often it was refused, and what it is in the source now')
    .argument('<link>', 'as the list names it: "a->b"')
    .argument('<table>', 'as the list names it')
    .argument('<key...>', 'the primary key: one value per column')
    .option('--json', 'one JSON document on stdout')
    .action(
      async (link: string, table: string, key: string[], options: { json?: boolean }, command: Command) => {
        await runVerb(command, async (snk) => {
          const found = await snk.parkedRow(link, table, key);
          if (options.json === true) printJson(found);
          else for (const line of inFull(found)) printLine(line);
          return 0;
        });
      },
    );
  parked
    .command('retry')
    .description('send parked rows now, as they stand, instead of when their time has come')
    .option('--link <link>', 'of this link alone')
    .action(async (options: { link?: string }, command: Command) => {
      await runVerb(command, async (snk) => {
        printLine(`${await snk.retryParked(options.link)} rows are sent now, or as soon as snk runs`);
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

function inFull({ link, table, key, sourceRow, sourceSeen, ...row }: ParkedInFull): string[] {
  const said = {
    reason: row.message,
    code: row.code,
    attempts: row.attempts,
    'first refused': row.firstAt,
    'last refused': row.at,
    'next try': row.retryAt,
  };
  return [
    `${link}  ${table} ${key.join(' ')}`,
    ...Object.entries(said).map(([name, value]) => `    ${name}: ${value}`),
    sourceSeen
      ? sourceRow === null
        ? '  there is no such row in the source now'
        : '  in the source now'
      : '  the source is not reached from here',
    ...Object.entries(sourceRow ?? {}).map(([name, value]) => `    ${name}: ${value ?? '(null)'}`),
  ];
}
