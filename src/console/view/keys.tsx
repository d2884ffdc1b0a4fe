/** Readers and spokes that come with a key: who they are, when they were last seen, how far behind they are. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { KeyNow, NewKey, ReaderNow } from '../../http/console/wire.ts';
import { api } from '../api.ts';
import { ago, dateTime, duration, plural } from '../model/format.ts';
import { confirm, Dialog, tell } from '../ui/dialog.tsx';
import { useAct, useAsked } from '../ui/hooks.ts';
import { Empty, Fault, Heading, Loading, Pill } from '../ui/parts.tsx';

export interface KeysProps {
  readonly readers: readonly ReaderNow[];
  /** Links that a key may open. */
  readonly keyLinks: readonly string[];
}

export function Keys({ readers, keyLinks }: KeysProps): JSX.Element {
  const { value, error, reload } = useAsked(api.keys, [], 5_000);
  const [isAdding, setAdding] = useState(false);
  const [made, setMade] = useState<NewKey | null>(null);
  const revoke = ({ name }: KeyNow): void =>
    confirm({
      title: `Revoke the key of ${name}?`,
      text: `${name} is turned away at once. What it has already stays there.`,
      verb: 'Revoke',
      danger: true,
      work: async () => {
        await api.revokeKey(name);
        reload();
      },
      done: `The key of ${name} is revoked.`,
    });
  const rotate = ({ name }: KeyNow): void =>
    confirm({
      title: `Make a new key for ${name}?`,
      text: `The old one ends at once: ${name} stands still until it has the new one.`,
      verb: 'Make a new key',
      work: async () => {
        setMade(await api.rotateKey(name));
        reload();
      },
      done: `${name} has a new key.`,
    });
  return (
    <>
      <Heading title="Readers and keys">
        <p>Nodes that dial in over HTTP. A key is shown once, and opens the links it is bound to.</p>
        <button type="button" class="primary" onClick={() => setAdding(true)}>
          Add a key
        </button>
      </Heading>
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value?.length === 0 && (
        <Empty title="Nobody has a key yet.">Add one, and give it to the spoke as the key of its node.</Empty>
      )}
      {value !== null && value.length > 0 && (
        <ul class="list">
          {value.map((key) => (
            <li key={key.name} class="item">
              <div class="item-main">
                <strong>{key.name}</strong>
                {key.revokedAt === null ? <Pill level="good">Good</Pill> : <Pill level="idle">Revoked</Pill>}
              </div>
              <div class="item-more">
                <span>{key.links.join(', ')}</span>
                <span title={key.lastUsedAt === null ? '' : dateTime(key.lastUsedAt)}>
                  last seen {ago(key.lastUsedAt, Date.now())}
                </span>
                <Behind name={key.name} readers={readers} />
                <span>made {ago(key.createdAt, Date.now())}</span>
              </div>
              {key.revokedAt === null && (
                <span class="buttons">
                  <button
                    type="button"
                    onClick={() => rotate(key)}
                    aria-label={`Rotate the key of ${key.name}`}
                  >
                    Rotate
                  </button>
                  <button
                    type="button"
                    class="danger-quiet"
                    onClick={() => revoke(key)}
                    aria-label={`Revoke the key of ${key.name}`}
                  >
                    Revoke
                  </button>
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
      {isAdding && (
        <AddDialog
          links={keyLinks}
          onClose={() => setAdding(false)}
          onMade={(key) => {
            setAdding(false);
            setMade(key);
            reload();
          }}
        />
      )}
      {made !== null && <MadeDialog made={made} onClose={() => setMade(null)} />}
    </>
  );
}

interface BehindProps {
  readonly name: string;
  readonly readers: readonly ReaderNow[];
}

/** Nothing of one that takes no rows, or never came. */
function Behind({ name, readers }: BehindProps): JSX.Element | null {
  const [worst] = readers
    .filter(({ node, status }) => node === name && status.pendingRows !== null)
    .map(({ status: { pendingRows, lagMs } }) => ({ pendingRows: pendingRows ?? 0, lagMs: lagMs ?? 0 }))
    .sort((a, b) => b.pendingRows - a.pendingRows);
  if (worst === undefined) return null;
  if (worst.pendingRows === 0) return <span>level</span>;
  return (
    <span>
      {plural(worst.pendingRows, 'row')}, {duration(worst.lagMs)} behind
    </span>
  );
}

interface AddProps {
  readonly links: readonly string[];
  readonly onClose: () => void;
  readonly onMade: (key: NewKey) => void;
}

function AddDialog({ links, onClose, onMade }: AddProps): JSX.Element {
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const act = useAct();
  const toggle = (link: string, isOn: boolean): void => {
    const next = new Set(chosen);
    if (isOn) next.add(link);
    else next.delete(link);
    setChosen(next);
  };
  return (
    <Dialog title="Add a key" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void act.run(async () => onMade(await api.createKey(name.trim(), [...chosen])));
        }}
      >
        <label>
          Name <small>of the node that comes with it</small>
          <input
            required
            pattern="[A-Za-z][A-Za-z0-9_\-]{0,39}"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <fieldset>
          <legend>Links</legend>
          {links.map((link) => (
            <label key={link} class="check">
              <input
                type="checkbox"
                checked={chosen.has(link)}
                onChange={(event) => toggle(link, event.currentTarget.checked)}
              />
              {link}
            </label>
          ))}
        </fieldset>
        {act.error !== null && <Fault error={act.error} />}
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={act.busy || chosen.size === 0}>
            Make the key
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function MadeDialog({ made, onClose }: { readonly made: NewKey; readonly onClose: () => void }): JSX.Element {
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(made.key);
    tell('The key is copied.');
  };
  return (
    <Dialog title={`The key of ${made.name}`} onClose={onClose}>
      <p class="dialog-text">
        This is the only time that it is shown. Give it to {made.name}, and to nobody else.
      </p>
      <output class="secret">{made.key}</output>
      <footer class="dialog-foot">
        <button type="button" onClick={() => void copy()}>
          Copy
        </button>
        <button type="button" class="primary" onClick={onClose}>
          I have it
        </button>
      </footer>
    </Dialog>
  );
}
