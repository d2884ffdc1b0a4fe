/** `npm run example:one-way-reporting`: eight tables become a report: renamed, filtered, without secrets, and kept so. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Database } from '../support/database.ts';
import { startDatabases } from '../support/servers.ts';
import { startSnk } from '../support/snk.ts';
import { runExample, say } from '../support/stage.ts';

interface Databases {
  readonly operations: Database;
  readonly reporting: Database;
}

const tables = {
  station: 'place',
  tariff: 'price',
  bike: 'fleet',
  bike_part: 'fitting',
  customer: 'rider',
  rental: 'ride',
  payment: 'revenue',
  repair: 'maintenance',
};

await runExample(async (stage) => {
  const urls = await startDatabases(stage, 'operations', 'reporting');
  const operations = new Database(stage, 'operations', urls.operations);
  const reporting = new Database(stage, 'reporting', urls.reporting);
  await operations.sql(await readFile(join(import.meta.dirname, 'operations.sql'), 'utf8'));
  await reporting.sql(await readFile(join(import.meta.dirname, 'reporting.sql'), 'utf8'));
  await operations.sql(pastYears);
  const env = { OPERATIONS_URL: urls.operations, REPORTING_URL: urls.reporting };
  await startSnk(stage, { folder: import.meta.dirname, env });
  say('two PostgreSQL servers, operations and reporting, and `snk run` are up');

  const databases = { operations, reporting };
  await pastIsThere(databases);
  await rideEnds(databases);
  await thingsLeave(databases);
  await customerIsForgotten(databases);
});
