/** Functions of the user's own, by the module they stand in: unlike a function itself, its place crosses threads. */
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SnkError } from '../errors.ts';

/** A row as PostgreSQL writes its values; null is NULL. */
export type TextRow = Readonly<Record<string, string | null>>;

/**
 * Of two versions of one row, changed on both sides at the same time, the name of the node whose version stays. It must
 * answer alike for the same versions, whatever their order; null is a row that was deleted.
 */
export type ChooseVersion = (conflict: {
  readonly key: TextRow;
  readonly versions: Readonly<Record<string, TextRow | null>>;
}) => string;

/** `place`: an absolute path or a URL, with `#name` unless it is the module's default. Throws SNK_FUNCTION. */
export async function loadFunction<Function>(place: string): Promise<Function> {
  const [path = '', name = 'default'] = place.split('#');
  const url = isAbsolute(path) ? pathToFileURL(path).href : path;
  let found: unknown;
  try {
    found = ((await import(url)) as Record<string, unknown>)[name];
  } catch (error) {
    const said = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new SnkError('SNK_FUNCTION', `${path} could not be loaded: ${said}`, { cause: error });
  }
  if (typeof found === 'function') return found as Function;
  throw new SnkError('SNK_FUNCTION', `${path} has no function '${name}'`, {
    hint: `Write 'export ${name === 'default' ? 'default function' : `function ${name}`}(…) { … }' there.`,
  });
}
