/** `snk keys`: who may come in over HTTP, and on which links. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import ms, { type StringValue } from 'ms';
import type { KeyInfo, NewKey } from '../../keys/keys.ts';
import { printJson, printLine, runVerb } from '../verb.ts';

export function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('make, list, rotate and revoke the keys of nodes that come over HTTP');
  keys
    .command('create')
    .description('make a key and print it: it is shown this once')
    .argument('<name>', 'of the key, and of the node that comes with it')
    .requiredOption(
      '--links <links>',
      "what it is bound to, as configured: 'main->office,office->main'",
      listOf,
    )
    .action(async (name: string, options: { links: string[] }, command: Command) => {
      await runVerb(command, async (snk) => {
        print(await snk.keys.create(name, options.links));
        return 0;
      });
    });
  keys
    .command('list')
    .description('one line for each key, without the key')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { json?: boolean }, command: Command) => {
      await runVerb(command, async (snk) => {
        const found = await snk.keys.list();
        if (options.json === true) printJson(found);
        else for (const each of found) printLine(keyLine(each));
        return 0;
      });
    });
  keys
    .command('rotate')
    .description('give a key a new secret and print it; the old one is refused from now on')
    .argument('<name>', 'as the list names it')
    .option('--grace <duration>', "let the old one in beside it for a while: '1h', '7d'", durationOf, 0)
    .action(async (name: string, options: { grace: number }, command: Command) => {
      await runVerb(command, async (snk) => {
        print(await snk.keys.rotate(name, options));
        return 0;
      });
    });
  keys
    .command('revoke')
    .description('refuse a key from now on, also where its holder is connected')
    .argument('<name>', 'as the list names it')
    .action(async (name: string, _: object, command: Command) => {
      await runVerb(command, async (snk) => {
        const revoked = await snk.keys.revoke(name);
        printLine(revoked ? `${name}: revoked` : `${name}: was revoked before`);
        return 0;
      });
    });
}

/** The key alone on stdout, so that a script can take it. */
function print({ name, key }: NewKey): void {
  printLine(key);
  process.stderr.write(
    `This is the key of ${name}. It cannot be shown again: keep it where that node reads its configuration.\n`,
  );
}

function keyLine({ name, links, createdAt, lastUsedAt, revokedAt }: KeyInfo): string {
  const used = lastUsedAt === null ? 'never used' : `last used at ${lastUsedAt}`;
  const state = revokedAt === null ? used : `${used}, revoked at ${revokedAt}`;
  return `${name}  ${links.join(', ')}: created at ${createdAt}, ${state}`;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

function durationOf(text: string): number {
  const milliseconds = text === '' ? undefined : ms(text as StringValue);
  if (milliseconds === undefined || !Number.isFinite(milliseconds) || milliseconds < 0)
    throw new InvalidArgumentError("wanted a duration such as '1h' or '7d'");
  return milliseconds;
}
