/** Markup that escapes: whatever is put into a template of `markup` is text, unless it is markup itself. */

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

type Part = Markup | string | number | readonly Part[];

export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(String.raw({ raw: strings }, ...parts.map((part) => toText(part))));
}

export function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function toText(part: Part): string {
  if (part instanceof Markup) return part.text;
  return typeof part === 'object' ? part.map((each) => toText(each)).join('') : escapeText(String(part));
}
