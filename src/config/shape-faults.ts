/** What the schema says of a configuration, as faults with their places and the nearest names (pure). */
import { closest } from 'fastest-levenshtein';
import type { z } from 'zod';
import type { Fault } from '../errors.ts';

type Issue = z.core.$ZodIssue;

const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': ['nodes', 'links', 'limits', 'verify', 'http'],
  nodes: ['url', 'hub', 'key', 'ca', 'insecure', 'keyed', 'files'],
  links: ['between', 'from', 'to', 'tables', 'flows', 'on', 'conflict', 'every'],
  flows: [
    'from',
    'to',
    'on',
    'columns',
    'set',
    'where',
    'write',
    'missing',
    'echo',
    'map',
    'conflict',
    'truncate',
    'existing',
    'identity',
    'synced',
    'files',
  ],
  limits: [
    'pageKeys',
    'changeLogMegabytes',
    'imageBytes',
    'parkedRows',
    'ledgerKeys',
    'ledgerAge',
    'copyRowsPerSecond',
    'copyTables',
    'readerAge',
    'clockSkew',
  ],
  verify: ['every', 'rowsPerSecond'],
  http: ['listen', 'tls', 'cert', 'key', 'trustProxy', 'insecure', 'console', 'token', 'hosts'],
};

export function toFaults(issue: Issue, input: unknown, above: readonly PropertyKey[] = []): Fault[] {
  const path = [...above, ...issue.path];
  const at = pathText(path);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys[path.includes('flows') ? 'flows' : String(path[0] ?? '')] ?? [];
    return issue.keys.map((key) => ({
      code: 'SNK_CONFIG_UNKNOWN_KEY',
      at: at === '' ? key : `${at}.${key}`,
      message: `there is no such key`,
      hint: known.length > 0 ? `Did you mean '${closest(key, [...known])}'?` : undefined,
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Speak of the form that the user most likely meant.
    const value = valueAt(input, path);
    const has = (key: string): boolean => typeof value === 'object' && value !== null && key in value;
    const meant = issue.errors[formOf(path, has)];
    return (meant ?? []).flatMap((inner) => toFaults(inner, input, path));
  }
  const found = valueAt(input, path);
  if (found === undefined && path.at(-1) === 'url') {
    return [
      {
        code: 'SNK_CONFIG_UNSET',
        at,
        message: 'has no value: the environment variable it is read from is not set',
        hint: 'Set it in the environment or in .env.',
      },
    ];
  }
  const kind = found === undefined ? 'nothing' : Array.isArray(found) ? 'a list' : `a ${typeof found}`;
  return [
    { code: 'SNK_CONFIG_INVALID', at: at || 'configuration', message: `${issue.message} (found ${kind})` },
  ];
}

/** The place of a form among those that there are. */
function formOf(path: readonly PropertyKey[], has: (key: string) => boolean): number {
  if (path[0] === 'links') return has('between') ? 0 : 1;
  if (path[0] !== 'nodes') return 0;
  if (path.includes('files')) return has('s3') ? 2 : has('dir') ? 1 : 0;
  return has('hub') ? 1 : has('keyed') ? 2 : 0;
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`))
    .join('');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined,
    input,
  );
}
