/** The version of the package this file came with. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Looks upwards for package.json, since src/tst and dist/src/tst are not equally deep. */
export function packageVersion(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) return 'unknown';
    folder = above;
  }
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version?: string };
  return version ?? 'unknown';
}
