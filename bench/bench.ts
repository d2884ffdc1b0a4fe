/** `npm run bench [-- NAME…] [--quick]`: sync lag and throughput of SNK, as ratios within one run. */
import { parseArgs } from 'node:util';
import { openPair } from './pair.ts';
import { flood } from './flood.ts';
import { idle } from './idle.ts';
import { lag } from './lag.ts';

const suites = { flood, lag, idle };
type SuiteName = keyof typeof suites;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => !(name in suites));
if (unknown.length > 0) {
  process.stderr.write(
    `there is no suite ${unknown.join(', ')}; there are ${Object.keys(suites).join(', ')}\n`,
  );
  process.exit(2);
}
const chosen = (positionals.length > 0 ? positionals : Object.keys(suites)) as SuiteName[];

const pair = await openPair();
try {
  for (const name of chosen) {
    process.stdout.write(`${name}\n`);
    for (const line of await suites[name](pair, { quick: values.quick === true }))
      process.stdout.write(`  ${line}\n`);
  }
} finally {
  await pair.close();
}
