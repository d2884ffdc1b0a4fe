/** A real browser, where this machine has one: Chromium, headless. */
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';

const usual = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Null: there is none, and what needs one is not tested here. `SNK_TEST_CHROMIUM` names another one. */
export const chromiumPath: string | null =
  [process.env['SNK_TEST_CHROMIUM'] ?? '', ...usual].find((path) => path !== '' && existsSync(path)) ?? null;

export async function openBrowser(): Promise<Browser> {
  if (chromiumPath === null) throw new Error('there is no Chromium here: set SNK_TEST_CHROMIUM');
  // Its sandbox needs rights that a container does not give; the pages are our own.
  return await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
}

/** What a page complains of: errors of its scripts, and what its own policy forbade. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`a box said: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // An answer that refuses is told as well: those are looked at where they are wanted.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(`console: ${message.text()}`);
  });
  return complaints;
}

/** The contrast of every colour of a text with what it may stand on. */
export async function contrastsOf(page: Page): Promise<[ink: string, ground: string, ratio: number][]> {
  const levels = ['good', 'busy', 'care', 'bad', 'idle'];
  const inks = ['ink', 'muted', 'accent', ...levels];
  const pairs = [
    ...inks.flatMap((ink) =>
      ['ground', 'surface', 'raised', 'sunken'].map((ground) => [ink, ground] as const),
    ),
    ...levels.map((level) => [level, `${level}-soft`] as const),
    ['on-accent', 'accent'] as const,
    ['ground', 'ink'] as const,
  ];
  const resolved: Record<string, string> = await page.evaluate(
    `(${colours})(${JSON.stringify([...new Set(pairs.flat())])})`,
  );
  const light = (name: string): number => {
    const [r = 0, g = 0, b = 0] = (resolved[name]?.match(/\d+/g) ?? []).map((digits) => {
      const part = Number(digits) / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return pairs.map(([ink, ground]) => {
    const [one, other] = [light(ink), light(ground)];
    return [ink, ground, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
  });
}

/** In the page. */
const colours = `(names) => Object.fromEntries(names.map((name) => {
  const probe = document.body.appendChild(document.createElement('i'));
  probe.style.color = 'var(--' + name + ')';
  const found = getComputedStyle(probe).color;
  probe.remove();
  return [name, found];
}))`;
