/** The hub, the offices and the readers of examples/people, each with a database, a folder and `snk run` as a process. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import hubConfig from '../../examples/people/hub.config.ts';
import { parseConfig } from '../../src/config/config.ts';
import { freePort } from '../../src/dev/port.ts';
import type { OnceReport } from '../../src/link/carry-once.ts';
import { Snk } from '../../src/snk.ts';
import { createDatabase, type TestDatabase } from './databases.ts';
import { newFolder } from './folder.ts';
import { startSnk, type TestProcess } from './processes.ts';
import { linkStates, tailOf } from './snk-run.ts';
import { waitUntil } from './wait-until.ts';

const example = path.join(import.meta.dirname, '../../examples/people');

type Role = 'hub' | 'office' | 'reader';

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly phone: string | null;
  /** The sha256 of the file that the row names. */
  readonly photo: string | null;
}

export class PeoplePlace {
  readonly name: string;
  readonly database: TestDatabase;
  readonly photos: string;
  readonly env: Record<string, string>;
  readonly #role: Role;

  constructor(
    role: Role,
    { name, database, files, env }: { name: string; database: TestDatabase; files: string; env: object },
  ) {
    this.#role = role;
    this.name = name;
    this.database = database;
    this.photos = path.join(files, 'photos');
    this.env = { NAME: name, DATABASE_URL: database.url, FILES: files, SNK_LOG_LEVEL: 'debug', ...env };
  }

  /** Starts `snk run`, and returns at once. */
  run(args: readonly string[] = [], more: Record<string, string> = {}): TestProcess {
    const config = path.join(example, `${this.#role}.config.ts`);
    return startSnk(['--config', config, 'run', ...args], { env: { ...this.env, ...more } });
  }

  /** `snk run --once`, to its end, with its key or another one. */
  async once(
    key?: string,
  ): Promise<{ readonly code: number | null; readonly report: OnceReport; readonly err: string }> {
    const snk = this.run(['--once', '--json'], key === undefined ? {} : { KEY: key });
    const { code } = await snk.exited;
    const report = JSON.parse(snk.stdout === '' ? '{}' : snk.stdout) as OnceReport;
    return { code, report, err: snk.stderr };
  }

  /** `snk run`, when its link is live, or the hub listens. */
  async live(): Promise<TestProcess> {
    const snk = this.run();
    if (this.#role === 'hub') await snk.waitForLine(/"msg":"listening"/);
    else await untilItsLinkIsLive(snk);
    return snk;
  }

  takePhoto(file: string, bytes: Buffer | string): string {
    writeFileSync(path.join(this.photos, file), bytes);
    return createHash('sha256').update(bytes).digest('hex');
  }

  /** All of them, with what their photos hold. */
  async people(): Promise<Person[]> {
    const [table, id] = this.#role === 'office' ? ['person', 'primary_id'] : ['people', 'id'];
    const rows = await this.database.query<Person>(
      `select ${id}::text as id, name, phone, photo from ${table} order by ${table}.${id}`,
    );
    return rows.map((row) => ({ ...row, photo: row.photo === null ? null : this.#hash(row.photo) }));
  }

  #hash(file: string): string {
    const at = path.join(this.photos, file);
    if (!existsSync(at)) return `no ${file}`;
    return createHash('sha256').update(readFileSync(at)).digest('hex');
  }
}

export class PeoplePlaces {
  readonly main: PeoplePlace;
  readonly hub: Snk;
  readonly #folder: string;
  readonly #address: string;

  private constructor(main: PeoplePlace, hub: Snk, folder: string, address: string) {
    this.main = main;
    this.hub = hub;
    this.#folder = folder;
    this.#address = address;
  }

  /** The main database, with SNK installed; its hub does not run yet, and has the same port whenever it does. */
  static async make(): Promise<PeoplePlaces> {
    const folder = await newFolder();
    const port = await freePort();
    const main = await newPlace('hub', 'main', folder, { LISTEN: `127.0.0.1:${port}` });
    const { nodes, ...rest } = hubConfig;
    const hub = new Snk(
      parseConfig({ ...rest, nodes: { ...nodes, main: { url: main.database.url, files: folder } } }),
    );
    onTestFinished(async () => await hub.close());
    await hub.install();
    return new PeoplePlaces(main, hub, folder, `http://127.0.0.1:${port}`);
  }

  async office(name: string): Promise<PeoplePlace> {
    return await this.#newcomer('office', name, 'office->main');
  }

  async reader(name: string): Promise<PeoplePlace> {
    return await this.#newcomer('reader', name, 'main->reader');
  }

  async #newcomer(role: Role, name: string, link: string): Promise<PeoplePlace> {
    const { key } = await this.hub.keys.create(name, [link]);
    return await newPlace(role, name, this.#folder, { HUB: this.#address, KEY: key });
  }
}

async function untilItsLinkIsLive(snk: TestProcess): Promise<void> {
  await waitUntil(
    () => {
      if (snk.exit !== undefined) throw new Error(`snk run ended by itself:\n${snk.stderr}`);
      return [...linkStates(snk).values()].includes('live');
    },
    { timeout: 60_000, message: () => `its link to be live:\n${tailOf(snk)}` },
  );
}

async function newPlace(role: Role, name: string, folder: string, env: object): Promise<PeoplePlace> {
  const database = await createDatabase(role === 'office' ? 'b' : 'a');
  onTestFinished(async () => await database.drop());
  await database.query(readFileSync(path.join(example, `${role}.sql`), 'utf8'));
  const place = new PeoplePlace(role, { name, database, files: path.join(folder, name), env });
  mkdirSync(place.photos, { recursive: true });
  return place;
}
