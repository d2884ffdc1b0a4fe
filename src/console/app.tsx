/** The page: who is logged in, how all fares, and the part of it that is shown. */
import type { JSX } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { LinkNow, Overview, Point, SessionNow } from '../http/console/wire.ts';
import { api, ApiError, whenLoggedOut } from './api.ts';
import { parseRoute, type Route } from './model/route.ts';
import { merge } from './model/series.ts';
import { Frame } from './frame.tsx';
import { Voices } from './ui/dialog.tsx';
import { Fault, Loading } from './ui/parts.tsx';
import { Audit } from './view/audit.tsx';
import { Conflicts } from './view/conflicts.tsx';
import { Keys } from './view/keys.tsx';
import { Links } from './view/links.tsx';
import { LogIn } from './view/log-in.tsx';
import { Parked } from './view/parked.tsx';
import { Tables } from './view/tables.tsx';
import { Trace } from './view/trace.tsx';

/** Milliseconds between two looks, while the page is seen. */
const pace = 1_000;

type Entered = SessionNow | 'asking' | null;

export function App(): JSX.Element {
  const [session, setSession] = useState<Entered>('asking');
  useEffect(() => {
    whenLoggedOut(() => setSession(null));
    api.session().then(setSession, () => setSession(null));
  }, []);
  if (session === 'asking') return <Loading />;
  if (session === null) return <LogIn onEntered={setSession} />;
  return <Console session={session} onLoggedOut={() => setSession(null)} />;
}

interface Watched {
  readonly overview: Overview | null;
  readonly points: ReadonlyMap<string, readonly Point[]>;
  readonly error: ApiError | null;
  readonly look: () => void;
}

/** Asks every second while the page is seen, and for what is new alone. */
function useOverview(): Watched {
  const [state, setState] = useState<Omit<Watched, 'look'>>({
    overview: null,
    points: new Map(),
    error: null,
  });
  const since = useRef(0);
  const asking = useRef(false);
  const look = useCallback(async () => {
    if (asking.current || document.hidden) return;
    asking.current = true;
    try {
      const overview = await api.overview(since.current);
      setState(({ points }) => {
        const next = overview.links.map(
          (link) => [link.name, merge(points.get(link.name) ?? [], link.points, overview.span)] as const,
        );
        since.current = Math.max(0, ...next.map(([, all]) => all.at(-1)?.at ?? 0));
        return { overview, points: new Map(next), error: null };
      });
    } catch (error) {
      if (error instanceof ApiError) setState((before) => ({ ...before, error }));
    } finally {
      asking.current = false;
    }
  }, []);
  useEffect(() => {
    const now = (): void => void look();
    now();
    const timer = setInterval(now, pace);
    document.addEventListener('visibilitychange', now);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', now);
    };
  }, []);
  return { ...state, look: () => void look() };
}

function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = (): void => {
      setRoute(parseRoute(location.hash));
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const { section } = route;
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${section === 'links' ? 'Links' : section[0]?.toUpperCase() + section.slice(1)} · SNK`;
    if (!isFirst.current) document.querySelector<HTMLElement>('#title')?.focus();
    isFirst.current = false;
  }, [section]);
  return route;
}

function Console({ session, onLoggedOut }: { session: SessionNow; onLoggedOut: () => void }): JSX.Element {
  const { overview, points, error, look } = useOverview();
  const route = useRoute();
  return (
    <Frame session={session} overview={overview} route={route} onLoggedOut={onLoggedOut}>
      {error !== null && <Fault error={error} />}
      {overview === null ? (
        error === null && <Loading />
      ) : (
        <div class={error === null ? 'part' : 'part stale'} key={route.section}>
          <Part route={route} overview={overview} points={points} look={look} session={session} />
        </div>
      )}
      <Voices />
    </Frame>
  );
}

/** Of a link of a node with a key, which no configuration names. */
function endsOf(link: string): Pick<LinkNow, 'source' | 'target'> {
  const arrow = link.lastIndexOf('->');
  return { source: link.slice(0, arrow), target: link.slice(arrow + 2) };
}

interface PartProps {
  readonly route: Route;
  readonly overview: Overview;
  readonly points: ReadonlyMap<string, readonly Point[]>;
  readonly look: () => void;
  readonly session: SessionNow;
}

function Part({ route: { section, rest }, overview, points, look, session }: PartProps): JSX.Element {
  const ends = (name: string): Pick<LinkNow, 'source' | 'target'> =>
    overview.links.find((link) => link.name === name) ?? endsOf(name);
  switch (section) {
    case 'links':
      return <Links overview={overview} points={points} />;
    case 'conflicts':
      return <Conflicts ends={ends} onChange={look} />;
    case 'parked':
      return <Parked onChange={look} />;
    case 'tables':
      return <Tables rest={rest} />;
    case 'trace':
      return <Trace rest={rest} />;
    case 'keys':
      return <Keys readers={overview.readers} keyLinks={session.keyLinks} />;
    case 'audit':
      return <Audit />;
    default:
      return section satisfies never;
  }
}
