/** Bundles the page: `npm run build` writes it down, and what runs from source does so in memory. A tool of development, not shipped. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import type { Bundle } from './assets.ts';

const top = fileURLToPath(new URL('../../../', import.meta.url));

export async function bundleConsole(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: top,
    entryPoints: { app: 'src/console/main.tsx' },
    outdir: 'console',
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: 'esm',
    target: ['chrome123', 'firefox121', 'safari17.5'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'silent',
  });
  const find = (end: string): string => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  return { js: `${find('.js')}${await licences(metafile)}`, css: find('.css') };
}

/** What others wrote goes out with what they ask to stand beside it. */
async function licences({ inputs }: Metafile): Promise<string> {
  const packages = new Set(
    Object.keys(inputs).flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []),
  );
  const texts = [...packages].sort().map(async (name) => {
    const text = await readFile(join(top, 'node_modules', name, 'LICENSE'), 'utf8');
    return `/*! ${name}\n\n${text.replaceAll('*/', '* /').trim()}\n*/\n`;
  });
  return (await Promise.all(texts)).join('');
}

/** `node src/http/console/bundle.ts dist/src/console` */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = resolve(process.argv[2] ?? join(top, 'dist/src/console'));
  const { js, css } = await bundleConsole();
  await mkdir(folder, { recursive: true });
  await Promise.all([writeFile(join(folder, 'app.js'), js), writeFile(join(folder, 'app.css'), css)]);
}
