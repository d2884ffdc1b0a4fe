/** What a flow costs whose rows go through a TypeScript function, beside a plain flow: the same work, in turn. */
import { fileURLToPath } from 'node:url';
import { perStatement } from '../bulk.ts';
import { formatWhole } from '../report/format.ts';
import { Sheet } from '../sheet.ts';
import { ratioGoal, type Suite } from '../suite.ts';
import { plainFlow, runVariants, type Variant } from '../variants.ts';

const module = fileURLToPath(new URL('map-functions.ts', import.meta.url));

const mapped: Variant = {
  name: 'map',
  flow: { to: 'public.mapped', map: `${module}#renamed` },
  target: 'public.mapped',
  wanted: "(select uuid, text as body, 'a'::text as origin, length(text) as size from public.record)",
};

/** Inserts of a plain flow go in as one statement; those of a function are written with the care of updates. */
const goals = [
  { what: 'inserts', cpu: 2.5, equal: 0.35 },
  { what: 'updates', cpu: 1.5, equal: 0.6 },
] as const;

export const map: Suite = {
  name: 'map',
  run: async (context) => {
    const { full, quick } = context;
    const sheet = new Sheet();
    const rows = full ? 1_000_000 : quick ? 20_000 : 60_000;
    await runVariants(context, sheet, { suite: 'map', variants: [plainFlow, mapped], rows });
    sheet.notes.push(
      `one way; ${formatWhole(rows)} rows come in on the source's side and are updated then, by key, ${formatWhole(perStatement)} in a statement; both flows carry inserts, updates and deletes`,
      'map: a function in TypeScript that gives a column another name, adds a constant and a number that it reckons; it runs in the worker of the link, row by row',
    );
    for (const { what, cpu, equal } of goals) {
      const goal = (figure: string, label: string, sign: '<=' | '>=', value: number): void => {
        const id = `map.${what}.${figure}`;
        ratioGoal(sheet, { id, label, sign, value }, [id, 'snk map', 'snk']);
      };
      goal('cpu', `map: CPU per million ${what} of a flow with a function ÷ of a plain one`, '<=', cpu);
      goal('equal', `map: ${what} a second until equal, with a function ÷ of a plain flow`, '>=', equal);
    }
    return sheet.result('map', 'A flow whose rows go through a function, beside a plain one', 'snk');
  },
};
