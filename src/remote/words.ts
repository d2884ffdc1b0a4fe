/** What travels between a node and its hub, checked at the door on both sides (pure). */
import { z } from 'zod';
import type { Captured } from '../capture/captured.ts';
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import { quoteIdentifier } from '../db/sql.ts';
import type { EndDescription } from '../link/ends.ts';

/** Texts that become part of a statement: what is not one of these words is refused, or what the other side sends would be SQL of ours. */
const identifier = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[^\0]+$/);
const part = String.raw`(?:[a-z_][a-z0-9_$]*|"(?:[^"\0]|"")+")`;
const words = [
  'double precision',
  String.raw`character varying`,
  'bit varying',
  String.raw`timestamp(?:\(\d\))? with(?:out)? time zone`,
  String.raw`time(?:\(\d\))? with(?:out)? time zone`,
  String.raw`interval(?: [a-z]+(?: to [a-z]+)?)?`,
];
const typeName = z
  .string()
  .max(300)
  .regex(
    new RegExp(String.raw`^(?:${words.join('|')}|${part}(?:\.${part})?)(?:\(-?\d+(?:,-?\d+)?\))?(?:\[\])*$`),
    'wanted the name of a type',
  );
const operatorName = z
  .string()
  .max(200)
  .regex(
    new RegExp(String.raw`^(?:=|>|<=|operator\(${part}\.(?!.*(?:--|/\*))[-+*/<>=~!@#%^&|?\`]{1,20}\))$`),
    'wanted an operator',
  );
const quotedName = z
  .string()
  .max(200)
  .regex(new RegExp(`^${part}(?:\\.${part})?$`));
const number = z.number().int();
const digits = z.string().regex(/^\d{1,20}$/);

export const uuid = z.uuid();
/** As PostgreSQL writes it: what it refuses would fail the statement of all who are asked for together. */
export const snapshot = z
  .string()
  .max(100_000)
  .regex(/^\d{1,19}:\d{1,19}:(\d{1,19}(,\d{1,19})*)?$/, { abort: true, error: 'wanted a snapshot' })
  .refine(isInOrder, 'wanted a snapshot');

/** Below the last one that is ended, and one after the other. */
function isInOrder(text: string): boolean {
  const [xmin = '', xmax = '', running = ''] = text.split(':');
  const below = BigInt(xmax);
  let least = BigInt(xmin);
  if (least === 0n || least > below || below >= 2n ** 63n) return false;
  return running
    .split(',')
    .filter(Boolean)
    .every((each) => {
      const xid = BigInt(each);
      const fits = xid >= least && xid < below;
      least = xid + 1n;
      return fits;
    });
}

const column = z.object({
  position: number.min(1).max(1_600),
  name: identifier,
  type: typeName,
  baseType: typeName,
  arrayable: z.boolean(),
  carrier: typeName,
  carrierOid: number,
  steady: z.boolean(),
  category: z.string().length(1),
  labels: z.array(z.string().max(63)).max(10_000).nullable(),
  maxLength: number.nullable(),
  generated: z.boolean(),
  hasDefault: z.boolean(),
  identityAlways: z.boolean(),
  notNull: z.boolean(),
  collation: z.string().max(200).nullable(),
  looseCollation: quotedName.nullable(),
});
const keyColumn = column.extend({ equals: operatorName, greater: operatorName, lessOrEqual: operatorName });

const table = z.object({
  oid: digits,
  schema: identifier,
  name: identifier,
  kind: z.enum([
    'table',
    'partitioned',
    'partition',
    'inheritance',
    'unlogged',
    'temporary',
    'view',
    'other',
  ]),
  attributes: number.min(0).max(1_600),
  columns: z.array(column).max(1_600),
  key: z.array(keyColumn).max(32),
  keyDeferrable: z.boolean(),
  references: z.array(z.string().max(200)).max(1_000),
});

const captured = z.object({
  id: number.min(0),
  name: z.string().max(200),
  operations: z.array(z.enum(['insert', 'update', 'delete'])),
  isIntact: z.boolean(),
});

export const description = z.strictObject({
  nodeId: uuid,
  tables: z.array(table).max(1_000),
  captured: z.array(captured).max(10_000),
});

export type DescriptionWords = z.output<typeof description>;

/** Only what the link speaks of. */
export function wordsOf({ nodeId, tables, captured: all }: EndDescription): z.input<typeof description> {
  return {
    nodeId,
    tables: [...tables.values()],
    captured: [...all.values()]
      .filter(({ name }) => tables.has(name))
      .map(({ id, name, operations, isIntact }) => ({ id, name, operations: [...operations], isIntact })),
  } as unknown as z.input<typeof description>;
}

/** Names are quoted here, whatever the other side made of them. */
export function describedBy({ nodeId, tables, captured: all }: DescriptionWords): EndDescription {
  return {
    nodeId,
    tables: new Map(
      tables.map((each) => {
        const known = tableOf(each);
        return [known.fullName, known];
      }),
    ),
    captured: new Map(
      all.map((each) => [each.name, { ...each, fingerprint: '' } satisfies Captured as Captured]),
    ),
  };
}

const quoted = ({ name, ...rest }: z.output<typeof column>): Column => ({
  ...rest,
  name,
  quoted: quoteIdentifier(name),
  sequence: null,
  // SQL of the other side's.
  defaultText: null,
});

function tableOf({ schema, name, columns, key, ...rest }: z.output<typeof table>): Table {
  return {
    ...rest,
    schema,
    name,
    fullName: `${schema}.${name}`,
    quoted: `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`,
    columns: columns.map(quoted),
    key: key.map(({ equals, greater, lessOrEqual, ...each }): KeyColumn => ({
      ...quoted(each),
      equals,
      greater,
      lessOrEqual,
    })),
    // Who may do what there is looked at by those who reach it.
    rowSecurity: false,
    isOwner: true,
    canUseSchema: true,
    canSelect: true,
    canInsert: true,
    canUpdate: true,
    canDelete: true,
    rowsEstimated: 0,
  };
}
