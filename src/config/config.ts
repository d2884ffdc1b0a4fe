/** The configuration: what a user writes, checked, with all of its faults at once (pure). */
import { resolve } from 'node:path';
import type { z } from 'zod';
import { FaultsError } from '../errors.ts';
import {
  buildTopology,
  type FlowOptions,
  type LinkDeclaration,
  type Node,
  type Topology,
} from '../topology/topology.ts';
import { placedFiles, type filePlace } from './file-options.ts';
import { httpFaults, withFiles, type http, type HttpOptions } from './http-options.ts';
import { hubFaults } from './hub-faults.ts';
import { schema, type limits, type verify } from './schema.ts';
import { toFaults } from './shape-faults.ts';
import { linkFaults, topologyFaults } from './topology-faults.ts';

/**
 * A database; one behind another SNK, which serves it over HTTP to those who have a key; or, in the configuration of that one,
 * any number of nodes that come with a key.
 */
export type UserNode =
  | { readonly url: string | undefined; readonly files?: z.input<typeof filePlace> | undefined }
  | {
      readonly hub: string | undefined;
      readonly key: string | undefined;
      /** A PEM file, for a hub whose certificate is signed by an authority of your own, or by itself. */
      readonly ca?: string | undefined;
      /** Says that the key may travel in the clear, to a hub under `http://`. */
      readonly insecure?: boolean | undefined;
    }
  | { readonly keyed: true };

/** What a user writes: `export default defineConfig({ … })`. */
export interface UserConfig {
  readonly nodes: Readonly<Record<string, UserNode>>;
  readonly links: readonly LinkDeclaration[];
  readonly limits?: z.input<typeof limits>;
  /** `snk run` verifies all tables, again and again. Default: it does not. */
  readonly verify?: z.input<typeof verify> | undefined;
  /** `snk run` serves health and metrics over HTTP. Default: it does not. */
  readonly http?: z.input<typeof http> | undefined;
}

export interface Config extends Topology {
  readonly limits: Readonly<z.output<typeof limits>>;
  readonly verify: Readonly<z.output<typeof verify>> | null;
  readonly http: HttpOptions | null;
}

/** Gives the file its types; it changes nothing. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}

/** Checks everything and throws a FaultsError with all that is wrong. Modules are looked for from `directory`. */
export function parseConfig(input: unknown, directory = process.cwd()): Config {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw new FaultsError(parsed.error.issues.flatMap((issue) => toFaults(issue, input)));
  const { nodes } = parsed.data;
  const links = parsed.data.links.map((each) => withModules(each, directory));
  const topology = buildTopology(
    Object.entries(nodes).map(([name, node]) => nodeOf(name, node, directory)),
    links,
  );
  const { limits, verify = null } = parsed.data;
  const http = parsed.data.http === undefined ? null : withFiles(parsed.data.http, directory);
  const faults = [
    ...linkFaults(links, topology.nodes),
    ...topologyFaults(topology),
    ...httpFaults(http, topology.nodes),
    ...hubFaults(nodes),
  ];
  if (faults.length > 0) throw new FaultsError(faults);
  return Object.freeze({
    ...topology,
    limits: Object.freeze(limits),
    verify: Object.freeze(verify),
    http: Object.freeze(http),
  });
}

function nodeOf(name: string, node: z.output<typeof schema>['nodes'][string], directory: string): Node {
  if ('url' in node) {
    const files = node.files === undefined ? {} : { files: placedFiles(node.files, directory) };
    return { kind: 'database', name, url: node.url, ...files };
  }
  if ('hub' in node) {
    const { hub, key, ca } = node;
    return { kind: 'hub', name, address: hub, key, ca: ca === undefined ? null : resolve(directory, ca) };
  }
  return { kind: 'keyed', name };
}

function withModules<Declared extends LinkDeclaration>(declared: Declared, directory: string): Declared {
  const placed = <Options extends FlowOptions | LinkDeclaration>(given: Options): Options => {
    const { conflict } = given;
    const options =
      'map' in given && given.map !== undefined ? { ...given, map: placeOf(given.map, directory) } : given;
    return typeof conflict === 'object' && 'function' in conflict
      ? { ...options, conflict: { function: placeOf(conflict.function, directory) } }
      : options;
  };
  const { flows } = declared;
  return { ...placed(declared), ...(flows === undefined ? {} : { flows: flows.map(placed) }) };
}

function placeOf(module: string, directory: string): string {
  return module.startsWith('.') ? resolve(directory, module) : module;
}
