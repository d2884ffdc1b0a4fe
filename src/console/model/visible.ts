/** Text as it can be shown to a person: what is unseen, or turns a line round, is shown as a mark (pure). */

export interface Part {
  readonly text: string;
  /** What stands here is not the text itself but a mark for it: `U+202E`. */
  readonly mark: boolean;
}

/**
 * Control and format characters, separators of lines, lone surrogates. Not: tabs and ends of lines, which are shown as they
 * are, and the two joiners, without which Persian or a family of emoji would be written wrongly.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const harmless = new Set(['\t', '\n', '\u200c', '\u200d']);

export function visible(text: string): readonly Part[] {
  const parts: Part[] = [];
  let plain = '';
  for (const character of text) {
    if (!unseen.test(character) || harmless.has(character)) {
      plain += character;
      continue;
    }
    if (plain !== '') parts.push({ text: plain, mark: false });
    plain = '';
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    parts.push({ text: `U+${code}`, mark: true });
  }
  if (plain !== '') parts.push({ text: plain, mark: false });
  return parts;
}

/** In one line, and no longer than fits there. */
export function short(text: string, longest: number): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= longest ? line : `${line.slice(0, longest)}…`;
}
