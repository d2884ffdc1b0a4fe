/** `snk repair`: has what differs carried once more; exit 1 when something is left, or would be done. */
import type { Command } from 'commander';
import { partText, differenceText } from '../../verify/printable.ts';
import type { RepairedTable, RepairReport, RepairRow } from '../../verify/repair.ts';
import { printJson, printLine, runVerb } from '../verb.ts';
import { addLookOptions, readLookOptions, withBar, type LookOptions } from '../verify-options.ts';

interface Options extends LookOptions {
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly wait: boolean;
  readonly json?: boolean;
}

export function addRepair(program: Command): void {
  const repair = program
    .command('repair')
    .description('verify, and let the links carry what differs once more, by all of their rules');
  addLookOptions(repair)
    .option(
      '--from <node>',
      "the node that is right, or 'policy': as conflicts are settled (default: the same, but nothing is deleted)",
    )
    .option('--dry-run', 'say what would be done, row by row, and do nothing')
    .option('--no-wait', 'do not wait until the links have carried it')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: Options, command: Command) => {
      await runVerb(command, async (snk) => {
        const { from, dryRun, wait } = options;
        const look = readLookOptions(options);
        const report = await withBar(
          async (onProgress) => await snk.repair({ ...look, from, dryRun, wait, onProgress }),
        );
        if (options.json === true) printJson(report);
        else for (const line of linesOf(report)) printLine(line);
        return exitCode(report, wait);
      });
    });
}

/** Without waiting, what has been logged is on its way. */
function exitCode({ dryRun, equal, tables }: RepairReport, wait: boolean): number {
  if (dryRun || wait) return equal ? 0 : 1;
  return tables.some(({ rows, truncated }) => truncated || rows.some((row) => row.outcome === 'none'))
    ? 1
    : 0;
}

function linesOf(report: RepairReport): string[] {
  const { dryRun, equal, verifiedThrough, partial, tables, notCompared } = report;
  const part = partText(partial);
  const toStart = new Set(
    tables.flatMap(({ waitingFor }) =>
      waitingFor.filter((each) => each.state === 'stopped').map((each) => each.link),
    ),
  );
  const nothing = tables.every((table) => table.rows.length === 0);
  return [
    ...tables.flatMap((table) => tableLines(table, dryRun)),
    ...notCompared.map(({ table, links, why }) => `${table} of ${links.join(', ')}: not compared, ${why}`),
    ...(toStart.size > 0
      ? [
          `no process is at work on ${[...toStart].join(', ')}: start 'snk run', and it carries what has been logged`,
        ]
      : []),
    ...(nothing
      ? [`nothing to repair, verified through ${verifiedThrough}`]
      : equal
        ? ['repaired: equal']
        : []),
    ...(part === null ? [] : [part]),
  ];
}

function tableLines(table: RepairedTable, dryRun: boolean): string[] {
  const { rows, links, also, waitingFor, left, truncated } = table;
  if (rows.length === 0) return [`${table.table} of ${links.join(', ')}: equal`];
  const isLogged = !dryRun && rows.some((row) => row.outcome !== 'none');
  return [
    `${table.table} of ${links.join(', ')}: ${rows.length}${truncated ? '+' : ''} differences`,
    ...rows.map((row) => `  ${rowLine(row, dryRun)}`),
    ...(also.length > 0
      ? [`  the same rows are sent once more by ${also.join(', ')}, which reads the same log`]
      : []),
    ...waitingFor.map(({ link, state }) => `  logged, but not carried yet: ${link} is ${state}`),
    ...(isLogged && left === null && waitingFor.length === 0 ? ['  logged: the links carry it'] : []),
    ...(left === null || left.length === 0
      ? []
      : [`  ${left.length} still differ:`, ...left.map((each) => `  ${differenceText(each)}`)]),
    ...(truncated ? ['  more differ than are listed: repair again when these are done'] : []),
  ];
}

function rowLine(row: RepairRow, dryRun: boolean): string {
  const { outcome, node, why, keeps } = row;
  const is = dryRun ? 'would be' : 'is';
  const kept = keeps ? ', and the version that goes is kept' : '';
  const done = {
    add: `${is} added at ${node}`,
    overwrite: `${is} overwritten at ${node}${kept}`,
    delete: `${is} deleted at ${node}${kept}`,
    settle: `${is} settled: ${why}${kept}`,
    none: `${dryRun ? 'would not be' : 'is not'} repaired: ${why}`,
  }[outcome];
  return `${differenceText(row)}: ${done}`;
}
