import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, type UserConfig } from '../../src/config/config.ts';
import { Snk } from '../../src/snk.ts';
import { chromiumPath, complaintsOf, contrastsOf, openBrowser } from '../support/browser.ts';
import { createDatabase, createPair, type Pair, type TestDatabase } from '../support/databases.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { endSnk, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const token = 'the-token-of-the-browser-tests';
const evil = `<img src=x onerror="alert('x')"><script>alert(1)</script>`;
const why =
  chromiumPath === null ? ' (left out: there is no Chromium here, SNK_TEST_CHROMIUM names one)' : '';

const on = ['insert', 'update', 'delete'] as const;

let pair: Pair;
/** A reader's. */
let lyon: TestDatabase;
let run: TestProcess;
let snk: Snk;
let browser: Browser;
let page: Page;
let base: string;
let complaints: string[];

/** All of them use one page, one after the other, as a person would. */
describe.skipIf(chromiumPath === null)(`the console in a browser${why}`, () => {
  beforeAll(async () => {
    pair = await createPair();
    lyon = await createDatabase('b');
    await lyon.query(
      'create table person (id integer primary key, name text not null, city text, notes text, photo text)',
    );
    for (const database of [pair.a, pair.b])
      await database.query(
        `create table person (id integer primary key, name text not null, city text, notes text, photo text, constraint named check (name <> '-'))`,
      );
    await pair.a.query('alter table person drop constraint named');
    await pair.a.query(
      `insert into person select g, 'person ' || g, 'Rome', null from generate_series(1, 120) g`,
    );
    await pair.a.query(`insert into person values (500, $1, $2, $3)`, [
      evil,
      'a\u202egnp.exe',
      'x'.repeat(200_000),
    ]);
    const config: UserConfig = {
      nodes: {
        a: { url: pair.a.url, files: folderWith(dot) },
        b: { url: pair.b.url, files: folderWith() },
        reader: { keyed: true },
      },
      links: [
        {
          between: ['a', 'b'],
          flows: [{ from: 'person', files: { photo: { dir: 'faces' } } }],
          on,
        },
        { from: 'a', to: 'reader', on, tables: ['person'] },
      ],
      http: { listen: 0, console: { token } },
    };
    snk = new Snk(parseConfig(config));
    const cwd = mkdtempSync(path.join(tmpdir(), 'snk-console-'));
    writeFileSync(path.join(cwd, 'snk.config.json'), JSON.stringify(config));
    run = startSnk(['run'], { cwd, env: { SNK_LOG_LEVEL: 'debug' } });
    const [, url] = await run.waitForLine(/"url":"(http:[^"]+)"/);
    base = url ?? '';
    [browser] = await Promise.all([openBrowser(), untilLive(run)]);
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(8_000);
    complaints = complaintsOf(page);
  });

  afterAll(async () => {
    await browser?.close();
    await snk?.close();
    if (run !== undefined) await endSnk(run);
    await lyon?.drop();
    await pair?.drop();
  });

  it('logs somebody in who has the token, and nobody else', async () => {
    await page.goto(base);
    await page.getByLabel('Token').fill('not-the-token-at-all');
    await page.getByLabel('Your name').fill('Ada');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('That is not the token.').waitFor();
    await page.getByLabel('Token').fill(token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'All 2 links are well.' }).waitFor();
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(run.stderr).not.toContain(token);
  });

  it('shows lag and rows move under load', async () => {
    const facts = card('a->b').locator('dd');
    let n = 1_000;
    let lag = '';
    await waitUntil(
      async () => {
        n += 1;
        await pair.a.query(`insert into person values ($1, 'load')`, [n]);
        const [lagNow = '', rows = ''] = await facts.allInnerTexts();
        if (lagNow !== '0 ms' && lagNow !== '–') lag = lagNow;
        return lag !== '' && Number(rows) > 0;
      },
      { interval: 50, message: () => `the card of a->b to tell of load; its lag was ${lag}` },
    );
    expect(lag).toMatch(/^[\d.]+ m?s$/);
    await card('a->b')
      .getByRole('img', { name: /at the most [1-9]/ })
      .waitFor();
    expect(await card('a->b').locator('canvas').count()).toBe(1);
  });

  it('pauses a link when that is confirmed, and resumes it', async () => {
    await page.getByRole('button', { name: 'Pause a->b' }).click();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.getByRole('button', { name: 'Pause a->b' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await card('a->b').getByText('Paused').waitFor();
    await page.getByRole('heading', { name: '1 of 2 links is paused.' }).waitFor();
    await pair.a.query(`update person set city = 'Bern' where id = 9`);
    await page.getByRole('button', { name: 'Resume a->b' }).click();
    await card('a->b').getByText('Live').waitFor();
    await untilCity(9, 'Bern');
  });

  it('settles a conflict by the version that somebody keeps', async () => {
    await bothPaused(async () => {
      await pair.a.query(`update person set city = 'Oslo' where id = 7`);
      await pair.b.query(`update person set city = $1 where id = 7`, [evil]);
    });
    await page.getByRole('navigation').getByRole('link', { name: 'Conflicts' }).click();
    await page
      .getByRole('button', { name: /Look at conflict/ })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    const row = dialog.locator('tr', { hasText: 'city' });
    await row.waitFor();
    expect((await row.locator('td').allInnerTexts()).toSorted()).toEqual([evil, 'Oslo'].toSorted());
    expect(await dialog.getByText('differs').count()).toBe(1);
    await dialog.getByRole('button', { name: 'Keep b' }).click();
    await page.getByRole('dialog').last().getByRole('button', { name: 'Keep b' }).click();
    await page.getByText('The version of b is kept.').waitFor();
    await untilCity(7, evil);
  });

  it('has a parked row tried again', async () => {
    await pair.a.query(`insert into person values (600, '-')`);
    await page.getByRole('navigation').getByRole('link', { name: 'Parked' }).click();
    await page.getByText('constraint named').first().waitFor();
    await page.getByRole('button', { name: 'Look' }).click();
    await page.getByRole('dialog').getByRole('cell', { name: '600' }).waitFor();
    await page.keyboard.press('Escape');
    await pair.b.query('alter table person drop constraint named');
    await page.getByRole('button', { name: 'Try all of a->b now' }).click();
    await page.getByText('No row is parked here.').waitFor();
    await page.getByText('Those of a->reader are not listed here').waitFor();
    expect(await pair.b.query('select name from person where id = 600')).toEqual([{ name: '-' }]);
  });

  it('shows hostile rows as the texts that they are', async () => {
    await page.getByRole('navigation').getByRole('link', { name: 'Tables' }).click();
    await page.getByRole('searchbox').fill('onerror');
    await page.keyboard.press('Enter');
    const row = page.locator('tbody tr', { hasText: '500' });
    await row.waitFor();
    const cells = await row.locator('td').allInnerTexts();
    expect(cells.slice(0, 2)).toEqual(['500', evil]);
    expect(cells[2]).toBe('aU+202Egnp.exe');
    expect(cells[3]?.length).toBeLessThan(200);
    await row.getByRole('button').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('too long to be edited here').waitFor();
    expect(await dialog.getByLabel('name text').inputValue()).toBe(evil);
    expect(await page.locator('img[src="x"], main script').count()).toBe(0);
    await page.keyboard.press('Escape');
    await page.getByRole('searchbox').fill('');
  });

  it('shows the picture that a row names, where it came from and where it went', async () => {
    await pair.a.query(`update person set photo = 'dot.png' where id = 12`);
    await waitUntil(
      async () => (await pair.b.query('select photo from person where id = 12'))[0]?.photo === 'dot.png',
    );
    for (const node of ['a', 'b']) {
      await openRow('12', node);
      const picture = page.getByRole('img', { name: 'photo of this row' });
      await picture.waitFor();
      expect(await picture.evaluate(widthOf)).toBe(1);
      await page.keyboard.press('Escape');
    }
  });

  it('edits a row that arrives at the other side, but none that is not what was shown', async () => {
    await openRow('12');
    await page.getByRole('dialog').getByLabel('city text').fill('Zürich 漢字');
    await pair.a.query(`update person set notes = 'meanwhile' where id = 12`);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('nothing was written').waitFor();
    await page.getByRole('button', { name: 'Show the row as it is now' }).click();
    await waitUntil(async () => (await page.getByLabel('notes text').inputValue()) === 'meanwhile');
    await page.getByLabel('city text').fill('Zürich 漢字');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('The row is saved.').waitFor();
    await untilCity(12, 'Zürich 漢字');
  });

  it('finds the way of a row', async () => {
    await openRow('12');
    await page.getByRole('dialog').getByRole('link', { name: 'Trace' }).click();
    await page.getByRole('heading', { name: 'Trace' }).waitFor();
    await page.locator('.hops li', { hasText: 'applied at b by a->b' }).first().waitFor();
    expect(await page.locator('.hops li', { hasText: 'captured at a' }).count()).toBeGreaterThan(0);
    expect(await page.getByText('Is there').count()).toBe(2);
  });

  it('makes a key that is shown once, edits a row that arrives at the reader who has it, and revokes it', async () => {
    await page.getByRole('navigation').getByRole('link', { name: 'Keys' }).click();
    await page.getByText('Nobody has a key yet.').waitFor();
    await page.getByRole('button', { name: 'Add a key' }).click();
    await page.getByLabel('Name of the node').fill('lyon');
    await page.getByLabel('a->reader').check();
    await page.getByRole('button', { name: 'Make the key' }).click();
    const key = await page.locator('output.secret').innerText();
    expect(await snk.keys.authenticate(key)).toMatchObject({ name: 'lyon', links: ['a->reader'] });
    await page.getByRole('button', { name: 'I have it' }).click();
    expect(await page.content()).not.toContain(key);

    const reader = startReader(key);
    await reader.waitForLine(/"link":"a->lyon","state":"live"/);
    await openRow('12');
    await page.getByRole('dialog').getByLabel('city text').fill('Lyon');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('The row is saved.').waitFor();
    await untilCity(12, 'Lyon', lyon);
    await page.goto(`${base}#/keys`);
    const its = page.getByRole('listitem').filter({ hasText: 'lyon' });
    await its.getByText('last seen').waitFor();
    await its.getByText(/level|behind/).waitFor();

    await page.getByRole('button', { name: 'Revoke the key of lyon' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('The key of lyon is revoked.').waitFor();
    await page.getByText('Revoked', { exact: true }).waitFor();
    expect(await snk.keys.authenticate(key)).toBeNull();
    await reader.exited;
    expect(reader.stderr).toContain('SNK_KEY');
  });

  it('tells who did what, and no values', async () => {
    await page.getByRole('navigation').getByRole('link', { name: 'Audit' }).click();
    await page.locator('tbody tr').first().waitFor();
    const text = await page.locator('tbody').innerText();
    for (const deed of [
      'pause',
      'resume',
      'resolve conflict',
      'retry parked',
      'update row',
      'SNK_ROW_STALE',
      'revoke key',
    ])
      expect(text).toContain(deed);
    expect(text).toContain('Ada (127.0.0.1)');
    expect(text).not.toContain('Zürich');
  });

  it('is used by keys alone', async () => {
    await page.goto(`${base}#/links`);
    await page.reload();
    await card('a->b').waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Pause a->b');
    const ring = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    expect(ring).toBe('solid');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    for (let i = 0; i < 8; i += 1) {
      await page.keyboard.press('Tab');
      expect(
        await page.evaluate(
          `document.activeElement === document.body || document.activeElement.closest('dialog') !== null`,
        ),
      ).toBe(true);
    }
    await page.keyboard.press('Escape');
    expect(await focused()).toBe('Pause a->b');
  });

  it('can be read in both lights', async () => {
    for (const theme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: theme as 'light' | 'dark' });
      for (const [ink, ground, ratio] of await contrastsOf(page))
        expect([theme, ink, ground, ratio]).toEqual([theme, ink, ground, expect.toSatisfy(isReadable)]);
    }
    const ground = async () =>
      await page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    const dark = await ground();
    await page.getByRole('button', { name: 'Light' }).click();
    expect(await ground()).not.toBe(dark);
  });

  it('fits a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const part of [
      'links',
      'conflicts',
      'parked',
      'tables',
      'trace/public.person/12',
      'keys',
      'audit',
    ]) {
      await page.goto(`${base}#/${part}`);
      await page.locator('#title').waitFor();
      await waitUntil(async () => (await page.getByText('Asking the databases').count()) === 0);
      const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect([part, over]).toEqual([part, 0]);
    }
    await page.goto(`${base}#/tables`);
    await openRow('12');
    expect(await page.getByRole('button', { name: 'Save' }).isVisible()).toBe(true);
    await page.keyboard.press('Escape');
  });

  it('lets somebody out, for good', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Token').waitFor();
    await page.goto(`${base}#/audit`);
    await page.reload();
    await page.getByLabel('Token').waitFor();
    expect(await page.evaluate(`fetch('/console/api/audit').then((answer) => answer.status)`)).toBe(401);
    await page.goto('about:blank');
    await page.goto(`${base}#token=${token}`);
    await page.getByRole('link', { name: 'Links' }).waitFor();
    expect(page.url()).not.toContain(token);
    expect(complaints).toEqual([]);
  });
});

function card(link: string): Locator {
  return page.getByRole('article', { name: link, exact: true });
}

async function focused(): Promise<string | null> {
  return await page.evaluate(`document.activeElement.getAttribute('aria-label')`);
}

async function openRow(id: string, node = 'a'): Promise<void> {
  await page.goto(`${base}#/tables/${node}/public.person`);
  await page.getByRole('button', { name: id, exact: true }).click();
  await page.getByRole('dialog').getByLabel('city text').waitFor();
}

async function untilCity(id: number, city: string, ...readers: TestDatabase[]): Promise<void> {
  for (const database of [pair.a, pair.b, ...readers]) {
    await waitUntil(
      async () => (await database.query('select city from person where id = $1', [id]))[0]?.['city'] === city,
      { message: `${database.name} to have ${city} under ${id}` },
    );
  }
}

function startReader(key: string): TestProcess {
  const cwd = mkdtempSync(path.join(tmpdir(), 'snk-console-'));
  const config: UserConfig = {
    nodes: { a: { hub: new URL(base).origin, key }, lyon: { url: lyon.url } },
    links: [{ from: 'a', to: 'lyon', on, tables: ['person'] }],
  };
  writeFileSync(path.join(cwd, 'snk.config.json'), JSON.stringify(config));
  return startSnk(['run'], { cwd, env: { SNK_LOG_LEVEL: 'debug' } });
}

/** In the page. */
async function widthOf(image: unknown): Promise<number> {
  const shown = image as { decode(): Promise<void>; readonly naturalWidth: number };
  await shown.decode();
  return shown.naturalWidth;
}

/** One point. */
const dot =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

function folderWith(picture?: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'snk-console-files-'));
  if (picture === undefined) return folder;
  mkdirSync(path.join(folder, 'faces'));
  writeFileSync(path.join(folder, 'faces', 'dot.png'), Buffer.from(picture, 'base64'));
  return folder;
}

/** Both sides change what the other one does not know of. */
async function bothPaused(work: () => Promise<void>): Promise<void> {
  const links = ['a->b', 'b->a'];
  const untilState = async (state: string) =>
    await waitUntil(async () =>
      (await snk.status()).links.every((link) => !links.includes(link.name) || link.state === state),
    );
  for (const link of links) await snk.pause(link);
  await untilState('paused');
  await work();
  for (const link of links) await snk.resume(link);
  await untilState('live');
}

const isReadable = (ratio: number): boolean => ratio >= 4.5;
