/** A link made ready to work in this thread: its flows resolved against both catalogs, its ends opened. */
import type { MikroORM } from '../db/orm.ts';
import { session } from '../db/orm.ts';
import { describeTables } from '../db/catalog.ts';
import { readCaptured } from '../capture/captured.ts';
import { openMap, type OpenedMap } from '../map/open-map.ts';
import type { LinkFiles } from '../files/bring-files.ts';
import type { FileSource, FileTarget } from '../files/file-ends.ts';
import { openFiles } from '../files/open-files.ts';
import type { Link } from '../topology/topology.ts';
import type { EndDescription, SourceEnd, TargetEnd } from './ends.ts';
import { flowsOfLink, type LinkFlow } from './link-flows.ts';
import { LocalSource } from './local-source.ts';
import { LocalTarget } from './local-target.ts';
import { nodeId } from './node-id.ts';
import { isPlainLink } from './page-form.ts';
import type { Turns } from './turns.ts';

export interface LinkEngine<Source extends SourceEnd = SourceEnd, Target extends TargetEnd = TargetEnd> {
  readonly link: Link;
  readonly source: Source;
  readonly target: Target;
  /** Of the source. */
  readonly sourceNode: string;
  /** One end is behind a hub: what passes between them is text, and the fence is raised before anything is written. */
  readonly isRemote: boolean;
  readonly flows: readonly LinkFlow[];
  /** The functions that rows go through, flow by flow. */
  readonly maps: readonly (OpenedMap | null)[];
  /** The files that rows name; null where none travel. */
  readonly files: LinkFiles | null;
  readonly newNonce: () => string;
  readonly turns: Turns;
}

export type LocalEngine = LinkEngine<LocalSource, LocalTarget>;

/** The other end of a link, where it is behind a hub. */
export interface FarEnd {
  /** Tells it what this end is, and hears what that one is. */
  open(link: Link, own: EndDescription): Promise<EndDescription>;
  readonly source: SourceEnd;
  readonly target: TargetEnd;
  /** Its files: see files/http-files.ts. Without them a link that carries some does not open. */
  readonly files?: FileSource & FileTarget;
}

export async function openEngine(
  link: Link,
  source: MikroORM,
  target: MikroORM,
  newNonce: () => string,
  turns: Turns,
): Promise<LocalEngine> {
  const [from, to] = await Promise.all([
    describeEnd(link, 'source', source),
    describeEnd(link, 'target', target),
  ]);
  const flows = await flowsOfLink(link, from, to);
  const nearSource = openSource(link, source, flows, from, to);
  return {
    ...(await partsOf(link, flows, from)),
    source: nearSource,
    target: openTarget(link, target, flows, { from, to, fences: nearSource, newNonce }),
    isRemote: false,
    files: await openFiles(link, flows, { source, target }),
    newNonce,
    turns,
  };
}

/** The same where one end is behind a hub. */
export async function openFarEngine(
  link: Link,
  near: { readonly end: 'source' | 'target'; readonly orm: MikroORM },
  far: FarEnd,
  newNonce: () => string,
  turns: Turns,
): Promise<LinkEngine> {
  const own = await describeEnd(link, near.end, near.orm);
  const other = await far.open(link, own);
  const [from, to] = near.end === 'source' ? [own, other] : [other, own];
  const flows = await flowsOfLink(link, from, to);
  const ends =
    near.end === 'source'
      ? { source: openSource(link, near.orm, flows, from, to), target: far.target }
      : {
          source: far.source,
          target: openTarget(link, near.orm, flows, { from, to, fences: null, newNonce }),
        };
  const { orm, end } = near;
  const files =
    end === 'source'
      ? await openFiles(link, flows, { source: orm, target: null }, { target: far.files })
      : await openFiles(link, flows, { source: null, target: orm }, { source: far.files });
  return { ...(await partsOf(link, flows, from)), ...ends, isRemote: true, files, newNonce, turns };
}

async function partsOf(
  link: Link,
  flows: readonly LinkFlow[],
  from: EndDescription,
): Promise<Pick<LinkEngine, 'link' | 'flows' | 'sourceNode' | 'maps'>> {
  const maps = await Promise.all(flows.map(async ({ flow, mapping }) => await openMap(flow, mapping)));
  return { link, flows, sourceNode: from.nodeId, maps };
}

export function openSource(
  link: Link,
  orm: MikroORM,
  flows: readonly LinkFlow[],
  from: EndDescription,
  to: EndDescription,
): LocalSource {
  return new LocalSource({
    link,
    orm,
    described: from,
    targetId: to.nodeId,
    flows: flows.map((each) => each.from),
    ranges: flows.map((each) => each.ranges.from),
    declared: flows.map((each) => each.flow),
  });
}

export function openTarget(
  link: Link,
  orm: MikroORM,
  flows: readonly LinkFlow[],
  {
    from,
    to,
    fences,
    newNonce,
  }: {
    readonly from: EndDescription;
    readonly to: EndDescription;
    readonly fences: LocalSource | null;
    readonly newNonce: () => string;
  },
): LocalTarget {
  return new LocalTarget({
    link,
    described: to,
    ranges: flows.map((each) => each.ranges.to),
    declared: flows.map((each) => each.flow),
    context: {
      link: link.name,
      origin: from.nodeId,
      fences,
      target: orm,
      flows: flows.map((each) => each.into),
      isPlain: isPlainLink(link),
      newNonce,
    },
  });
}

/** What an end whose database is reached from here is now. */
export async function describeEnd(
  link: Link,
  end: 'source' | 'target',
  orm: MikroORM,
): Promise<EndDescription> {
  const em = session(orm);
  const [tables, id] = await Promise.all([
    describeTables(
      em,
      link.flows.map((flow) => (end === 'source' ? flow.from : flow.to)),
    ),
    nodeId(em, link[end]),
  ]);
  return { nodeId: id, tables, captured: await readCaptured(em, tables) };
}
