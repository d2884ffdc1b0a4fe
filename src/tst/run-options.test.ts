import { describe, expect, test } from 'vitest';
import { runCommand, type RunOptions } from './run-options.ts';

async function parse(...args: string[]): Promise<RunOptions> {
  let parsed: RunOptions | undefined;
  const command = runCommand(async (options) => void (parsed = options))
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  await command.parseAsync(args, { from: 'user' });
  return parsed as RunOptions;
}

describe('options of tst run', () => {
  test('without any, 1000 rows at a time go to public.record by one writer, for ever', async () => {
    expect(await parse()).toEqual({
      url: [],
      table: { schema: 'public', name: 'record' },
      batch: 1000,
      writers: 1,
      json: false,
    });
  });

  test('all of them are read', async () => {
    const args = '--url x --url y --table s.t --rows 5 --for 1.5s --batch 10 --writers 2 --seed 0 --json';
    expect(await parse(...args.split(' '))).toEqual({
      url: ['x', 'y'],
      table: { schema: 's', name: 't' },
      rows: 5,
      for: 1500,
      batch: 10,
      writers: 2,
      seed: 0,
      json: true,
    });
  });

  test.each([
    ['--rows', '0'],
    ['--rows', '1e6'],
    ['--rows', 'many'],
    ['--rows', '-1'],
    ['--rows', '99999999999999999999'],
    ['--for', '30'],
    ['--for', 'soon'],
    ['--for', '0s'],
    ['--for', '-1s'],
    ['--for', '25d'],
    ['--for', ''],
    ['--batch', '0'],
    ['--batch', '100001'],
    ['--writers', '0'],
    ['--seed', '-1'],
    ['--seed', '1.5'],
    ['--table', ''],
    ['--table', 'a.b.c'],
    ['--table', 'a."b"'],
    ['--fast', '1'],
  ])('%s %j is refused', async (name, value) => {
    await expect(parse(`${name}=${value}`)).rejects.toThrow(/^error: (option .* is invalid|unknown option)/);
  });
});
