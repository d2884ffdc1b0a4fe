/** The way of one row: where it was captured, by which links it went, and where it is now. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Hop, Trace as TraceFound } from '../../http/console/wire.ts';
import { api } from '../api.ts';
import { dateTime, duration, exactClock } from '../model/format.ts';
import { href } from '../model/route.ts';
import { useAct, useAsked } from '../ui/hooks.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, Fault, Heading, KeyText, Pill, Value } from '../ui/parts.tsx';

export function Trace({ rest }: { readonly rest: readonly string[] }): JSX.Element {
  const tables = useAsked(api.tables, []);
  const [table = '', ...key] = rest;
  const names = [...new Map((tables.value ?? []).map((each) => [each.table, each.key]))];
  const [chosen, setChosen] = useState(table);
  const [found, setFound] = useState<TraceFound | null>(null);
  const act = useAct();
  const first = chosen === '' ? (names[0]?.[0] ?? '') : chosen;
  const columns =
    names.find(([name]) => name === first)?.[1] ?? (key.length > 0 ? key.map((_, i) => `key ${i + 1}`) : []);
  const [values, setValues] = useState<readonly string[]>(key);

  useEffect(() => {
    if (table === '' || key.length === 0) return;
    setChosen(table);
    setValues(key);
    setFound(null);
    void act.run(async () => setFound(await api.trace(table, key)));
  }, [rest.join('\0')]);

  const look = (): void => {
    const wanted = columns.map((_, i) => values[i] ?? '');
    const to = href('trace', first, ...wanted);
    if (location.hash === to) void act.run(async () => setFound(await api.trace(first, wanted)));
    else location.hash = to;
  };
  return (
    <>
      <Heading title="Trace">
        <p>Every hop of one row, as far as change logs and ledgers reach back.</p>
      </Heading>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          look();
        }}
      >
        <label>
          Table
          <select value={first} onChange={(event) => setChosen(event.currentTarget.value)}>
            {names.map(([name]) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
            {first !== '' && !names.some(([name]) => name === first) && (
              <option value={first}>{first}</option>
            )}
          </select>
        </label>
        {columns.map((name, i) => (
          <label key={name}>
            {name}
            <input
              required
              value={values[i] ?? ''}
              onInput={(event) => {
                const text = event.currentTarget.value;
                setValues(columns.map((_, j) => (j === i ? text : (values[j] ?? ''))));
              }}
            />
          </label>
        ))}
        <button type="submit" class="primary" disabled={act.busy}>
          <Icon name="search" /> Find
        </button>
      </form>
      {tables.error !== null && <Fault error={tables.error} />}
      {act.error !== null && <Fault error={act.error} />}
      {found === null && act.error === null && (
        <Empty title="Which row?">
          Choose a table and say the key of a row; the answer is its way from node to node.
        </Empty>
      )}
      {found !== null && <Found trace={found} />}
    </>
  );
}

const words: Readonly<Record<Hop['what'], string>> = {
  captured: 'captured at',
  applied: 'applied at',
  copied: 'copied to',
  parked: 'parked at',
  conflict: 'in conflict at',
};

function Found({ trace }: { readonly trace: TraceFound }): JSX.Element {
  const { hops } = trace;
  return (
    <section aria-label="The way of the row">
      <p class="trace-row">
        <strong>{trace.table}</strong>{' '}
        <KeyText names={Object.keys(trace.key)} values={Object.values(trace.key)} />
      </p>
      <ul class="nodes">
        {Object.entries(trace.present).map(([node, isThere]) => (
          <li key={node} class="node">
            <Pill level={isThere ? 'good' : 'idle'}>{isThere ? 'Is there' : 'Not there'}</Pill>
            <strong>{node}</strong>
          </li>
        ))}
      </ul>
      {hops.length === 0 && (
        <Empty title="No log knows of this row.">
          It was not changed since SNK was installed, or that is longer ago than the logs reach.
        </Empty>
      )}
      <ol class="hops">
        {hops.map((hop, i) => (
          <li key={i} data-what={hop.what}>
            <time dateTime={hop.at} title={dateTime(hop.at)}>
              {exactClock(hop.at)}
            </time>
            <span>
              <strong>{words[hop.what]}</strong> {hop.node}
              {hop.link !== null && <span class="muted"> by {hop.link}</span>}
            </span>
            <span class="muted">
              {i === 0
                ? dateTime(hop.at).slice(0, 10)
                : `+ ${duration(Date.parse(hop.at) - Date.parse(hops[i - 1]?.at ?? hop.at))}`}
              {hop.transaction !== null && `, transaction ${hop.transaction}`}
              {hop.batch !== null && (
                <>
                  , batch <Value text={hop.batch} longest={13} />
                </>
              )}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
