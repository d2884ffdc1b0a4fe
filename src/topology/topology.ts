/** What is kept in sync with what: nodes, links and flows, as plain data (pure; crosses threads as it is). */

export type Operation = 'insert' | 'update' | 'delete';

export interface Node {
  readonly name: string;
  readonly url: string;
}

/** One source table → one target table inside a link. Names are `schema.table` as written in the catalog. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly on: readonly Operation[];
  /** The same rows may be changed at the target, and travel back: two sides can change one at the same time. */
  readonly bothWays: boolean;
}

/** One direction, source node → target node, over a list of flows. */
export interface Link {
  /** `a->b`: stable, stands in the databases. */
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly flows: readonly Flow[];
  /** Whose version stays when both sides hold different data under one key: the node listed first wins. */
  readonly winner: 'source' | 'target';
}

export interface Topology {
  readonly nodes: readonly Node[];
  readonly links: readonly Link[];
}

export interface FlowOptions {
  readonly from: string;
  readonly to?: string | undefined;
  readonly on?: readonly Operation[] | undefined;
}

export interface LinkOptions {
  readonly tables?: readonly string[] | undefined;
  readonly flows?: readonly FlowOptions[] | undefined;
  /** For flows that do not say it themselves. */
  readonly on?: readonly Operation[] | undefined;
}

export type OneWay = LinkOptions & { readonly from: string; readonly to: string };
export type TwoWay = LinkOptions & { readonly between: readonly [string, string] };
export type LinkDeclaration = OneWay | TwoWay;

/** A link in one direction: `oneWay('a', 'b', { tables: ['public.record'] })`. */
export function oneWay(from: string, to: string, options: LinkOptions): OneWay {
  return { from, to, ...options };
}

/** A pair of links, one in each direction, over the same tables. */
export function twoWay(a: string, b: string, options: LinkOptions): TwoWay {
  return { between: [a, b], ...options };
}

/** Rows that are there already are written as well, or go. */
export function carriesChanges({ on }: Pick<Flow, 'on'>): boolean {
  return on.some((operation) => operation !== 'insert');
}

/** The link in the other direction, by its name. */
export function reverseName({ source, target }: Pick<Link, 'source' | 'target'>): string {
  return `${target}->${source}`;
}

/** `record` means `public.record`. */
export function qualifyTable(table: string): string {
  return table.includes('.') ? table : `public.${table}`;
}

function flowsOf(options: LinkOptions, reversed: boolean): Flow[] {
  const declared: FlowOptions[] = [
    ...(options.tables ?? []).map((table) => ({ from: table })),
    ...(options.flows ?? []),
  ];
  return declared.map((flow) => {
    const from = qualifyTable(flow.from);
    const to = qualifyTable(flow.to ?? flow.from);
    const on = flow.on ?? options.on ?? ['insert'];
    return reversed ? { from: to, to: from, on, bothWays: false } : { from, to, on, bothWays: false };
  });
}

/** Declarations → links; a two-way declaration gives two links with mirrored flows. */
export function buildTopology(nodes: readonly Node[], declarations: readonly LinkDeclaration[]): Topology {
  const rank = new Map(nodes.map((node, index) => [node.name, index]));
  const link = (source: string, target: string, flows: Flow[]): Link => ({
    name: `${source}->${target}`,
    source,
    target,
    flows,
    winner: (rank.get(source) ?? 0) < (rank.get(target) ?? 0) ? 'source' : 'target',
  });
  const links = declarations.flatMap((declared) =>
    'between' in declared
      ? [
          link(declared.between[0], declared.between[1], flowsOf(declared, false)),
          link(declared.between[1], declared.between[0], flowsOf(declared, true)),
        ]
      : [link(declared.from, declared.to, flowsOf(declared, false))],
  );
  return { nodes, links: links.map((each) => ({ ...each, flows: withRivals(each, links) })) };
}

function withRivals(link: Link, links: readonly Link[]): Flow[] {
  const back = links.find((other) => other.name === reverseName(link))?.flows ?? [];
  return link.flows.map((flow) => ({
    ...flow,
    bothWays: carriesChanges(flow) && back.some((other) => other.from === flow.to && other.to === flow.from),
  }));
}
