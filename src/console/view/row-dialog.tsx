/** One row: looked at, changed, deleted or added. It is written only where it still is what was shown. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { FullRow } from '../../http/console/wire.ts';
import { api, type TableNow, type Values } from '../api.ts';
import { changed, fieldsOf, type Field } from '../model/fields.ts';
import { href } from '../model/route.ts';
import { visible } from '../model/visible.ts';
import { confirm, Dialog, tell } from '../ui/dialog.tsx';
import { useAct, useAsked } from '../ui/hooks.ts';
import { Fault, Loading, Value } from '../ui/parts.tsx';

export interface RowProps {
  readonly table: TableNow;
  /** Null: a new one. */
  readonly rowKey: readonly string[] | null;
  readonly onClose: () => void;
  readonly onChanged: () => void;
}

/** More fields than these are found by their names. */
const shownAtOnce = 60;

export function RowDialog({ table, rowKey, onClose, onChanged }: RowProps): JSX.Element {
  const asked = useAsked(
    async () => (rowKey === null ? null : { row: await api.row(table, rowKey) }),
    [table, rowKey],
  );
  const row = asked.value?.row ?? null;
  const title = rowKey === null ? `A new row of ${table.table}` : `A row of ${table.table}`;
  return (
    <Dialog title={title} wide onClose={onClose}>
      {asked.error !== null && <Fault error={asked.error} />}
      {rowKey !== null && asked.value === null && asked.error === null && <Loading />}
      {asked.value !== null && row === null && <p class="dialog-text">The row is gone.</p>}
      {(rowKey === null || row !== null) && (
        <RowForm
          key={row?.version ?? 'new'}
          table={table}
          row={row}
          onClose={onClose}
          onChanged={onChanged}
          onReload={asked.reload}
        />
      )}
    </Dialog>
  );
}

interface FormProps extends Omit<RowProps, 'rowKey'> {
  readonly row: FullRow | null;
  readonly onReload: () => void;
}

function RowForm({ table, row, onClose, onChanged, onReload }: FormProps): JSX.Element {
  const fields = useMemo(() => fieldsOf(table, row), [table, row]);
  const [values, setValues] = useState<Values>({});
  const [filter, setFilter] = useState('');
  const act = useAct();
  const news = changed(fields, values);
  const found = fields.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()));
  const save = async (): Promise<void> => {
    const isDone = await act.run(async () => {
      if (row === null) await api.insert(table, news);
      else await api.update(table, row, news);
    });
    if (!isDone) return;
    tell(row === null ? 'The row is added.' : 'The row is saved.');
    onChanged();
  };
  const remove = (given: FullRow): void =>
    confirm({
      title: 'Delete this row?',
      text: `It is deleted at ${table.node}${table.goesTo.delete.length > 0 ? `, and then at ${table.goesTo.delete.join(', ')}` : ''}.`,
      verb: 'Delete',
      danger: true,
      work: async () => {
        await api.delete(table, given);
        onChanged();
      },
      done: 'The row is deleted.',
    });
  const mayWrite = row === null ? table.may.insert : table.may.update;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {row !== null &&
        table.pictures.map((column) => <Picture key={column} table={table} row={row} column={column} />)}
      {fields.length > shownAtOnce && (
        <label>
          Find a column <small>of {fields.length}</small>
          <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
      )}
      <div class="fields">
        {found.slice(0, shownAtOnce).map((field) => (
          <FieldRow
            key={field.name}
            field={field}
            isLocked={!mayWrite}
            value={Object.hasOwn(values, field.name) ? values[field.name] : field.value}
            onChange={(value) => {
              const next = { ...values };
              if (value === undefined) delete next[field.name];
              else next[field.name] = value;
              setValues(next);
            }}
          />
        ))}
      </div>
      {act.error !== null && <Fault error={act.error} />}
      {act.error?.code === 'SNK_ROW_STALE' && (
        <button type="button" onClick={onReload}>
          Show the row as it is now
        </button>
      )}
      <footer class="dialog-foot">
        {row !== null && (
          <>
            <button
              type="button"
              class="danger-quiet"
              disabled={!table.may.delete}
              onClick={() => remove(row)}
            >
              Delete
            </button>
            <a class="button" href={href('trace', table.table, ...row.key)}>
              Trace
            </a>
          </>
        )}
        <span class="grow" />
        <button type="button" class="spare" onClick={onClose}>
          Cancel
        </button>
        <button
          type="submit"
          class="primary"
          disabled={act.busy || !mayWrite || (row !== null && Object.keys(news).length === 0)}
        >
          {row === null ? 'Add' : 'Save'}
        </button>
      </footer>
    </form>
  );
}

interface FieldProps {
  readonly field: Field;
  /** Undefined: it is not said, and gets its default. */
  readonly value: string | null | undefined;
  readonly isLocked: boolean;
  readonly onChange: (value: string | null | undefined) => void;
}

function FieldRow({ field, value, isLocked, onChange }: FieldProps): JSX.Element {
  const { name, type, choices, nullable, locked } = field;
  const id = `field-${name}`;
  const shared = { id, disabled: value === null };
  const isOdd = typeof value === 'string' && visible(value).some(({ mark }) => mark);
  const change = (text: string): void =>
    onChange(text === '' && field.value === undefined ? undefined : text);
  return (
    <div class="field">
      <label for={id}>
        <Value text={name} /> <small>{type}</small>
      </label>
      {isLocked || locked !== null ? (
        <div class="locked" id={id}>
          <Value text={value} longest={5_000} />
          {locked !== null && <small>{locked}</small>}
        </div>
      ) : choices !== null ? (
        <select {...shared} value={value ?? ''} onChange={(event) => change(event.currentTarget.value)}>
          {(value === undefined || value === null) && <option value="">{field.hint}</option>}
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <textarea
          {...shared}
          dir="auto"
          rows={Math.min(
            8,
            Math.max(1, (value ?? '').split('\n').length, Math.ceil((value ?? '').length / 70)),
          )}
          spellcheck={false}
          placeholder={value === null ? 'NULL' : field.hint}
          value={value ?? ''}
          onInput={(event) => change(event.currentTarget.value)}
        />
      )}
      {isOdd && locked === null && (
        <small class="odd">
          Holds characters that are not seen: <Value text={value} longest={500} />
        </small>
      )}
      {nullable && locked === null && !isLocked && (
        <label class="check">
          <input
            type="checkbox"
            checked={value === null}
            aria-label={`${name} is NULL`}
            onChange={(event) =>
              onChange(event.currentTarget.checked ? null : field.value === null ? '' : field.value)
            }
          />
          NULL
        </label>
      )}
    </div>
  );
}

interface PictureProps {
  readonly table: TableNow;
  readonly row: FullRow;
  readonly column: string;
}

function Picture({ table, row, column }: PictureProps): JSX.Element | null {
  const [url, setUrl] = useState<string | null>(null);
  const [isMissing, setMissing] = useState(false);
  const name = row.values[column]?.text ?? null;
  useEffect(() => {
    let made: string | null = null;
    let isOver = false;
    const load = async (): Promise<void> => {
      const blob = await api.picture(table, row.key, column);
      if (isOver) return;
      made = URL.createObjectURL(blob);
      setUrl(made);
    };
    if (name !== null) load().catch(() => setMissing(true));
    return () => {
      isOver = true;
      if (made !== null) URL.revokeObjectURL(made);
    };
  }, [row.version, column]);
  if (name === null) return null;
  if (isMissing) return <p class="muted">The file of {column} is not here, or no picture.</p>;
  return url === null ? null : <img class="picture" src={url} alt={`${column} of this row`} />;
}
