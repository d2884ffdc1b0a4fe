import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { drain, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { peopleRig, push, untold } from '../../test/support/people-rig.ts';

shareDatabases();

const runs = Math.ceil(Number(process.env['SNK_TEST_HISTORIES'] ?? 150) * 0.08);
const sources = ['a', 'c'] as const;

type Step =
  | {
      readonly do: 'insert' | 'update' | 'delete' | 'move';
      readonly at: 'a' | 'c';
      readonly key: number;
      readonly to: number;
    }
  /** `untold`: the process ends before the source is told. */
  | { readonly do: 'push' | 'untold' | 'redo'; readonly at: 'a' | 'c'; readonly keys: number }
  | { readonly do: 'lose'; readonly at: 'b' };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('insert', 'insert', 'update', 'delete', 'move'),
        at: fc.constantFrom(...sources),
        key: fc.nat(3),
        to: fc.nat(3),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('push', 'untold', 'redo'),
        at: fc.constantFrom(...sources),
        keys: fc.constantFrom(1, 2, 10_000),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('lose'), at: fc.constant('b') }) },
  ),
  { minLength: 3, maxLength: 25 },
);

async function play(rig: LinkRig, step: Step, text: string): Promise<void> {
  const at = rig.other(step.at);
  switch (step.do) {
    case 'insert':
      await at.query('insert into person (id, name) values ($1, $2) on conflict do nothing', [
        step.key,
        text,
      ]);
      return;
    case 'update':
      await at.query('update person set name = $2 where id = $1', [step.key, text]);
      return;
    case 'delete':
      await at.query('delete from person where id = $1', [step.key]);
      return;
    case 'move':
      await at.query(
        'update person set id = $2 where id = $1 and not exists (select from person where id = $2)',
        [step.key, step.to],
      );
      return;
    case 'lose':
      await at.query('delete from people where id >= 100');
      return;
    default: {
      const name = `${step.at}->b`;
      if (step.do === 'redo') {
        // nothing is deleted by a first copy, so what is to go goes before
        await drain(await rig.engine(name));
        await rig.snk.rebaseline(name);
      }
      const engine = await rig.engine(name);
      const kept = step.do === 'untold' ? untold(engine) : engine;
      await drain(kept, { page: { keys: step.keys, logRows: 5_000 } });
    }
  }
}

interface Person {
  readonly id: number;
  readonly name: string;
  readonly primary_id: number | null;
  readonly is_sync: boolean;
}

const personsOf = async (rig: LinkRig, node: string): Promise<Person[]> =>
  await rig
    .other(node)
    .query<Person & { id: number }>(
      'select id, name, primary_id::integer as primary_id, is_sync from person order by id',
    );

test(`each row has one id for good, whatever is done again, and the hub holds these rows and its own (${runs} histories)`, async () => {
  const rig = await peopleRig({ nodes: ['c'], links: [push('a'), push('c')] });
  await rig.b.query(`insert into people (id, name) values (1, 'of the hub')`);
  const known = new Map<string, number>();
  let text = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      for (const step of history) await play(rig, step, `text ${(text += 1)}`);
      // what the hub has lost comes back with the next change of its row
      for (const node of sources) await rig.other(node).query('update person set phone = name');
      await settle(rig);
      const wanted = [{ id: 1, name: 'of the hub' }];
      for (const node of sources) {
        for (const { id, name, primary_id: given, is_sync: safe } of await personsOf(rig, node)) {
          const place = `${node} ${id}`;
          expect({ place, safe, given }).toEqual({ place, safe: true, given: known.get(place) ?? given });
          known.set(place, given ?? 0);
          wanted.push({ id: given ?? 0, name });
        }
      }
      expect(await rig.b.query('select id::integer as id, name from people order by id')).toEqual(
        wanted.toSorted((one, other) => one.id - other.id),
      );
      expect(new Set(known.values()).size).toBe(known.size);
      expect(await rig.snk.parked()).toEqual([]);
      expect(await rig.b.query('select from snk.assigned')).toEqual([]);
    }),
    { numRuns: runs, endOnFailure: true },
  );
}, 120_000);
