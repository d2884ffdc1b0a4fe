/** Conflicts that nobody has settled by hand: both versions side by side, and one of them to keep. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Conflict, ConflictInFull } from '../../http/console/wire.ts';
import { api } from '../api.ts';
import { ago, dateTime } from '../model/format.ts';
import { none } from '../model/left-out.ts';
import { href } from '../model/route.ts';
import { pairs, type ColumnPair } from '../model/versions.ts';
import { confirm, Dialog } from '../ui/dialog.tsx';
import { useAsked } from '../ui/hooks.ts';
import { Empty, Fault, Heading, KeyText, LeftOut, Loading, Value } from '../ui/parts.tsx';

type Ends = (link: string) => { readonly source: string; readonly target: string };

export function Conflicts({
  ends,
  onChange,
}: {
  readonly ends: Ends;
  readonly onChange: () => void;
}): JSX.Element {
  const { value, error, reload } = useAsked(api.conflicts, [], 5_000);
  const [open, setOpen] = useState<Conflict | null>(null);
  return (
    <>
      <Heading title="Conflicts">
        <p>
          Both sides changed one row at the same time. One version won by itself; you may have the other one
          instead.
        </p>
      </Heading>
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value?.rows.length === 0 && (
        <Empty title={none(value, 'No conflict is open')}>
          When two nodes change one row at the same time, both versions are kept here.
        </Empty>
      )}
      {value !== null && value.rows.length > 0 && (
        <ul class="list">
          {value.rows.map((conflict) => (
            <li key={`${conflict.link} ${conflict.id}`} class="item">
              <div class="item-main">
                <strong>{conflict.table}</strong>
                <KeyText names={Object.keys(conflict.key)} values={Object.values(conflict.key)} />
              </div>
              <div class="item-more">
                <span>{conflict.link}</span>
                <span>
                  {winnerOf(conflict, ends)} won, by {conflict.reason}
                </span>
                <time dateTime={conflict.at} title={dateTime(conflict.at)}>
                  {ago(conflict.at, Date.now())}
                </time>
              </div>
              <button
                type="button"
                onClick={() => setOpen(conflict)}
                aria-label={`Look at conflict ${conflict.id} of ${conflict.link}`}
              >
                Look
              </button>
            </li>
          ))}
        </ul>
      )}
      {value !== null && <LeftOut list={value} noun="conflict" />}
      {open !== null && (
        <ConflictDialog
          conflict={open}
          ends={ends}
          onClose={() => setOpen(null)}
          onSettled={() => {
            setOpen(null);
            reload();
            onChange();
          }}
        />
      )}
    </>
  );
}

function winnerOf({ link, winner }: Conflict, ends: Ends): string {
  return ends(link)[winner];
}

interface ConflictProps {
  readonly conflict: Conflict;
  readonly ends: Ends;
  readonly onClose: () => void;
  readonly onSettled: () => void;
}

function ConflictDialog({ conflict, ends, onClose, onSettled }: ConflictProps): JSX.Element {
  const { value, error } = useAsked(async () => await api.conflict(conflict.link, conflict.id), [conflict]);
  return (
    <Dialog title={`${conflict.table}, conflict ${conflict.id}`} wide onClose={onClose}>
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value !== null && <Versions conflict={value} ends={ends} onSettled={onSettled} />}
    </Dialog>
  );
}

function Versions({
  conflict,
  ends,
  onSettled,
}: Omit<ConflictProps, 'onClose'> & { conflict: ConflictInFull }): JSX.Element {
  const { source, target } = ends(conflict.link);
  const columns = pairs(conflict.sourceRow, conflict.targetRow);
  const differing = columns.filter(({ differs }) => differs).length;
  const keep = (node: string): void => {
    const isGone = (node === source ? conflict.sourceRow : conflict.targetRow) === null;
    confirm({
      title: `Keep the version of ${node}?`,
      text: isGone
        ? `${node} had deleted the row: it is deleted on both sides.`
        : 'It becomes the row of both sides. Nothing is written where the row has become another one since.',
      verb: `Keep ${node}`,
      danger: isGone,
      work: async () => {
        await api.resolve(conflict.link, conflict.id, node);
        onSettled();
      },
      done: `The version of ${node} is kept.`,
    });
  };
  return (
    <>
      <p class="dialog-text">
        {differing} of {columns.length} columns differ. {winnerOf(conflict, ends)} won, by {conflict.reason},{' '}
        {ago(conflict.at, Date.now())}.{' '}
        <a href={href('trace', conflict.table, ...Object.values(conflict.key).map((part) => part ?? ''))}>
          Trace
        </a>
      </p>
      <table class="versions">
        <thead>
          <tr>
            <th scope="col">Column</th>
            {[source, target].map((node, i) => (
              <th scope="col" key={node}>
                {node}
                {conflict.winner === (i === 0 ? 'source' : 'target') && <small> won</small>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {columns.map((pair) => (
            <VersionRow key={pair.name} pair={pair} nodes={[source, target]} />
          ))}
        </tbody>
      </table>
      <footer class="dialog-foot split">
        {[source, target].map((node) => (
          <button type="button" key={node} class="primary" onClick={() => keep(node)}>
            Keep {node}
          </button>
        ))}
      </footer>
    </>
  );
}

function VersionRow({ pair, nodes }: { pair: ColumnPair; nodes: readonly string[] }): JSX.Element {
  return (
    <tr data-differs={pair.differs}>
      <th scope="row">
        <Value text={pair.name} />
        {pair.differs && <small> differs</small>}
      </th>
      {[pair.source, pair.target].map((text, i) => (
        <td key={i} data-node={nodes[i]}>
          <Value text={text} longest={2_000} />
        </td>
      ))}
    </tr>
  );
}
