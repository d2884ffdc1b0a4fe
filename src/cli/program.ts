/** The command line of SNK: commander's program, nothing else; one verb per file in snk/. */
import { Command } from 'commander';
import { addConflicts } from './snk/conflicts.ts';
import { addDemo } from './snk/demo.ts';
import { addInstall } from './snk/install.ts';
import { addKeys } from './snk/keys.ts';
import { addParked } from './snk/parked.ts';
import { addPause, addResume } from './snk/pause.ts';
import { addPlan } from './snk/plan.ts';
import { addRepair } from './snk/repair.ts';
import { addRun } from './snk/run.ts';
import { addStatus } from './snk/status.ts';
import { addTrace } from './snk/trace.ts';
import { addUninstall } from './snk/uninstall.ts';
import { addVerify } from './snk/verify.ts';
import { packageVersion } from './version.ts';

const program = new Command('snk')
  .description('Keeps PostgreSQL tables in sync, in real time, both ways, through an ORM connection alone.')
  .version(packageVersion())
  .option(
    '--config <file>',
    'configuration: TypeScript, JavaScript or JSON (default: snk.config.*, else SNK_A_URL, SNK_B_URL, SNK_TABLES)',
  )
  .showHelpAfterError('(snk --help shows the commands)')
  .addHelpText(
    'after',
    '\nExit codes: 0 fine, 1 found something, 2 usage, 69 a database cannot be reached, 70 internal, 78 configuration.',
  )
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? 0 : 2);
  });

for (const add of [
  addPlan,
  addInstall,
  addRun,
  addStatus,
  addVerify,
  addRepair,
  addTrace,
  addConflicts,
  addParked,
  addKeys,
  addPause,
  addResume,
  addUninstall,
  addDemo,
])
  add(program);
for (const command of program.commands.flatMap((each) => [each, ...each.commands]))
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

await program.parseAsync();
