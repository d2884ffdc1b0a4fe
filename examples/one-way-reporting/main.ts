/** `npm run example:one-way-reporting`: eight tables become a report, renamed, filtered and without secrets, and kept so. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Database } from '../support/database.ts';
import { startDatabases } from '../support/servers.ts';
import { snk, startSnk } from '../support/snk.ts';
import { runExample, say } from '../support/stage.ts';

interface Databases {
  readonly operations: Database;
  readonly reporting: Database;
}

interface Scene {
  readonly title: string;
  /** What the firm does. */
  readonly work: string;
  /** Where the analysts see it. */
  readonly report: string;
}

const reportOf = {
  station: 'place',
  tariff: 'price',
  bike: 'fleet',
  bike_part: 'fitting',
  customer: 'rider',
  rental: 'ride',
  payment: 'revenue',
  repair: 'maintenance',
};

const scenes: readonly Scene[] = [
  {
    title: 'a ride ends, and is paid for',
    work: `
      update rental
      set ended_at = started_at + interval '11 minutes 30 seconds', end_station_id = 2
      where id = 3;
      insert into payment (id, rental_id, amount, state, card_number)
      values (3, 3, 1.80, 'paid', '4111 1111 1111 1111')`,
    report: `
      select count(*) || ' rides of ' || sum(minutes) || ' minutes, revenue ' || (select sum(amount) from report.revenue)
      from report.ride`,
  },
  {
    title: 'a payment is refunded: it is no revenue any more',
    work: `update payment set state = 'refunded' where id = 2`,
    report: `select 'revenue ' || sum(amount) from report.revenue`,
  },
  {
    title: 'a bike is retired, and a station has another name',
    work: `
      update bike set retired_on = '2026-11-04', station_id = null where id = 3;
      update station set name = 'Opera' where id = 2`,
    report: `
      select (select string_agg(model, ' + ' order by id) from report.fleet) || ', ' || (select string_agg(name, ' + ' order by id) from report.place)`,
  },
  {
    title: 'a customer wants to be forgotten: the rides stay, without a rider',
    work: `delete from customer where full_name = 'Bo Lund'`,
    report: `
      select (select count(*) from report.rider) || ' riders, ' || count(*) || ' rides, ' || count(rider_id) || ' of known riders'
      from report.ride`,
  },
];

await runExample(async (stage) => {
  const urls = await startDatabases(stage, 'operations', 'reporting');
  const operations = new Database(stage, 'operations', urls.operations);
  const reporting = new Database(stage, 'reporting', urls.reporting);
  await operations.sql(await read('operations.sql'));
  await operations.sql(await read('data.sql'));
  await reporting.sql(await read('reporting.sql'));
  const env = { OPERATIONS_URL: urls.operations, REPORTING_URL: urls.reporting };
  const setting = { folder: import.meta.dirname, env };
  await startSnk(stage, setting);
  say('two PostgreSQL servers, operations and reporting, and `snk run` are up');

  await tellCopied({ operations, reporting });
  for (const scene of scenes) await play(scene, { operations, reporting });
  say();
  say('$ snk verify');
  for (const line of await snk(stage, setting, 'verify')) say(line);
});

async function tellCopied({ operations, reporting }: Databases): Promise<void> {
  say();
  say('what was there is copied, as far as it is finished');
  for (const [table, report] of Object.entries(reportOf)) {
    const there = await operations.tell(`select count(*) from ${table}`);
    const reported = await reporting.tell(`select count(*) from report.${report}`);
    say(`  ${there} in ${table.padEnd(9)}  ->  ${reported} in report.${report}`);
  }
  say(
    `  all that it knows of a rider: ${await reporting.tell('select * from report.rider order by id limit 1')}`,
  );
}

/** What is done in one transaction is seen in one: the first change of the report is the whole of it. */
async function play({ title, work, report }: Scene, { operations, reporting }: Databases): Promise<void> {
  const before = await reporting.tell(report);
  await operations.sql(work);
  const after = await reporting.untilNot(before, report);
  say();
  say(title);
  say(`  before: ${before}`);
  say(`  after:  ${after}`);
}

async function read(file: string): Promise<string> {
  return await readFile(join(import.meta.dirname, file), 'utf8');
}
