import { describe, expect, test } from 'vitest';
import { printable } from './printable.ts';
import { reportHtml } from './report-html.ts';
import type { TableReport, VerifyReport } from './verify.ts';

const hostile = `</code><script>alert("x")</script>&lt;'\u202Egnp.exe\u001B[2J\n`;

const table: TableReport = {
  table: 'public.record',
  links: ['a->b', 'b->a'],
  rows: { a: 1_234_567, b: 2 },
  differences: [],
  truncated: false,
  unsettled: 0,
};
const report: VerifyReport = {
  equal: true,
  verifiedThrough: '2026-01-31T12:00:00.000Z',
  partial: null,
  tables: [table],
  notCompared: [],
};

describe('the page of a report', () => {
  test('needs nothing else, and lets nothing in', () => {
    const html = reportHtml(report);
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(html).not.toMatch(/https?:|src=|href=|url\(/);
    expect(html).toContain('color-scheme: light dark');
    expect(html).toContain('<h1 class="equal">Equal</h1>');
    expect(html).toContain('1,234,567');
    expect(html).not.toContain('partial:');
  });

  test('shows keys, names and reasons as they are, whatever they hold', () => {
    const differences = [{ key: { [hostile]: hostile }, kind: 'missing' as const, at: hostile }];
    const html = reportHtml({
      ...report,
      equal: false,
      tables: [{ ...table, table: hostile, links: [hostile], rows: { [hostile]: 1 }, differences }],
      notCompared: [{ table: hostile, links: [hostile], why: hostile }],
    });
    expect(html).not.toContain('<script');
    expect(html).not.toContain('\u202E');
    expect(html).not.toContain('\u001B');
    expect(html).toContain(
      '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;lt;&#39;\\u{202e}gnp.exe\\u{1b}[2J\\u{a}',
    );
    const tags = new Set([...html.matchAll(/<\/?([a-z0-9]+)/g)].map((match) => match[1] ?? ''));
    expect([...tags].toSorted((one, other) => one.localeCompare(other))).toEqual([
      'body',
      'code',
      'div',
      'h1',
      'h2',
      'head',
      'html',
      'meta',
      'p',
      'style',
      'table',
      'tbody',
      'td',
      'th',
      'thead',
      'title',
      'tr',
    ]);
  });

  test('has a column for each part of a key, on either side', () => {
    const differences = [
      { key: { code: '1' }, kind: 'missing' as const, at: 'b' },
      { key: { id: '2' }, kind: 'unmapped' as const, at: 'b' },
    ];
    const html = reportHtml({ ...report, equal: false, tables: [{ ...table, differences }] });
    expect(html).toContain('<th><code>code</code></th><th><code>id</code></th>');
    expect(html).toContain('<td><code></code></td><td><code>2</code></td><td>unmapped</td>');
  });

  test('says what was not looked at', () => {
    const since = { since: '2026-01-31T10:00:00.000Z', sample: null };
    expect(reportHtml({ ...report, partial: since })).toContain(
      'ledgers know of since 2026-01-31T10:00:00.000Z',
    );
    expect(reportHtml({ ...report, partial: { since: null, sample: 5 } })).toContain('about 5 % of the rows');
    const more = {
      ...table,
      differences: [{ key: { id: '1' }, kind: 'different' as const, at: 'b' }],
      truncated: true,
      unsettled: 3,
    };
    const html = reportHtml({ ...report, equal: false, tables: [more] });
    expect(html).toContain('1 and more<br>3 never stood still');
    expect(html).toContain('More differ than are listed.');
  });
});

describe('text for a terminal', () => {
  test('steers nothing', () => {
    expect(printable('\u001B]0;title\u0007\r\n\u009B31m')).toBe(
      '\\u{1b}]0;title\\u{7}\\u{d}\\u{a}\\u{9b}31m',
    );
    expect(printable('\u202Eabc\u2066\u200B')).toBe('\\u{202e}abc\\u{2066}\\u{200b}');
    expect(printable('ä 😀 " <b>')).toBe('ä 😀 " <b>');
  });
});
