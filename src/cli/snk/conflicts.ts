/** `snk conflicts`: rows that two sides changed at the same time, the versions that lost, and which of the two is to stay. */
import type { Command } from 'commander';
import type { Conflict, ConflictInFull, Version } from '../../link/set-aside.ts';
import { noteElsewhere, printJson, printLine, runVerb } from '../verb.ts';

export function addConflicts(program: Command): void {
  const conflicts = program
    .command('conflicts')
    .description('show conflicts that were settled, and settle them otherwise');
  conflicts
    .command('list')
    .description('one line for each conflict, without the rows')
    .option('--link <link>', 'of this link alone')
    .option('--all', 'those too that were resolved by hand')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { link?: string; all?: boolean; json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const found = await snk.conflicts(options.link, { all: options.all === true });
        if (options.json === true) printJson(found);
        else for (const each of found) printLine(conflictLine(each));
        if (options.link === undefined) noteElsewhere(snk);
        return found.some((each) => each.kept === null) ? 1 : 0;
      });
    });
  conflicts
    .command('show')
    .description('one conflict, with both versions of the row')
    .argument('<link>', 'as the list names it: "a->b"')
    .argument('<id>', 'its number in the list')
    .option('--json', 'one JSON document on stdout')
    .action(async (link: string, id: string, options: { json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const found = await snk.conflict(link, id);
        if (options.json === true) printJson(found);
        else for (const line of inFull(found)) printLine(line);
        return 0;
      });
    });
  conflicts
    .command('resolve')
    .description('make the version of one node the row of both')
    .argument('<link>', 'as the list names it: "a->b"')
    .argument('<id>', 'its number in the list')
    .requiredOption('--keep <node>', 'whose version')
    .option('--force', 'also when the row has become another one since')
    .action(
      async (link: string, id: string, options: { keep: string; force?: boolean }, command: Command) => {
        await runVerb(command, async (snk) => {
          await snk.resolveConflict(link, id, options);
          printLine(`${link} ${id}: the version of ${options.keep} is kept`);
          return 0;
        });
      },
    );
}

function conflictLine({ link, id, table, key, winner, at, kept, resolvedAt }: Conflict): string {
  const resolved = kept === null ? '' : `; resolved for ${kept}, at ${resolvedAt}`;
  return `${link} ${id}  ${table} ${Object.values(key).join(' ')}: the ${winner} won, at ${at}${resolved}`;
}

function inFull(conflict: ConflictInFull): string[] {
  const { sourceRow, targetRow } = conflict;
  const columns = Object.keys(sourceRow ?? targetRow ?? {});
  const value = (row: Version | null, column: string): string =>
    row === null ? '(deleted)' : (row[column] ?? '(null)');
  return [
    conflictLine(conflict),
    ...columns.map((column) => {
      const [source, target] = [value(sourceRow, column), value(targetRow, column)];
      return source === target
        ? `    ${column}: ${source}`
        : `  * ${column}: source ${source} | target ${target}`;
    }),
  ];
}
