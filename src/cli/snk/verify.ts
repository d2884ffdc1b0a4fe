/** `snk verify`: compares both sides of every table while they are live; exit 1 when something differs. */
import { access, constants, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { SnkError } from '../../errors.ts';
import { partText, differenceText } from '../../verify/printable.ts';
import { reportHtml } from '../../verify/report-html.ts';
import type { TableReport, VerifyReport } from '../../verify/verify.ts';
import { printJson, printLine, runVerb } from '../verb.ts';
import { addLookOptions, readLookOptions, withBar, type LookOptions } from '../verify-options.ts';

interface Options extends LookOptions {
  readonly json?: boolean;
  readonly jsonFile?: string;
  readonly html?: string;
}

/** Differences of a table that are shown as lines. */
const mostLines = 20;

export function addVerify(program: Command): void {
  const verify = program
    .command('verify')
    .description(
      'compare the tables of all links, row by row where hashes differ; works while they are live',
    );
  addLookOptions(verify)
    .option('--json', 'one JSON document on stdout')
    .option('--json-file <file>', 'the same document into a file')
    .option('--html <file>', 'a page to read into a file')
    .action(async (options: Options, command: Command) => {
      await runVerb(command, async (snk) => {
        const look = readLookOptions(options);
        for (const file of [options.jsonFile, options.html]) await requireFolder(file);
        const report = await withBar(async (onProgress) => await snk.verify({ ...look, onProgress }));
        await write(options.jsonFile, `${JSON.stringify(report)}\n`);
        await write(options.html, reportHtml(report));
        if (options.json === true) printJson(report);
        else for (const line of linesOf(report)) printLine(line);
        return report.equal ? 0 : 1;
      });
    });
}

/** Before everything is looked at. */
async function requireFolder(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  try {
    await access(path.dirname(path.resolve(file)), constants.W_OK);
  } catch {
    throw new SnkError('SNK_USAGE', `${file}: its folder is not there, or cannot be written`);
  }
}

async function write(file: string | undefined, text: string): Promise<void> {
  if (file === undefined) return;
  try {
    await writeFile(file, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SnkError('SNK_USAGE', `${file} could not be written (${code ?? 'unknown'})`, { cause: error });
  }
}

function linesOf({ equal, verifiedThrough, partial, tables, notCompared }: VerifyReport): string[] {
  const part = partText(partial);
  const what = part === null ? '' : `; ${part}`;
  return [
    ...tables.flatMap(tableLines),
    ...notCompared.map(({ table, links, why }) => `${table} of ${links.join(', ')}: not compared, ${why}`),
    `${equal ? 'equal' : 'different'}, verified through ${verifiedThrough}${what}`,
  ];
}

function tableLines({ table, rows, differences, truncated, unsettled }: TableReport): string[] {
  const counts = Object.entries(rows).map(([node, count]) => `${node} ${count}`);
  const found =
    differences.length === 0 && !truncated
      ? 'equal'
      : `${differences.length}${truncated ? '+' : ''} differences`;
  const restless = unsettled === 0 ? '' : `, ${unsettled} rows never stood still`;
  const more = differences.length - mostLines;
  return [
    `${table}: ${counts.join(', ')}; ${found}${restless}`,
    ...differences.slice(0, mostLines).map((each) => `  ${differenceText(each)}`),
    ...(more > 0 ? [`  and ${more} more: see --json`] : []),
  ];
}
