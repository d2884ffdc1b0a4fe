/** What stands before everything else: a token, and a name for the audit. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { SessionNow } from '../../http/console/wire.ts';
import { api } from '../api.ts';
import { useAct } from '../ui/hooks.ts';
import { Fault } from '../ui/parts.tsx';

/** `snk run` says an address with the token behind #, which a browser keeps to itself. */
function tokenOfAddress(): string {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1] ?? '';
  if (token !== '') history.replaceState(null, '', location.pathname);
  return token;
}

export function LogIn({ onEntered }: { readonly onEntered: (session: SessionNow) => void }): JSX.Element {
  const [token, setToken] = useState('');
  const [name, setName] = useState('');
  const act = useAct();
  const enter = async (given: string): Promise<void> => {
    await act.run(async () => onEntered(await api.logIn(given.trim(), name.trim())));
  };
  useEffect(() => {
    const given = tokenOfAddress();
    if (given !== '') void enter(given);
  }, []);
  return (
    <main class="log-in" id="main">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void enter(token);
        }}
      >
        <img src="/console/icon.svg" alt="" width="40" height="40" />
        <h1>SNK</h1>
        <p>Who has the token sees links and rows, and may change them.</p>
        <label>
          Token
          <input
            type="password"
            name="token"
            autoComplete="current-password"
            autoFocus
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <label>
          Your name <small>for the audit, as you like it</small>
          <input
            name="name"
            autoComplete="username"
            maxLength={40}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        {act.error !== null && <Fault error={act.error} />}
        <button type="submit" class="primary" disabled={act.busy}>
          Log in
        </button>
      </form>
    </main>
  );
}
