/** `npm run openapi`: writes docs/openapi.json, what is served over HTTP, from the shapes that requests are checked by. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, type FormatConfig } from 'oxfmt';
import { filePart } from '../src/http/openapi-files.ts';
import { linkPart, openApiDocument } from '../src/http/openapi.ts';

const top = join(import.meta.dirname, '..');
const settings = JSON.parse(await readFile(join(top, '.oxfmtrc.json'), 'utf8')) as FormatConfig;
const { code, errors } = await format(
  'openapi.json',
  JSON.stringify(openApiDocument([linkPart, filePart])),
  settings,
);
if (errors.length > 0) throw new Error(`the document cannot be formatted: ${JSON.stringify(errors)}`);
await writeFile(join(top, 'docs/openapi.json'), code);
