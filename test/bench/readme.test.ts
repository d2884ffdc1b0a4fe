/** README's figures come from `bench/results/latest.json` alone: pure, idempotent, and no drift. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { toPicture } from '../../bench/report/picture.ts';
import { replaceSection, toSection } from '../../bench/report/section.ts';
import { fixture } from './fixture.ts';

const top = join(import.meta.dirname, '../..');
const readme = '# A\n\nbefore\n\n<!-- bench:start -->\n\nold\n\n<!-- bench:end -->\n\nafter\n';

test('only what stands between the markers is replaced, and twice is as once', () => {
  const once = replaceSection(readme, toSection(fixture()));
  expect(
    once.startsWith('# A\n\nbefore\n\n<!-- bench:start -->\n\nMeasured by `npm run bench` on 2001-02-03'),
  ).toBe(true);
  expect(once.endsWith('|\n\n<!-- bench:end -->\n\nafter\n')).toBe(true);
  expect(once).not.toContain('old');
  expect(replaceSection(once, toSection(fixture()))).toBe(once);
});

test('a README without markers is not guessed at', () => {
  expect(() => replaceSection('# A\n', 'x')).toThrow('bench:start');
});

test('the section holds the headline figures, every goal, the machine and the date', () => {
  const section = toSection(fixture());
  for (const row of [
    '| Load at full speed | bare | 111,111 rows/s | 1.00× bare |',
    '|  | snk | 66,666 rows/s | 0.600× bare |',
    '|  | snk | 8,080 tps | 0.909× bare |',
    '|  | snk | 4.4 ms, 5.5 ms | 1.33×, 0.165× logical |',
    '|  | snk | 21 ms, 88 ms | 1.75×, 0.786× logical |',
    '| Updates by key until equal | logical | 1,111 rows/s | 1.00× logical |',
    '|  | snk | 555 rows/s | 0.500× logical |',
    '| Deletes by key until equal | logical | 4,444 rows/s | 1.00× logical |',
    '| flood: writers beside SNK ÷ beside logical | ≥ 1 | 0.9999 | ✗ **not met** |',
    '| flood: synced at the last commit | ≥ 99.5 % | 99.97 % | ✓ met |',
    '| flood: CPU per million rows ÷ logical | ≤ 1 | – | not measured |',
    '| lag: p99 at 20/s ÷ logical | ≤ 1 | 0.165 | ✓ met |',
  ])
    expect(section).toContain(row);
  expect(section).toContain('99 cores and 555 GB (made-up linux \\<x64\\>)');
});

test('the picture is the same text each time, has a ground of its own and both modes, and loads nothing', () => {
  const picture = toPicture(fixture());
  expect(toPicture(fixture())).toBe(picture);
  for (const part of [
    'prefers-color-scheme: dark',
    '<rect x="0.5"',
    '66,666 · 0.600×',
    '4.4 · 5.5',
    '21 · 88',
  ])
    expect(picture).toContain(part);
  expect(picture.replaceAll('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(
    /https?:|<script|<image|@import/,
  );
});

test.skipIf(!existsSync(join(top, 'bench/results/latest.json')))(
  'README and picture are what latest.json says (else: npm run readme)',
  async () => {
    const script = join(top, 'scripts/readme.ts');
    await expect(promisify(execFile)(process.execPath, [script, '--check'])).resolves.toMatchObject({
      stderr: '',
    });
  },
  30_000,
);
