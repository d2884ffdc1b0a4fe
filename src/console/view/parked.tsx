/** Rows that their target refuses: why, and what to do with them. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ParkedRow } from '../../http/console/wire.ts';
import { api } from '../api.ts';
import { ago, dateTime, plural } from '../model/format.ts';
import { none } from '../model/left-out.ts';
import { sourceText, traceOf } from '../model/parked.ts';
import { confirm, Dialog, tell } from '../ui/dialog.tsx';
import { useAct, useAsked } from '../ui/hooks.ts';
import { Empty, Fault, Heading, KeyText, LeftOut, Loading, Value } from '../ui/parts.tsx';

export function Parked({ onChange }: { readonly onChange: () => void }): JSX.Element {
  const { value, error, reload } = useAsked(api.parked, [], 2_000);
  const [open, setOpen] = useState<ParkedRow | null>(null);
  const links = [...new Set((value?.rows ?? []).map(({ link }) => link))];
  const changed = (): void => {
    reload();
    onChange();
  };
  const drop = (row: ParkedRow): void =>
    confirm({
      title: 'Give this row up?',
      text: `${row.link} does not try to carry it any more: the two nodes stay different here until the row is changed again.`,
      verb: 'Give up',
      danger: true,
      work: async () => {
        await api.dropParked(row);
        changed();
      },
      done: 'The row was given up.',
    });
  return (
    <>
      <Heading title="Parked rows">
        <p>
          Their target refuses them, so they stand aside and the others go on. They are tried again by
          themselves, less and less often.
        </p>
      </Heading>
      {links.map((link) => (
        <Retry key={link} link={link} onDone={changed} />
      ))}
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value?.rows.length === 0 && (
        <Empty title={none(value, 'No row is parked')}>
          A row that a constraint or a trigger of its target refuses would stand here, with the reason.
        </Empty>
      )}
      {value !== null && value.rows.length > 0 && (
        <ul class="list">
          {value.rows.map((row) => (
            <li key={`${row.link} ${row.table} ${row.key.join('\0')}`} class="item">
              <div class="item-main">
                <strong>{row.table}</strong>
                <KeyText values={row.key} />
              </div>
              <div class="item-more">
                <span class="reason">
                  <Value text={row.message} longest={300} /> <code>{row.code}</code>
                </span>
                <span>{row.link}</span>
                <time dateTime={row.firstAt} title={dateTime(row.firstAt)}>
                  first {ago(row.firstAt, Date.now())}
                </time>
                <span>
                  {plural(row.attempts, 'try').replace('trys', 'tries')}, next {ago(row.retryAt, Date.now())}
                </span>
              </div>
              <span class="buttons">
                <button type="button" onClick={() => setOpen(row)}>
                  Look
                </button>
                <button type="button" class="danger-quiet" onClick={() => drop(row)}>
                  Give up
                </button>
              </span>
            </li>
          ))}
        </ul>
      )}
      {value !== null && <LeftOut list={value} noun="parked row" />}
      {open !== null && <ParkedDialog row={open} onClose={() => setOpen(null)} />}
    </>
  );
}

function Retry({ link, onDone }: { link: string; onDone: () => void }): JSX.Element {
  const act = useAct();
  const retry = async (): Promise<void> => {
    if (!(await act.run(async () => await api.retryParked(link)))) return;
    tell(`The parked rows of ${link} are tried again now.`);
    onDone();
  };
  return (
    <p class="bar">
      <button type="button" class="primary" disabled={act.busy} onClick={() => void retry()}>
        Try all of {link} now
      </button>
      {act.error !== null && <Fault error={act.error} />}
    </p>
  );
}

function ParkedDialog({ row, onClose }: { row: ParkedRow; onClose: () => void }): JSX.Element {
  const { value, error } = useAsked(async () => await api.parkedRow(row), [row]);
  const trace = value === null ? null : traceOf(value);
  return (
    <Dialog title={`Parked row of ${row.table}`} wide onClose={onClose}>
      <Fault
        error={{
          code: row.code,
          message: row.message,
          hint: 'Mend the row at its source, or what refuses it at the target.',
        }}
      />
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value !== null && sourceText(value) !== null && <p class="dialog-text">{sourceText(value)}</p>}
      {value !== null && value.sourceRow !== null && (
        <table class="versions">
          <thead>
            <tr>
              <th scope="col">Column</th>
              <th scope="col">At the source now</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(value.sourceRow).map(([name, text]) => (
              <tr key={name}>
                <th scope="row">
                  <Value text={name} />
                </th>
                <td>
                  <Value text={text} longest={2_000} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {trace !== null && (
        <p class="dialog-text">
          <a href={trace}>Trace this row</a>
        </p>
      )}
    </Dialog>
  );
}
