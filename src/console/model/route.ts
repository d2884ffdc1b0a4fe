/** Which part of the page is shown, from what stands behind # in its address (pure). */
export const sections = ['links', 'conflicts', 'parked', 'tables', 'trace', 'keys', 'audit'] as const;
export type Section = (typeof sections)[number];

export interface Route {
  readonly section: Section;
  readonly rest: readonly string[];
}

export function parseRoute(hash: string): Route {
  const [first = '', ...rest] = hash.replace(/^#\/?/, '').split('/').map(decode);
  const section = sections.find((each) => each === first) ?? 'links';
  return { section, rest };
}

export function href(section: Section, ...rest: readonly string[]): string {
  return `#/${[section, ...rest].map(encodeURIComponent).join('/')}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
