/** In which form a link reads its pages, and so which rows of the change log it reads (pure). */
import { hasFiles } from '../files/open-files.ts';
import { isPlainMapping } from '../map/mapping.ts';
import { carriesChanges, type Flow, type Link } from '../topology/topology.ts';

/** It writes something into its source. */
export function keeps({ identity, synced }: Pick<Flow, 'identity' | 'synced'>): boolean {
  return identity !== null || synced !== null;
}

/** Whether its rows can go in as one statement: inserts, under one origin, none of which is looked into on its way. */
export function isPlainLink({ flows }: Pick<Link, 'flows'>): boolean {
  return flows.every(
    (flow) =>
      flow.write !== 'update' &&
      flow.map === null &&
      !keeps(flow) &&
      !hasFiles(flow) &&
      flow.echo === flows[0]?.echo,
  );
}

/** Rows that more than inserts may come with are written from text. */
export function isReadAsText(link: Pick<Link, 'flows'>): boolean {
  return !isPlainLink(link) || link.flows.some(carriesChanges);
}

/** An image is the row of a table, and no selection of it: rows of any other flow are looked up. */
export function readsImages(link: Pick<Link, 'flows'>, flow: Flow): boolean {
  return !isReadAsText(link) && isPlainMapping(flow);
}
