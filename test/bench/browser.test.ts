/** The report in a real Chromium: light, dark and at a phone's width; skipped where there is none. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toPicture } from '../../bench/report/picture.ts';
import { writeReport } from '../../bench/report/report.ts';
import { fixture } from './fixture.ts';

const executablePath = process.env['SNK_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
const found = existsSync(executablePath);
const why = found ? '' : ` (skipped: no Chromium at ${executablePath}; set SNK_TEST_CHROMIUM)`;

describe.skipIf(!found)(`the report in a browser${why}`, { timeout: 60_000 }, () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'snk-report-'));
    await writeReport(fixture(), folder);
    await writeFile(join(folder, 'bench.svg'), toPicture(fixture()));
    // Root, as in a container, gets no sandbox from Chromium; the page is our own.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({ executablePath, args });
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  test.each([
    ['light', 1200],
    ['dark', 1200],
    ['light', 390],
    ['dark', 390],
  ] as const)('%s, %i px wide', async (colorScheme, width) => {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
    const said = listen(page);
    await page.goto(address('latest.html'));
    const charts = page.locator('figure svg');
    expect(await charts.count()).toBe(16);
    for (const chart of await charts.all()) {
      expect(await chart.isVisible()).toBe(true);
      const box = await chart.boundingBox();
      expect(Math.min(box?.width ?? 0, box?.height ?? 0)).toBeGreaterThan(60);
    }
    expect(await clipped(page)).toEqual([]);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    const ground = await styleOf(page, 'section', 'backgroundColor');
    expect(ground).toBe(colorScheme === 'dark' ? 'rgb(27, 33, 41)' : 'rgb(255, 255, 255)');
    // A colour that the page does not know would leave a bar black.
    const snk = await styleOf(page, 'svg path[fill="var(--snk)"]', 'fill');
    expect(snk).toBe(colorScheme === 'dark' ? 'rgb(107, 184, 255)' : 'rgb(11, 92, 173)');
    expect(said).toEqual([address('latest.html')]);
    await page.close();
  });

  test('the keyboard reaches the goals first, and each table that scrolls', async () => {
    const page = await browser.newPage();
    await page.goto(address('latest.html'));
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.getAttribute("href")')).toBe('#goals');
    for (const region of await page.getByRole('region').and(page.locator('.scroll')).all()) {
      if (!(await region.isVisible())) continue;
      await region.focus();
      expect(await region.evaluate((each) => each.matches(':focus'))).toBe(true);
    }
    expect(await page.getByRole('img', { name: /rate of the writers/ }).count()).toBe(1);
    await page.close();
  });

  test('the picture shows by itself, with no text past its edge', async () => {
    const page = await browser.newPage({ viewport: { width: 900, height: 600 } });
    const said = listen(page);
    await page.goto(address('bench.svg'));
    expect(await clipped(page)).toEqual([]);
    expect(said).toEqual([address('bench.svg')]);
    await page.close();
  });

  function address(name: string): string {
    return pathToFileURL(join(folder, name)).href;
  }
});

/** Every request, error and word in the console, as they come. */
function listen(page: Page): string[] {
  const said: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) said.push(request.url());
  });
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  return said;
}

/** As text, as the types of a browser are not Node's. */
async function styleOf(page: Page, selector: string, name: string): Promise<string> {
  return await page.evaluate<string>(
    `getComputedStyle(document.querySelector(${JSON.stringify(selector)})).${name}`,
  );
}

/** Texts of charts that reach out of their drawing. */
async function clipped(page: Page): Promise<(string | null)[]> {
  return await page.locator('svg text').evaluateAll((texts) =>
    texts
      .filter((each) => {
        const inner = each.getBoundingClientRect();
        const outer = each.closest('svg')?.getBoundingClientRect();
        return (
          outer !== undefined &&
          (inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1)
        );
      })
      .map((each) => each.textContent),
  );
}
