#!/usr/bin/env node
/** TST, the load generator: it knows databases and a table, and nothing of SNK. */
import { Command } from 'commander';
import { runCommand } from './run-options.ts';
import { TstError } from './tst-error.ts';
import { packageVersion } from './version.ts';

const program = new Command('tst')
  .description('Load generator: bulk-inserts random rows into PostgreSQL databases.')
  .version(packageVersion())
  .configureOutput({ outputError: (text, write) => write(withoutPasswords(text)) })
  // commander ends with 1 after an error of usage; 1 means something else here.
  .exitOverride((exit) => process.exit(exit.exitCode === 0 ? 0 : 2));
program.addCommand(
  runCommand(async (options) => {
    // Only now: the ORM takes a fifth of a second to load, which --help need not wait for.
    const { run } = await import('./run.ts');
    await run(options);
  }).copyInheritedSettings(program),
);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = error instanceof TstError ? error.exitCode : 70;
  process.stderr.write(`tst: ${lineOf(error)}\n`);
}

function lineOf(error: unknown): string {
  if (error instanceof TstError) return `${error.message} [${error.code}]`;
  return `${error instanceof Error ? error.message : String(error)} [TST_INTERNAL]`;
}

/** commander quotes arguments that it doesn't expect, and a URL may be among them. */
function withoutPasswords(text: string): string {
  return text.replaceAll(/:\/\/\S*@/g, '://…@');
}
