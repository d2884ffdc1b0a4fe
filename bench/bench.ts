/** `npm run bench [-- NAME…] [--quick] [--full] [--rounds N]`: sync lag and throughput, beside what users would pick instead. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openPair, settings } from './pair.ts';
import { writeReport } from './report/report.ts';
import type { BenchResult, SuiteResult } from './result.ts';
import type { Context, Suite } from './suite.ts';
import { backlog } from './suites/backlog.ts';
import { firstCopy } from './suites/first-copy.ts';
import { flood } from './suites/flood.ts';
import { growth } from './suites/growth.ts';
import { changes } from './suites/changes.ts';
import { hold } from './suites/hold.ts';
import { hub } from './suites/hub.ts';
import { idle } from './suites/idle.ts';
import { lag } from './suites/lag.ts';
import { map } from './suites/map.ts';
import { mapping } from './suites/mapping.ts';
import { upserts } from './suites/upserts.ts';
import { wide } from './suites/wide.ts';
import { writers } from './suites/writers.ts';
import { worstMemory } from './worst-memory.ts';

const suites: readonly Suite[] = [
  flood,
  lag,
  writers,
  changes,
  upserts,
  wide,
  mapping,
  map,
  idle,
  hold,
  backlog,
  growth,
  firstCopy,
  hub,
];
/** Idle is measured before there is anything that the servers would tidy up meanwhile. */
const order: readonly Suite[] = [idle, ...suites.filter((suite) => suite !== idle)];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' }, full: { type: 'boolean' }, rounds: { type: 'string' } },
});
const rounds = Number(values.rounds ?? (values.quick === true ? 1 : 3));
const unknown = positionals.filter((name) => !suites.some((suite) => suite.name === name));
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(
    unknown.length > 0
      ? `there is no suite ${unknown.join(', ')}; there are ${suites.map((suite) => suite.name).join(', ')}\n`
      : '--rounds wants a whole number from 1\n',
  );
  process.exit(2);
}
const chosen = order.filter((suite) => positionals.length === 0 || positionals.includes(suite.name));

const started = Date.now();
const pair = await openPair();
try {
  const context: Context = {
    pair,
    rounds,
    quick: values.quick === true,
    full: values.full === true,
    say: (line) => process.stdout.write(`  ${line}\n`),
  };
  const results: SuiteResult[] = [];
  for (const suite of chosen) {
    const since = Date.now();
    process.stdout.write(`${suite.name}\n`);
    const result = await suite.run(context);
    results.push(result);
    tellSuite(result);
    process.stdout.write(`  (${((Date.now() - since) / 1_000).toFixed(0)} s)\n`);
  }
  results.sort((one, other) => placeOf(one.name) - placeOf(other.name));
  const memory = worstMemory(results);
  if (memory !== null) {
    process.stdout.write(`${memory.name}\n`);
    results.push(memory);
    tellSuite(memory);
  }
  const result: BenchResult = {
    measuredAt: new Date(started).toISOString(),
    quick: context.quick,
    rounds,
    seconds: Math.round((Date.now() - started) / 1_000),
    machine: machine(pair.version),
    suites: results,
  };
  // A quick run is a trial of the bench and no result: what the README is made of stays.
  const whole = positionals.length === 0;
  const place = whole && context.quick ? 'results/quick/' : 'results/';
  const folder = fileURLToPath(new URL(place, import.meta.url));
  mkdirSync(folder, { recursive: true });
  const name = whole ? 'latest' : chosen.map((suite) => suite.name).join('-');
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify(result, null, 2)}\n`);
  // A partial run leaves the page of a whole one alone.
  if (name === 'latest') await writeReport(result, folder);
  process.stdout.write(`bench/${place}${name}.json, ${result.seconds} s\n`);
} finally {
  await pair.close();
}

function placeOf(name: string): number {
  return suites.findIndex((suite) => suite.name === name);
}

function tellSuite({ goals, skipped }: SuiteResult): void {
  for (const { peer, why } of skipped) process.stdout.write(`  skipped ${peer}: ${why}\n`);
  for (const { label, wanted, unit, measured, met } of goals) {
    const found = measured === null ? 'not measured' : `${Number(measured.toPrecision(3))} ${unit}`;
    const mark = met === null ? '?' : met ? '✓' : '✗';
    process.stdout.write(`  ${mark} ${label}: ${found} (wanted ${wanted.sign} ${wanted.value})\n`);
  }
}

function machine(postgres: string): BenchResult['machine'] {
  const file = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return {
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${release()}`,
    node: process.version,
    postgres,
    snk: (JSON.parse(file) as { version: string }).version,
    settings,
  };
}
