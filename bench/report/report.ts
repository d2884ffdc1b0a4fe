/** Writes what a benchmark found as one page that needs nothing beside it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchResult } from '../result.ts';
import { toPage } from './page.ts';

export async function writeReport(result: BenchResult, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'latest.html'), toPage(result));
}
