/** The report of a verification as one HTML page that needs nothing else (pure). */
import { partText, printable } from './printable.ts';
import type { TableReport, VerifyReport } from './verify.ts';

const style = `
:root { color-scheme: light dark; --line: light-dark(#d8dee4, #3d444d); --soft: light-dark(#59636e, #9198a1); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; background: light-dark(#fff, #0d1117); color: light-dark(#1f2328, #f0f6fc); }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
p { margin: 0.25rem 0; color: var(--soft); }
.equal { color: light-dark(#1a7f37, #3fb950); } .different { color: light-dark(#cf222e, #f85149); } .partial { color: light-dark(#9a6700, #d29922); }
div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.3rem 0.75rem 0.3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td { font-variant-numeric: tabular-nums; }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }
h2 code, th code { font-size: inherit; font-weight: inherit; }
`;

/** Keys can hold any text, and names of tables nearly any. */
export function reportHtml(report: VerifyReport): string {
  const partial = partText(report.partial);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>snk verify: ${verdict(report.equal)}</title>
<style>${style}</style>
</head>
<body>
<h1 class="${verdict(report.equal)}">${report.equal ? 'Equal' : 'Different'}</h1>
<p>Verified through ${code(report.verifiedThrough)}</p>
${partial === null ? '' : `<p class="partial">${escaped(partial)}</p>\n`}${tablesHtml(report.tables)}
${report.notCompared.map(({ table, links, why }) => `<p>Not compared: ${code(table)} of ${code(links.join(', '))}, since ${escaped(why)}</p>`).join('\n')}
${report.tables
  .filter((table) => table.differences.length > 0)
  .map(differencesHtml)
  .join('\n')}
</body>
</html>
`;
}

const verdict = (equal: boolean): string => (equal ? 'equal' : 'different');

function tablesHtml(tables: readonly TableReport[]): string {
  const rows = tables.map((table) => {
    const isEqual = table.differences.length === 0 && !table.truncated;
    const counts = Object.entries(table.rows).map(
      ([node, rows]) => `${code(node)} ${rows.toLocaleString('en-US')}`,
    );
    return `<tr><td>${code(table.table)}</td><td>${code(table.links.join(', '))}</td><td>${counts.join('<br>')}</td><td class="${verdict(isEqual)}">${differenceCount(table)}</td></tr>`;
  });
  return `<h2>Tables</h2>
<div><table>
<thead><tr><th>Table</th><th>Links</th><th>Rows compared</th><th>Differences</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
}

function differenceCount({ differences, truncated, unsettled }: TableReport): string {
  const count = `${differences.length.toLocaleString('en-US')}${truncated ? ' and more' : ''}`;
  return unsettled === 0 ? count : `${count}<br>${unsettled} never stood still`;
}

function differencesHtml({ table, links, differences, truncated }: TableReport): string {
  // An unmapped row has the names of the source's key.
  const names = [...new Set(differences.flatMap(({ key }) => Object.keys(key)))];
  const rows = differences.map(({ key, kind, at }) => {
    const values = names.map((name) => `<td>${code(key[name] ?? '')}</td>`);
    return `<tr>${values.join('')}<td>${escaped(kind)}</td><td>${code(at)}</td></tr>`;
  });
  return `<h2>${code(table)} of ${code(links.join(', '))}</h2>
<div><table>
<thead><tr>${names.map((name) => `<th>${code(name)}</th>`).join('')}<th>Kind</th><th>Node</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>${truncated ? '\n<p>More differ than are listed.</p>' : ''}`;
}

const code = (text: string): string => `<code>${escaped(text)}</code>`;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}
