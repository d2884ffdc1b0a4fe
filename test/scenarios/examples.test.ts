import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestProcess } from '../support/processes.ts';
import { full } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const top = path.join(import.meta.dirname, '../..');

describe.each(['store-warehouse', 'two-way', 'one-way-reporting', 'people'])('the example %s', (name) => {
  it('ends with 0, prints what its README says, and leaves nothing behind', async () => {
    await using place = await Place.make();
    const example = place.start(name);
    const { code } = await example.exited;
    expect({ code, stderr: example.stderr }).toEqual({ code: 0, stderr: '' });
    expect(example.lines.map(({ text }) => text)).not.toEqual([]);
    expect(comparable(example.stdout)).toEqual(comparable(outputInReadme(name)));
    await place.isAsBefore();
  });
});

describe.runIf(full)('an example that is interrupted', () => {
  it('by Ctrl-C, when it was to be kept, has shown where its applications are, and ends with 0', async () => {
    await using place = await Place.make();
    const example = place.start('store-warehouse', '--keep');
    await example.waitForLine(/until Ctrl-C/);
    const addresses = [...example.stdout.matchAll(/http:\S+/g)].map(([address]) => address);
    expect(addresses).toHaveLength(2);
    for (const address of addresses) expect((await fetch(`${address}/ORD-1`)).status).toBe(200);
    expect(await example.kill('SIGINT')).toEqual({ code: 0, signal: null });
    await place.isAsBefore();
  });

  it('in the middle ends with 130, and leaves nothing behind', async () => {
    await using place = await Place.make();
    const example = place.start('two-way');
    await example.waitForLine(/are up/);
    expect(await example.kill('SIGINT')).toEqual({ code: 130, signal: null });
    expect(example.stderr).toBe('');
    await place.isAsBefore();
  });

  it('by SIGKILL leaves nothing behind', async () => {
    await using place = await Place.make();
    const example = place.start('store-warehouse');
    await example.waitForLine(/are up/);
    expect(place.processes().length).toBeGreaterThan(5);
    await example.kill('SIGKILL');
    await place.isAsBefore();
  });
});

/** A temporary folder of its own: all that an example starts has something in it, or its name among its arguments. */
class Place implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Place> {
    const folder = await mkdtemp(path.join(tmpdir(), 'snk-test-example-'));
    await chmod(folder, 0o755); // the servers may run as another user
    return new Place(folder);
  }

  start(name: string, ...args: string[]): TestProcess {
    return new TestProcess(`examples/${name}/main.ts`, args, { env: { TMPDIR: this.#folder } });
  }

  /** The arguments of all processes that have to do with this folder. */
  processes(): string[] {
    const ids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid));
    const read = (id: string, file: string) => {
      try {
        return readFileSync(`/proc/${id}/${file}`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // it has ended meanwhile
      }
    };
    return ids
      .filter((id) => [read(id, 'cmdline'), read(id, 'environ')].join(' ').includes(this.#folder))
      .map((id) => `${id} ${read(id, 'cmdline')}`);
  }

  async isAsBefore(): Promise<void> {
    let files: string[] = [];
    const isEmpty = async () => {
      files = await readdir(this.#folder);
      return files.length === 0 && this.processes().length === 0;
    };
    await waitUntil(isEmpty, {
      message: () => `nothing to be left of the example:\n${[...files, ...this.processes()].join('\n')}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** What stands below the command in the first console block. */
function outputInReadme(name: string): string {
  const readme = readFileSync(path.join(top, 'examples', name, 'README.md'), 'utf8');
  const [, command, output = ''] = /```console\n\$ npm run (\S+)\n(.*?)```/s.exec(readme) ?? [];
  expect(command).toBe(`example:${name}`);
  return output;
}

/**
 * Without times and identifiers. Which of two directions comes upon a conflict is chance, and it may be both: one line
 * stands for them.
 */
function comparable(output: string): string[] {
  const lines = output
    .trimEnd()
    .replaceAll(/ *[\d.]+ ms/g, ' # ms')
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'UUID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/'?(oslo->lima|lima->oslo)'? \d+/g, 'LINK 1')
    .replaceAll(/the (source|target) won/g, 'SIDE won')
    .replaceAll(/source (\S+) \| target (\S+)/g, (_, ...versions: string[]) =>
      versions.slice(0, 2).sort().join(' | '),
    )
    .split('\n');
  return lines.filter((line, i) => line === '' || line !== lines[i - 1]);
}
