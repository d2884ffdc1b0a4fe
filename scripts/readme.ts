/** `npm run readme`: puts the last benchmark's figures and picture into README.md; `--check` only compares, and ends with 1 on a difference. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { format, type FormatConfig } from 'oxfmt';
import { toPicture } from '../bench/report/picture.ts';
import { replaceSection, toSection } from '../bench/report/section.ts';
import type { BenchResult } from '../bench/result.ts';

const top = join(import.meta.dirname, '..');
const json = await readOrNull('bench/results/latest.json');
if (json === null) {
  process.stdout.write(
    'bench/results/latest.json is not there: README.md stays as it is; `npm run bench` writes it\n',
  );
} else {
  const result = JSON.parse(json) as BenchResult;
  const wanted = { 'README.md': await toReadme(result), 'docs/bench.svg': toPicture(result) };
  for (const [path, text] of Object.entries(wanted)) await settle(path, text);
}

/** Formatted as `npm run check` wants it. */
async function toReadme(result: BenchResult): Promise<string> {
  const readme = (await readOrNull('README.md')) ?? '';
  const settings = JSON.parse((await readOrNull('.oxfmtrc.json')) ?? '{}') as FormatConfig;
  const { code, errors } = await format('README.md', replaceSection(readme, toSection(result)), settings);
  if (errors.length > 0) throw new Error(`README.md cannot be formatted: ${JSON.stringify(errors)}`);
  return code;
}

async function settle(path: string, text: string): Promise<void> {
  if (((await readOrNull(path)) ?? '') === text) return;
  if (process.argv.includes('--check')) {
    process.stderr.write(`${path} differs from bench/results/latest.json: run \`npm run readme\`\n`);
    process.exitCode = 1;
    return;
  }
  await mkdir(dirname(join(top, path)), { recursive: true });
  await writeFile(join(top, path), text);
  process.stdout.write(`${path} written\n`);
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(join(top, path), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
