/** The files of the page: as built, or bundled once in memory where this runs from source. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

export interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly encoded: Readonly<Record<'br' | 'gzip' | 'identity', Buffer>>;
}

export interface Bundle {
  readonly js: string;
  readonly css: string;
}

const folder = new URL('../../console/', import.meta.url);

/** By address. */
export async function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  const { js, css } = import.meta.url.endsWith('.ts') ? await bundled() : await built();
  const files = [
    ['/console', 'text/html; charset=utf-8', page],
    ['/console/app.js', 'text/javascript; charset=utf-8', js],
    ['/console/app.css', 'text/css; charset=utf-8', css],
    ['/console/icon.svg', 'image/svg+xml', icon],
  ] as const;
  const assets = files.map(async ([url, type, text]) => [url, await assetOf(type, text)] as const);
  return new Map(await Promise.all(assets));
}

async function built(): Promise<Bundle> {
  const [js, css] = await Promise.all(
    ['app.js', 'app.css'].map(async (name) => await readFile(new URL(name, folder), 'utf8')),
  );
  return { js: js ?? '', css: css ?? '' };
}

/** The bundler is a tool of development: what is installed never comes here. */
async function bundled(): Promise<Bundle> {
  const { bundleConsole } = (await import(new URL('bundle.ts', import.meta.url).href)) as {
    bundleConsole: () => Promise<Bundle>;
  };
  return await bundleConsole();
}

async function assetOf(type: string, text: string): Promise<Asset> {
  const identity = Buffer.from(text);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: identity.length };
  const [br, gzipped] = await Promise.all([
    promisify(brotliCompress)(identity, { params }),
    promisify(gzip)(identity, { level: 9 }),
  ]);
  const etag = `"${createHash('sha256').update(identity).digest('base64url').slice(0, 22)}"`;
  return { type, etag, encoded: { br, gzip: gzipped, identity } };
}

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>SNK</title>
<link rel="icon" href="/console/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/console/app.css">
<script type="module" src="/console/app.js"></script>
</head>
<body>
<div id="app"></div>
<noscript>The console needs JavaScript. On a terminal, snk status says the same.</noscript>
</body>
</html>
`;

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f6f5c"/><path d="M9 12.5h11.5m0 0L16.6 8.6m3.9 3.9-3.9 3.9M23 19.5H11.500m0 0 3.900-3.900m-3.900 3.900 3.900 3.900" fill="none" stroke="#fff" stroke-width="2.400" stroke-linecap="round" stroke-linejoin="round"/></svg>
`;
