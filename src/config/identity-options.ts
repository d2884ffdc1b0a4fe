/** What a flow says of ids that its target gives, and of a column that tells what is safe there: its shape and its faults (pure). */
import { z } from 'zod';
import type { Fault } from '../errors.ts';
import { reverseName, type FlowOptions, type Link, type Topology } from '../topology/topology.ts';

const columnName = z.string().regex(/^[^\0]{1,63}$/, 'wanted the name of a column');

/** Members of a flow. */
export const identityOptions = {
  identity: z
    .strictObject({ key: columnName, writeBack: columnName, shared: z.boolean().optional() })
    .optional(),
  synced: columnName.optional(),
};

/** A row under another key is written in one way alone, and what travels back is none of these. */
const besideIdentity = ['write', 'missing', 'existing', 'map', 'conflict'] as const;
const besideSynced = ['write', 'missing', 'existing', 'map', 'conflict'] as const;

export function identityFaults(flow: FlowOptions, at: string, isTwoWay: boolean): Fault[] {
  const { identity, synced, columns, set = {} } = flow;
  const faults: Fault[] = [];
  const fault = (code: string, message: string, hint?: string): void => {
    faults.push({ code, at, message, hint });
  };
  const check = (
    name: 'identity' | 'synced',
    code: string,
    beside: readonly (keyof FlowOptions)[],
    kept: string,
  ): void => {
    if (isTwoWay)
      fault(
        'SNK_CONFIG_ONE_WAY_ONLY',
        `'${name}' says what one direction does`,
        "Declare two links, one from each node, instead of 'between'.",
      );
    for (const other of beside)
      if (flow[other] !== undefined) fault(code, `'${name}' does not go with '${other}'`);
    if (columns !== undefined && Object.values(columns).includes(kept))
      fault(code, `column ${kept} is SNK's own to write, and does not travel`, "Take it out of 'columns'.");
  };
  if (identity !== undefined) {
    check('identity', 'SNK_CONFIG_IDENTITY', besideIdentity, identity.writeBack);
    const isGiven = Array.isArray(columns)
      ? columns.includes(identity.key)
      : Object.hasOwn(columns ?? {}, identity.key);
    if (isGiven || Object.hasOwn(set, identity.key))
      fault(
        'SNK_CONFIG_IDENTITY',
        `column ${identity.key} is given a value, and the target is to give it one`,
      );
  }
  if (synced !== undefined) check('synced', 'SNK_CONFIG_SYNCED', besideSynced, synced);
  if (synced !== undefined && synced === identity?.writeBack)
    fault('SNK_CONFIG_SYNCED', `column ${synced} cannot hold an id as well`);
  return faults;
}

/** What one flow keeps in its source, no other one may keep there, and rows that have ids of the target do not come back. */
export function keepingFaults({ links }: Topology): Fault[] {
  const faults: Fault[] = [];
  const keepers = new Set<string>();
  const fault = (link: Link, code: string, message: string, hint?: string): void =>
    void faults.push({ code, at: `link ${link.name}`, message, hint });
  for (const link of links) {
    const back = links.find((other) => other.name === reverseName(link))?.flows ?? [];
    for (const { identity, synced, from, to, on, echo } of link.flows) {
      if (synced !== null && !on.includes('update'))
        fault(
          link,
          'SNK_CONFIG_SYNCED',
          `${from}: 'synced' needs updates to travel: on: ['insert', 'update']`,
        );
      if (identity !== null && back.some((other) => other.from === to && other.to === from))
        fault(
          link,
          'SNK_CONFIG_IDENTITY',
          `${to} has ids of its own, and its rows would come back to ${from} under them`,
        );
      // What came from a node is not sent there again, but for what its first copy meets: half of them would be there.
      else if (identity !== null && !echo && back.some((other) => other.from === to))
        fault(
          link,
          'SNK_CONFIG_IDENTITY',
          `${link.source} reads ${to} as well, and rows that it has pushed would not come to it`,
          `Say 'echo: true' beside 'identity': to those who read ${to} all of its rows are alike then.`,
        );
      for (const column of [identity?.writeBack, synced]) {
        const kept = `${link.source} ${from} ${column}`;
        if (column == null) continue;
        if (keepers.has(kept))
          fault(link, 'SNK_CONFIG_KEPT_TWICE', `another flow keeps column ${column} of ${from} as well`);
        keepers.add(kept);
      }
    }
  }
  return faults;
}
