/** The report of a made-up result: everything that was found is in it, as text, and nothing is loaded. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  formatMeasured,
  formatNumber,
  formatRatio,
  formatSpread,
  formatWanted,
} from '../../bench/report/format.ts';
import { escapeText } from '../../bench/report/markup.ts';
import { toPage } from '../../bench/report/page.ts';
import { lookOf } from '../../bench/report/peers.ts';
import { toPicture } from '../../bench/report/picture.ts';
import { writeReport } from '../../bench/report/report.ts';
import { goal } from '../../bench/result.ts';
import { fixture } from './fixture.ts';

const result = fixture();
const page = toPage(result);

describe('the report', () => {
  test('holds every figure, in its row', () => {
    for (const figure of result.suites.flatMap((suite) => suite.figures)) {
      const { peer, median, unit, ratio } = figure;
      const cells = [formatNumber(median, unit), formatSpread(figure), formatRatio(ratio)];
      const row = `<tr><th scope="row">${peer}</th>${cells.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`;
      expect(page).toContain(row);
    }
  });

  test('holds every goal with its verdict', () => {
    const verdicts = [...page.matchAll(/[✓✗–] (met|not met|not measured)</g)].map(([, verdict]) => verdict);
    expect(verdicts).toEqual(['not met', 'met', 'not met', 'not measured', 'met']);
    expect(page).toContain('<strong>2 of 5 met</strong>, 2 not met, 1 not measured');
    for (const each of result.suites.flatMap((suite) => suite.goals)) {
      expect(page).toContain(escapeText(each.label.replace('flood: ', '')));
      expect(page).toContain(formatWanted(each));
      expect(page).toContain(formatMeasured(each));
    }
  });

  test('names the machine, the settings, what was skipped, and the notes, escaped', () => {
    const { platform, settings } = result.machine;
    const told = [
      '2001-02-03 04:05 UTC',
      'SNK 9.8.7, PostgreSQL 99.1, Node 99.9.9',
      escapeText(platform),
      ...Object.entries(settings).map(([name, value]) => `${name} = ${escapeText(value)}`),
      ...result.suites.flatMap(({ skipped }) => skipped.map(({ why }) => escapeText(why))),
      ...result.suites.flatMap(({ notes }) => notes.map((note) => escapeText(note))),
    ];
    for (const each of told) expect(page).toContain(each);
    expect(page).not.toMatch(/<script|<installed>|<x64>/);
  });

  test('escapes names inside a chart as well', () => {
    const [suite] = result.suites;
    const figures = (suite?.figures ?? []).map((each) => ({
      ...each,
      peer: `<b>${each.peer}`,
      label: '<i>"&',
    }));
    const odd = toPage({ ...result, suites: suite === undefined ? [] : [{ ...suite, figures }] });
    expect(odd).not.toMatch(/<b>|<i>/);
  });

  test('is self-contained: a strict policy, no script, no inline style, no address to load from', () => {
    expect(page).toMatch(
      /Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[\w+/=]+';/,
    );
    const loaded = page.replaceAll('xmlns="http://www.w3.org/2000/svg"', '');
    expect(loaded).not.toMatch(
      /https?:|<script|<link(?! rel="icon" href="data:,")|<img|@import|url\((?!#)| style="/,
    );
  });

  test('gives each chart a title and a description, and no id twice', () => {
    const charts = [...page.matchAll(/<svg id="([^"]+)"/g)].map(([, id]) => id);
    expect(charts).toHaveLength(4 + 6 + 1 + 3 + 2);
    for (const id of charts)
      expect(page).toMatch(
        new RegExp(`<title id="${id}-title">[^<]+</title><desc id="${id}-description">[^<]+<`),
      );
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('stands what JSON makes of a figure that is not a number, and suites with nothing in them', () => {
    const json = JSON.stringify({
      ...result,
      suites: result.suites.map((suite) => ({
        ...suite,
        figures: suite.figures.map((each) => ({
          ...each,
          median: Number.NaN,
          min: Number.NaN,
          ratio: Number.NaN,
        })),
      })),
    });
    const broken = JSON.parse(json) as typeof result;
    expect(toPage(broken)).not.toMatch(/NaN|null|undefined/);
    expect(page).not.toMatch(/NaN|null|undefined/);
    expect(toPicture({ ...result, suites: [] })).toBe('');
  });

  test('is written as one file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'snk-report-'));
    try {
      await writeReport(result, join(folder, 'results'));
      expect(await readdir(join(folder, 'results'))).toEqual(['latest.html']);
      expect(await readFile(join(folder, 'results/latest.html'), 'utf8')).toBe(page);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test.each([
  [123_456.7, 'rows/s', '123,457'],
  [123.4, 'ms', '123'],
  [12.345, 'ms', '12.3'],
  [0.012_345, 'ms', '0.0123'],
  [0, 'rows', '0'],
  [99.97, '%', '99.97'],
  [100, '%', '100'],
  [Number.NaN, 'ms', '–'],
  [null, 'ms', '–'],
])('%s %s is printed as %s', (value, unit, text) => {
  expect(formatNumber(value, unit)).toBe(text);
});

test('a goal missed by a hair does not look met', () => {
  expect(formatMeasured(goal('x', 'x', '>=', 1, '×', 0.999_96))).toBe('0.99996×');
  expect(formatMeasured(goal('x', 'x', '<=', 250, 'MB', 250.2))).toBe('250.2 MB');
  expect(formatMeasured(goal('x', 'x', '<=', 250, 'MB', 250))).toBe('250 MB');
});

test('a variant of a peer looks like the peer, and one that nobody knows like none of them', () => {
  expect(lookOf('snk where')).toEqual(lookOf('snk'));
  expect(lookOf('snkwhere').color).toBe('var(--other)');
});
