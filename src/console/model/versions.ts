/** Two versions of a row, column by column (pure). */
export type Version = Readonly<Record<string, string | null>>;

export interface ColumnPair {
  readonly name: string;
  readonly source: string | null | undefined;
  readonly target: string | null | undefined;
  readonly differs: boolean;
}

/** Those that differ come first. Of a side that had deleted its row there is nothing. */
export function pairs(source: Version | null, target: Version | null): readonly ColumnPair[] {
  const names = [...new Set([...Object.keys(source ?? {}), ...Object.keys(target ?? {})])];
  const all = names.map((name) => {
    const [one, other] = [valueOf(source, name), valueOf(target, name)];
    return { name, source: one, target: other, differs: one !== other };
  });
  return [...all.filter((each) => each.differs), ...all.filter((each) => !each.differs)];
}

function valueOf(version: Version | null, name: string): string | null | undefined {
  return version !== null && Object.hasOwn(version, name) ? version[name] : undefined;
}
