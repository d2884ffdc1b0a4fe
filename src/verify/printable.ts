/** Text from a database as it can be shown: nothing in it steers a terminal, or turns a line round (pure). */

/** Control, format and other unseen characters, and separators of lines. */
const unseen = /[\p{C}\p{Zl}\p{Zp}]/gu;

export function printable(text: string): string {
  return text.replaceAll(unseen, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

interface DifferenceWords {
  readonly key: Readonly<Record<string, string>>;
  readonly kind: 'missing' | 'different' | 'unmapped';
  readonly at: string;
}

/** `name=value name=value` */
export function printableKey(key: Readonly<Record<string, string>>): string {
  return Object.entries(key)
    .map(([name, value]) => `${printable(name)}=${printable(value)}`)
    .join(' ');
}

/** What is wrong with a row, in words. */
export function differenceText({ key, kind, at }: DifferenceWords): string {
  const what = kind === 'unmapped' ? "is unmapped: the flow's function throws for it" : `is ${kind} at ${at}`;
  return `${printableKey(key)} ${what}`;
}

/** What a partial look leaves out; null where it was whole. */
export function partText(
  part: { readonly since: string | null; readonly sample: number | null } | null,
): string | null {
  if (part === null) return null;
  return part.since === null
    ? `partial: about ${part.sample} % of the rows, in ranges of keys chosen at random`
    : `partial: only keys that change logs and ledgers know of since ${part.since}; what was changed behind SNK's back is not among them`;
}
