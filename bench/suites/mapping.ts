/** What a flow costs that makes its rows into others, beside a plain flow: the same work, in turn. */
import { perStatement } from '../bulk.ts';
import { formatWhole } from '../report/format.ts';
import { Sheet } from '../sheet.ts';
import { ratioGoal, type Suite } from '../suite.ts';
import { plainFlow, runVariants, type Variant } from '../variants.ts';

const mapped: readonly Variant[] = [
  {
    name: 'columns+set',
    flow: {
      to: 'public.mapped',
      columns: { uuid: 'uuid', body: 'text' },
      set: { origin: 'a', size: { sql: 'length(text)' } },
    },
    target: 'public.mapped',
    wanted: "(select uuid, text as body, 'a'::text as origin, length(text) as size from public.record)",
  },
  {
    name: 'where',
    flow: { where: "text < '8'" },
    target: 'public.record',
    wanted: "(select * from public.record where text < '8')",
  },
];

export const mapping: Suite = {
  name: 'mapping',
  run: async (context) => {
    const { full, quick } = context;
    const sheet = new Sheet();
    const rows = full ? 1_000_000 : quick ? 20_000 : 60_000;
    await runVariants(context, sheet, { suite: 'mapping', variants: [plainFlow, ...mapped], rows });
    sheet.notes.push(
      `one way; ${formatWhole(rows)} rows come in on the source's side and are updated then, by key, ${formatWhole(perStatement)} in a statement; all flows carry inserts, updates and deletes`,
      'columns+set: a column under another name, one that is a constant, and one that is reckoned by SQL over the row',
      'where: half of the rows match, and an update makes half of those leave and as many others come; rates and CPU are by rows of the source',
    );
    for (const { name } of mapped)
      for (const what of ['inserts', 'updates']) {
        const id = `mapping.${what}.cpu`;
        const label = `mapping: CPU per million ${what} of a flow with ${name} ÷ of a plain one`;
        ratioGoal(sheet, { id: `${id}.${name}`, label, sign: '<=', value: 1.15 }, [id, `snk ${name}`, 'snk']);
      }
    return sheet.result('mapping', 'Mapping: flows that rename, set and filter, beside a plain one', 'snk');
  },
};
