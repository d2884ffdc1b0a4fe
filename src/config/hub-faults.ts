/** What is wrong with hubs that a node is to dial in to (pure). */
import type { z } from 'zod';
import type { Fault } from '../errors.ts';
import { isLoopback } from './listen.ts';
import type { schema } from './schema.ts';

type Nodes = z.output<typeof schema>['nodes'];

/** See httpFaults: the same key, seen from the other side. */
export function hubFaults(nodes: Nodes): Fault[] {
  return Object.entries(nodes).flatMap(([name, node]) => {
    if (!('hub' in node)) return [];
    const { protocol, hostname } = new URL(node.hub);
    const at = `nodes.${name}.hub`;
    if (protocol === 'https:') return [];
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const faults: Fault[] = [];
    if (node.insecure !== true && !isLoopback({ host }))
      faults.push({
        code: 'SNK_CONFIG_INSECURE',
        at,
        message: `the key would travel in the clear to ${host}`,
        hint: 'Use https://; where nobody else is on that network say insecure: true.',
      });
    if (node.ca !== undefined)
      faults.push({
        code: 'SNK_CONFIG_INVALID',
        at: `nodes.${name}.ca`,
        message: 'goes with https://: a hub under http:// has no certificate',
      });
    return faults;
  });
}
