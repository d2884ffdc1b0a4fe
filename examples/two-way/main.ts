/** `npm run example:two-way`: two offices edit the same tables, and at last the same row at the same time. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Database } from '../support/database.ts';
import { startDatabases } from '../support/servers.ts';
import { snk, startSnk, type SnkSetting } from '../support/snk.ts';
import { runExample, say, type Stage } from '../support/stage.ts';

interface Offices {
  readonly oslo: Database;
  readonly lima: Database;
}

/** A project with its customer, and its tasks. */
const overview = `
  select
    p.title,
    c.name,
    c.phone,
    (select string_agg(t.title || case when t.done then ' (done)' else '' end, ' + ' order by t.title) from task t)
  from project p
  join customer c on c.id = p.customer_id`;

await runExample(async (stage) => {
  const urls = await startDatabases(stage, 'oslo', 'lima');
  const offices = {
    oslo: new Database(stage, 'oslo', urls.oslo),
    lima: new Database(stage, 'lima', urls.lima),
  };
  const schema = await readFile(join(import.meta.dirname, 'schema.sql'), 'utf8');
  for (const office of Object.values(offices)) await office.sql(schema);
  const setting = { folder: import.meta.dirname, env: { OSLO_URL: urls.oslo, LIMA_URL: urls.lima } };
  const running = await startSnk(stage, setting);
  say('two PostgreSQL servers, oslo and lima, and `snk run` are up');

  await rowsAppear(offices);
  await bothEdit(offices);
  await running.end();
  await bothEditTheSame(offices);
  await startSnk(stage, setting);
  await itIsSettled(stage, setting, offices);
});

async function rowsAppear({ oslo, lima }: Offices): Promise<void> {
  say();
  say('oslo takes on a project, in one transaction');
  await oslo.sql(`
    with
      c as (insert into customer (name) values ('Ada''s Bakery') returning id),
      p as (insert into project (customer_id, title, budget) select id, 'A new oven', 4000 from c returning id)
    insert into task (project_id, title)
    select p.id, title from p, unnest(array['Measure', 'Order it', 'Celebrate']) title`);
  await lima.untilItTells('3', 'select count(*) from task');
  say(`  lima has it: ${await lima.tell(overview)}`);
}

async function bothEdit(offices: Offices): Promise<void> {
  say();
  say('oslo notes a phone number; lima ends a task, notes its hours, and drops another task');
  await offices.oslo.sql(`update customer set phone = '+47 22 00 00 00'`);
  await offices.lima.sql(`
    update task set done = true where title = 'Measure';
    insert into worked select id, '2026-11-02', 2.5 from task where title = 'Measure';
    delete from task where title = 'Celebrate'`);
  for (const [name, office] of Object.entries(offices)) {
    await office.untilItTells(
      '+47 22 00 00 00, 2, 2.50',
      'select (select phone from customer), (select count(*) from task), (select hours from worked)',
    );
    say(`  ${name} has all: ${await office.tell(overview)}`);
  }
}

async function bothEditTheSame({ oslo, lima }: Offices): Promise<void> {
  say();
  say('the line is down; both change the same budget, and lima ends a task');
  await oslo.sql('update project set budget = 5000');
  await lima.sql(`update project set budget = 4500; update task set done = true`);
  for (const [name, office] of Object.entries({ oslo, lima }))
    say(`  ${name}: ${await office.tell('select budget from project')}`);
}

async function itIsSettled(stage: Stage, setting: SnkSetting, offices: Offices): Promise<void> {
  say();
  say('the line is up again: the node that is listed first wins, and nothing is lost');
  for (const [name, office] of Object.entries(offices)) {
    await office.untilItTells(
      '5000.00, 2',
      'select budget, (select count(*) from task where done) from project',
    );
    say(`  ${name}: ${await office.tell('select budget from project')}`);
  }
  const verb = async (...args: string[]): Promise<readonly string[]> => {
    say();
    say(`$ snk ${args.map((arg) => (arg.includes('>') ? `'${arg}'` : arg)).join(' ')}`);
    const lines = await snk(stage, setting, ...args);
    for (const line of lines) say(line);
    return lines;
  };
  // A line begins with the link and the conflict's number.
  const [link = '', id = ''] = (await verb('conflicts', 'list'))[0]?.split(' ') ?? [];
  await verb('conflicts', 'show', link, id);
  await verb('verify');
}
