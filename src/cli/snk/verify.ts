/** `snk verify`: compares both sides of every table while they are live; exit 1 when something differs. */
import { Presets, SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { printJson, printLine, runVerb } from '../verb.ts';

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('compare the tables of all links, row by row where hashes differ; works while they are live')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const bar = process.stderr.isTTY
          ? new SingleBar(
              {
                stream: process.stderr,
                format: 'verify {table} {bar} {value}/{total} rows, {eta_formatted} left',
              },
              Presets.shades_grey,
            )
          : null;
        const report = await snk
          .verify({
            onProgress: ({ table, rows, rowsEstimated }) => {
              if (bar === null) return;
              if (!bar.isActive) bar.start(rowsEstimated, rows, { table });
              bar.setTotal(rowsEstimated);
              bar.update(rows, { table });
            },
          })
          .finally(() => bar?.stop());
        if (options.json === true) printJson(report);
        else {
          for (const table of report.tables) {
            const counts = Object.entries(table.rows)
              .map(([node, rows]) => `${node} ${rows}`)
              .join(', ');
            printLine(
              `${table.table}: ${counts}; ${table.differences.length === 0 ? 'equal' : `${table.differences.length}${table.truncated ? '+' : ''} differences`}`,
            );
            for (const difference of table.differences.slice(0, 20)) {
              const key = Object.entries(difference.key)
                .map(([name, value]) => `${name}=${value}`)
                .join(' ');
              printLine(`  ${key} is ${difference.kind} at ${difference.at}`);
            }
          }
          printLine(`${report.equal ? 'equal' : 'different'}, verified through ${report.verifiedThrough}`);
        }
        return report.equal ? 0 : 1;
      });
    });
}
