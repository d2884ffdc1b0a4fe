/** Rows of synced tables: pages of them, a search, and one row at a time to be looked at and changed. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, type TableNow } from '../api.ts';
import { count, plural } from '../model/format.ts';
import { href } from '../model/route.ts';
import { useAsked } from '../ui/hooks.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, Fault, Heading, Loading, Value } from '../ui/parts.tsx';
import { RowDialog } from './row-dialog.tsx';

export function Tables({ rest }: { readonly rest: readonly string[] }): JSX.Element {
  const { value, error } = useAsked(api.tables, []);
  const [node, name] = rest;
  const chosen = value?.find((each) => each.node === node && each.table === name) ?? value?.[0];
  return (
    <>
      <Heading title="Tables">
        {value !== null && value.length > 0 && (
          <label class="bar">
            Table
            <select
              value={chosen === undefined ? '' : href('tables', chosen.node, chosen.table)}
              onChange={(event) => (location.hash = event.currentTarget.value)}
            >
              {[...Map.groupBy(value, (each) => each.node)].map(([each, tables]) => (
                <optgroup key={each} label={each}>
                  {tables.map(({ table }) => (
                    <option key={table} value={href('tables', each, table)}>
                      {each}: {table}
                    </option>
                  ))}
                </optgroup>
              ))}
            </select>
          </label>
        )}
      </Heading>
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value?.length === 0 && (
        <Empty title="No synced table can be reached from here.">
          See that the nodes of this configuration answer.
        </Empty>
      )}
      {chosen !== undefined && <Rows key={`${chosen.node} ${chosen.table}`} table={chosen} />}
    </>
  );
}

function Rows({ table }: { readonly table: TableNow }): JSX.Element {
  const [wanted, setWanted] = useState('');
  const [search, setSearch] = useState<string | null>(null);
  // Keys behind which pages begin; the last one is shown.
  const [trail, setTrail] = useState<readonly (readonly string[] | null)[]>([null]);
  const [open, setOpen] = useState<readonly string[] | 'new' | null>(null);
  const after = trail.at(-1) ?? null;
  const { value, error, reload } = useAsked(
    async () => await api.rows(table, after, search),
    [after, search],
  );
  useEffect(() => setTrail([null]), [search]);
  const last = value?.rows.at(-1)?.key;
  return (
    <>
      <form
        class="bar"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          setSearch(wanted.trim() === '' ? null : wanted.trim());
        }}
      >
        <label class="grow">
          <span class="hidden">Search in all columns</span>
          <input
            type="search"
            placeholder="Search in all columns"
            value={wanted}
            onInput={(event) => {
              setWanted(event.currentTarget.value);
              if (event.currentTarget.value === '') setSearch(null);
            }}
          />
        </label>
        <button type="submit">
          <Icon name="search" /> Search
        </button>
        <button type="button" class="primary" disabled={!table.may.insert} onClick={() => setOpen('new')}>
          Add a row
        </button>
      </form>
      <p class="muted">{wayOf(table)}</p>
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value?.rows.length === 0 && (
        <Empty title={search === null ? 'The table has no rows.' : 'No row has that in it.'}>
          {search === null ? 'Add one, or let your application do it.' : 'Search for something else.'}
        </Empty>
      )}
      {value !== null && value.rows.length > 0 && (
        <>
          <div
            class="scroll"
            tabIndex={0}
            role="region"
            aria-label={`Rows of ${table.table} at ${table.node}`}
          >
            <table class="grid rows">
              <thead>
                <tr>
                  {value.columns.map((name) => (
                    <th scope="col" key={name}>
                      <Value text={name} longest={63} />
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {value.rows.map(({ key, values }) => (
                  <tr key={key.join('\0')} onClick={() => setOpen(key)}>
                    {values.map(({ text, isCut }, i) => (
                      <td key={value.columns[i]}>
                        {i === 0 ? (
                          <button type="button" class="cell">
                            <Value text={text} longest={80} />
                          </button>
                        ) : (
                          <Value text={text} longest={80} />
                        )}
                        {isCut && <small class="muted"> more</small>}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <nav class="pager" aria-label="Pages">
            <button type="button" disabled={trail.length === 1} onClick={() => setTrail(trail.slice(0, -1))}>
              Back
            </button>
            <span class="muted">
              {plural(value.rows.length, 'row')}
              {search === null &&
                trail.length === 1 &&
                value.hasMore &&
                ` of about ${count(Math.max(table.rowsEstimated, value.rows.length))}`}
              {value.columnsInAll > value.columns.length &&
                `, ${value.columns.length} of ${count(value.columnsInAll)} columns`}
            </span>
            <button
              type="button"
              disabled={!value.hasMore || last === undefined}
              onClick={() => setTrail([...trail, last ?? null])}
            >
              Next
            </button>
          </nav>
        </>
      )}
      {open !== null && (
        <RowDialog
          table={table}
          rowKey={open === 'new' ? null : open}
          onClose={() => setOpen(null)}
          onChanged={() => {
            setOpen(null);
            reload();
          }}
        />
      )}
    </>
  );
}

/** Where it goes what is changed here: somebody should know before. */
export function wayOf({ node, goesTo, comesFrom }: TableNow): string {
  const all = [...new Set(Object.values(goesTo).flat())];
  const some = all.filter((each) => Object.values(goesTo).every((nodes) => nodes.includes(each)));
  const back = comesFrom.filter((each) => !all.includes(each));
  const parts: string[] = [];
  if (some.length > 0) parts.push(`What you change here goes to ${some.join(', ')}.`);
  const part = all.filter((each) => !some.includes(each));
  if (part.length > 0) {
    const operations = Object.entries(goesTo)
      .filter(([, nodes]) => part.some((each) => nodes.includes(each)))
      .map(([operation]) => operation);
    parts.push(`Of what you change here only ${operations.join(' and ')} goes to ${part.join(', ')}.`);
  }
  if (back.length > 0)
    parts.push(`Rows come from ${back.join(', ')}: what you change at ${node} is not carried back there.`);
  return parts.join(' ');
}
