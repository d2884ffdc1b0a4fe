/** How each peer looks: one colour, line and sign everywhere, so that no chart depends on colour alone (pure). */

export interface Look {
  readonly color: string;
  readonly dash: 'solid' | number[];
  readonly symbol: string;
}

interface Tone {
  readonly light: string;
  readonly dark: string;
}

/** Contrast of at least 4.5 to the page in either mode, as names at the lines' ends wear them too. */
const tones: Readonly<Record<string, Tone>> = {
  snk: { light: '#0b5cad', dark: '#6bb8ff' },
  logical: { light: '#b34700', dark: '#ff9e5c' },
  bare: { light: '#59636e', dark: '#aab4c0' },
  copy: { light: '#00705a', dark: '#4fd1b0' },
  'id-cursor': { light: '#96287a', dark: '#e994d6' },
  bucardo: { light: '#755a00', dark: '#dfc04e' },
  pglogical: { light: '#a3243b', dark: '#ff98a6' },
  other: { light: '#3f3f46', dark: '#d4d4d8' },
};

const looks: Readonly<Record<string, Omit<Look, 'color'>>> = {
  snk: { dash: 'solid', symbol: 'circle' },
  logical: { dash: [7, 4], symbol: 'rect' },
  bare: { dash: [2, 3], symbol: 'diamond' },
  copy: { dash: [10, 3, 2, 3], symbol: 'triangle' },
  'id-cursor': { dash: [4, 2], symbol: 'emptyCircle' },
  bucardo: { dash: [12, 4], symbol: 'emptyRect' },
  pglogical: { dash: [6, 2, 2, 2, 2, 2], symbol: 'emptyDiamond' },
  other: { dash: [1, 2], symbol: 'emptyTriangle' },
};

/** A variant of a peer, `snk where`, wears the peer's. */
export function lookOf(peer: string): Look {
  const [family = peer] = peer.split(' ');
  const name = family in tones ? family : 'other';
  return { color: `var(--${name})`, ...(looks[name] ?? { dash: 'solid', symbol: 'circle' }) };
}

export function colorVariables(mode: keyof Tone): string {
  return Object.entries(tones)
    .map(([peer, tone]) => `--${peer}: ${tone[mode]};`)
    .join(' ');
}
