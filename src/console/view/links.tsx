/** The first thing that somebody sees: whether all is well, then each link, then the nodes. */
import type { JSX } from 'preact';
import type { NodeNow, Overview, Point } from '../../http/console/wire.ts';
import { api } from '../api.ts';
import { ago, count, duration, plural } from '../model/format.ts';
import { viewReaders } from '../model/readers.ts';
import { href } from '../model/route.ts';
import { summarize, viewLink, type LinkView } from '../model/summary.ts';
import { LagChart } from '../ui/chart.tsx';
import { confirm, tell } from '../ui/dialog.tsx';
import { useAct } from '../ui/hooks.ts';
import { Icon } from '../ui/icons.tsx';
import { Fault, Pill } from '../ui/parts.tsx';

export interface LinksProps {
  readonly overview: Overview;
  readonly points: ReadonlyMap<string, readonly Point[]>;
}

/** More charts than these would be no overview. */
const charts = 24;

export function Links({ overview, points }: LinksProps): JSX.Element {
  const links = overview.links.map((link) => viewLink({ ...link, points: points.get(link.name) ?? [] }));
  const { level, title, detail } = summarize(overview, links);
  return (
    <>
      <header class="hero" data-level={level}>
        <i aria-hidden="true" />
        <div>
          <h1 tabIndex={-1} id="title" aria-live="polite">
            {title}
          </h1>
          <p>{detail}</p>
        </div>
      </header>
      {links.length > 0 && (
        <section class="cards" aria-label="Links">
          {links.map((view, i) => (
            <LinkCard key={view.link.name} view={view} now={overview.at} hasChart={i < charts} />
          ))}
        </section>
      )}
      <section aria-labelledby="nodes">
        <h2 id="nodes">Nodes</h2>
        <ul class="nodes">
          {overview.nodes.map((node) => (
            <NodeItem key={node.name} node={node} />
          ))}
          <Readers readers={overview.readers} />
        </ul>
      </section>
    </>
  );
}

interface CardProps {
  readonly view: LinkView;
  readonly now: number;
  readonly hasChart: boolean;
}

function LinkCard({ view, now, hasChart }: CardProps): JSX.Element {
  const { link, level, label, lagMs, rowsPerSecond, pending, error } = view;
  const { status } = link;
  return (
    <article class="card" data-level={level} aria-label={link.name} data-state={view.state}>
      <header class="card-head">
        <h2>
          {link.source} <span aria-label="to">→</span> {link.target}
        </h2>
        <Pill level={level}>{label}</Pill>
        <Switch view={view} />
      </header>
      <dl class="facts">
        <Fact name="Lag" value={view.state === 'paused' ? '–' : duration(lagMs)} strong />
        <Fact name="Rows/s" value={count(rowsPerSecond < 10 ? Math.ceil(rowsPerSecond) : rowsPerSecond)} />
        <Fact name="Waiting" value={count(pending)} />
        <Fact name="Applied" value={count(status?.appliedRows ?? null)} />
      </dl>
      {hasChart && <LagChart name={link.name} points={link.points} />}
      {error !== null && <Fault error={error} />}
      <footer class="card-foot">
        <span class="tables" title={link.tables.join(', ')}>
          {link.tables.join(', ')}
        </span>
        <span>{lastText(view, now)}</span>
        <Aside count={status?.conflicts ?? 0} noun="conflict" to={href('conflicts')} />
        <Aside count={status?.parked ?? 0} noun="parked row" to={href('parked')} />
      </footer>
    </article>
  );
}

function lastText({ link: { status } }: LinkView, now: number): string {
  if (status === null) return '';
  if (status.nextRunAt !== null) return `next run ${ago(status.nextRunAt, now)}`;
  return status.lastAppliedAt === null
    ? 'nothing applied yet'
    : `last change ${ago(status.lastAppliedAt, now)}`;
}

function Fact({
  name,
  value,
  strong = false,
}: {
  name: string;
  value: string;
  strong?: boolean;
}): JSX.Element {
  return (
    <div class={strong ? 'fact strong' : 'fact'}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Aside({ count: number, noun, to }: { count: number; noun: string; to: string }): JSX.Element | null {
  if (number === 0) return null;
  return (
    <a class="aside" href={to}>
      {count(number)} {noun}
      {number === 1 ? '' : 's'}
    </a>
  );
}

function Switch({ view }: { readonly view: LinkView }): JSX.Element {
  const act = useAct();
  const { name, target } = view.link;
  if (view.state === 'paused') {
    const resume = async (): Promise<void> => {
      if (await act.run(async () => await api.resume(name))) tell(`${name} goes on.`);
    };
    return (
      <>
        <button
          type="button"
          class="small"
          disabled={act.busy}
          aria-label={`Resume ${name}`}
          onClick={() => void resume()}
        >
          <Icon name="play" /> Resume
        </button>
        {act.error !== null && <Fault error={act.error} />}
      </>
    );
  }
  const pause = (): void =>
    confirm({
      title: `Pause ${name}?`,
      text: `It writes nothing to ${target} until somebody resumes it, also through restarts. What is changed meanwhile waits, and is carried then.`,
      verb: 'Pause',
      work: async () => await api.pause(name),
      done: `${name} is paused.`,
    });
  return (
    <button type="button" class="small" aria-label={`Pause ${name}`} onClick={pause}>
      <Icon name="pause" /> Pause
    </button>
  );
}

function NodeItem({ node }: { readonly node: NodeNow }): JSX.Element {
  return (
    <li class="node">
      <Pill level={node.reachable ? 'good' : 'bad'}>{node.reachable ? 'Reachable' : 'Unreachable'}</Pill>
      <strong>{node.name}</strong>
      {node.version !== null && <span>PostgreSQL {node.version}</span>}
      {node.changeLogRows !== null && <span>{count(node.changeLogRows)} rows in its change log</span>}
    </li>
  );
}

/** Nodes that come with a key, in one line: there may be hundreds. */
function Readers({ readers }: Pick<Overview, 'readers'>): JSX.Element | null {
  const { level, label, nodes } = viewReaders(readers);
  if (nodes === 0) return null;
  return (
    <li class="node">
      <Pill level={level}>{label}</Pill>
      <a href={href('keys')}>{plural(nodes, 'node')} with a key</a>
    </li>
  );
}
