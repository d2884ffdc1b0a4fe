/** What stands around every part of the page: its way around, the light, and the way out. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Overview, SessionNow } from '../http/console/wire.ts';
import { api } from './api.ts';
import { href, sections, type Route, type Section } from './model/route.ts';
import { aside } from './model/summary.ts';
import { isDark, switchTheme } from './theme.ts';
import { Icon } from './ui/icons.tsx';

const titles: Readonly<Record<Section, string>> = {
  links: 'Links',
  conflicts: 'Conflicts',
  parked: 'Parked',
  tables: 'Tables',
  trace: 'Trace',
  keys: 'Keys',
  audit: 'Audit',
};

export interface FrameProps {
  readonly session: SessionNow;
  readonly overview: Overview | null;
  readonly route: Route;
  readonly onLoggedOut: () => void;
  readonly children: ComponentChildren;
}

export function Frame({ session, overview, route, onLoggedOut, children }: FrameProps): JSX.Element {
  const sum = (of: 'conflicts' | 'parked'): number => (overview === null ? 0 : aside(overview, of));
  const shown = sections.filter((section) => section !== 'keys' || session.keyLinks.length > 0);
  const leave = async (): Promise<void> => {
    await api.logOut().catch(() => undefined);
    onLoggedOut();
  };
  return (
    <div class="frame">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>('#main')?.focus();
        }}
      >
        Skip to the content
      </a>
      <aside class="side">
        <a class="brand" href={href('links')}>
          <img src="/console/icon.svg" alt="" width="28" height="28" />
          <span>SNK</span>
        </a>
        <nav aria-label="Parts">
          {shown.map((section) => (
            <a
              key={section}
              href={href(section)}
              aria-current={route.section === section ? 'page' : undefined}
            >
              <Icon name={section} />
              <span>{titles[section]}</span>
              {(section === 'conflicts' || section === 'parked') && sum(section) > 0 && <b>{sum(section)}</b>}
            </a>
          ))}
        </nav>
        <div class="side-foot">
          <ThemeSwitch />
          <button type="button" class="quiet" onClick={() => void leave()} title={`Log out ${session.name}`}>
            <Icon name="out" />
            <span>Log out</span>
          </button>
        </div>
      </aside>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function ThemeSwitch(): JSX.Element {
  const [dark, setDark] = useState(isDark);
  useEffect(() => {
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const changed = (): void => setDark(isDark());
    scheme.addEventListener('change', changed);
    return () => scheme.removeEventListener('change', changed);
  }, []);
  return (
    <button
      type="button"
      class="quiet"
      aria-pressed={dark}
      onClick={() => {
        switchTheme(!dark);
        setDark(!dark);
      }}
    >
      <Icon name={dark ? 'sun' : 'moon'} />
      <span>{dark ? 'Light' : 'Dark'}</span>
    </button>
  );
}
