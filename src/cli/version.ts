/** The version in package.json, which stands above this file whether it runs as source or as built. */
import { existsSync, readFileSync } from 'node:fs';

export function packageVersion(): string {
  let directory = new URL('.', import.meta.url);
  for (let level = 0; level < 5; level += 1) {
    const file = new URL('package.json', directory);
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
    directory = new URL('../', directory);
  }
  return 'unknown';
}
