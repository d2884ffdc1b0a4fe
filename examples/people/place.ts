/** A database, its folder for photos, and the `snk run` beside it: an office, a reader, or the main one. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Database } from '../support/database.ts';
import type { Program } from '../support/program.ts';
import { startSnk, type SnkSetting } from '../support/snk.ts';
import type { Stage } from '../support/stage.ts';
import { photoOf } from './photo.ts';

export type Role = 'hub' | 'office' | 'reader';

interface PlaceOptions {
  readonly name: string;
  readonly role: Role;
  readonly url: string;
  /** What its configuration reads from the environment, beside its database and its folder. */
  readonly env: Readonly<Record<string, string>>;
}

export class Place {
  readonly name: string;
  readonly database: Database;
  readonly setting: SnkSetting;
  readonly #stage: Stage;
  /** The folder in which its photos are. */
  readonly photos: string;

  private constructor(stage: Stage, { name, role, url, env }: PlaceOptions) {
    const files = join(stage.folder, `files-of-${name}`);
    this.name = name;
    this.database = new Database(stage, name, url);
    this.#stage = stage;
    this.photos = join(files, 'photos');
    this.setting = {
      folder: import.meta.dirname,
      config: `${role}.config.ts`,
      env: { ...env, NAME: name, DATABASE_URL: url, FILES: files },
    };
  }

  static async make(stage: Stage, options: PlaceOptions): Promise<Place> {
    const place = new Place(stage, options);
    await mkdir(place.photos, { recursive: true });
    await place.database.sql(await readFile(join(import.meta.dirname, `${options.role}.sql`), 'utf8'));
    return place;
  }

  async start(): Promise<Program> {
    return await startSnk(this.#stage, this.setting);
  }

  /** Writes a file that a row is to name. */
  async takePhoto(file: string, of: string): Promise<void> {
    await writeFile(join(this.photos, file), photoOf(of));
  }

  /** A hash of all people with what their photos hold. */
  async people(table: 'person' | 'people', id = 'id'): Promise<string> {
    const rows = await this.database.sql(
      `select ${id}::text as id, name, phone, photo from ${table} order by 1`,
    );
    const hash = createHash('sha256');
    for (const { photo, ...row } of rows) {
      const bytes = photo === null ? null : await readFile(join(this.photos, String(photo)));
      hash.update(
        JSON.stringify([row, bytes === null ? null : createHash('sha256').update(bytes).digest('hex')]),
      );
    }
    return hash.digest('hex');
  }
}
