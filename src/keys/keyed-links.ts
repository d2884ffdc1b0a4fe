/** The links that a key may be bound to, and the node in which the keys stand (pure). */
import { closest } from 'fastest-levenshtein';
import { SnkError } from '../errors.ts';
import { nodeNamePattern, nodeNameWanted } from '../topology/node-name.ts';
import { databasesOf, servedLinks, type Topology } from '../topology/topology.ts';

export interface KeyedLink {
  /** As configured: `main->office`. */
  readonly name: string;
  /** The end that is a database of ours. */
  readonly local: string;
  /** The end that stands for all nodes that come with a key. */
  readonly keyed: string;
}

export function keyedLinks(topology: Topology): readonly KeyedLink[] {
  const databases = new Set(databasesOf(topology).map(({ name }) => name));
  return servedLinks(topology).map(({ name, source, target }) =>
    databases.has(source) ? { name, local: source, keyed: target } : { name, local: target, keyed: source },
  );
}

/**
 * The first node, as they are listed, at which a keyed link ends. All keys stand in this one: a name is given once, and a
 * revocation is one commit. Of copies in several nodes one that could not be reached would go on to let the key in.
 * Null: there is no keyed link.
 */
export function homeOfKeys(topology: Topology): string | null {
  const locals = new Set(keyedLinks(topology).map(({ local }) => local));
  return topology.nodes.find(({ name }) => locals.has(name))?.name ?? null;
}

/** Throws SNK_USAGE. */
export function requireName({ nodes }: Topology, name: string): void {
  if (!nodeNamePattern.test(name)) throw new SnkError('SNK_USAGE', `a key's name: ${nodeNameWanted}`);
  if (!nodes.some((node) => node.name === name)) return;
  throw new SnkError('SNK_USAGE', `'${name}' is a node of the configuration`, {
    hint: 'The name of a key is the name of the node that comes with it: give it one of its own.',
  });
}

/** What a new key is bound to, without repetitions. Throws SNK_USAGE. */
export function requireLinks(topology: Topology, links: readonly string[]): readonly string[] {
  const known = keyedLinks(topology);
  const names = known.map(({ name }) => name);
  const asked = [...new Set(links)];
  if (asked.length === 0) throw new SnkError('SNK_USAGE', 'a key is bound to one link or more');
  for (const name of asked.filter((each) => !names.includes(each))) {
    const is = topology.links.some((link) => link.name === name)
      ? 'is no link of a keyed node'
      : 'is no link';
    throw new SnkError('SNK_USAGE', `'${name}' ${is}`, { hint: `Did you mean '${closest(name, names)}'?` });
  }
  const keyed = new Set(known.filter(({ name }) => asked.includes(name)).map((link) => link.keyed));
  if (keyed.size === 1) return asked;
  throw new SnkError('SNK_USAGE', `a key is one node, and these are links of ${[...keyed].join(' and ')}`, {
    hint: 'Create a key for each.',
  });
}
