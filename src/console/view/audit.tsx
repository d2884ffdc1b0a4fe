/** Who did what by way of this page. */
import type { JSX } from 'preact';
import { api } from '../api.ts';
import { dateTime } from '../model/format.ts';
import { useAsked } from '../ui/hooks.ts';
import { Empty, Fault, Heading, Loading, Pill, Value } from '../ui/parts.tsx';

export function Audit(): JSX.Element {
  const { value, error } = useAsked(api.audit, [], 5_000);
  return (
    <>
      <Heading title="Audit">
        <p>What was changed by way of this console: the newest 200, without values of rows.</p>
      </Heading>
      {error !== null && <Fault error={error} />}
      {value === null && error === null && <Loading />}
      {value?.length === 0 && <Empty title="Nobody has changed anything here yet." />}
      {value !== null && value.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Audit">
          <table class="grid">
            <thead>
              <tr>
                {['When', 'Who', 'What', 'Of what', 'Outcome', 'Kept in'].map((title) => (
                  <th scope="col" key={title}>
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {value.map((entry) => (
                <tr key={`${entry.node} ${entry.id}`}>
                  <td>{dateTime(entry.at)}</td>
                  <td>
                    <Value text={entry.who} longest={80} />
                  </td>
                  <td>{entry.action}</td>
                  <td>
                    <Value text={entry.subject} longest={120} />
                  </td>
                  <td>
                    <Pill
                      level={entry.outcome === 'done' ? 'good' : entry.outcome === 'begun' ? 'busy' : 'care'}
                    >
                      {entry.outcome}
                    </Pill>
                  </td>
                  <td>{entry.node}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
