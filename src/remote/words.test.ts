import { describe, expect, test } from 'vitest';
import { describedBy, description, snapshot } from './words.ts';

const column = {
  position: 1,
  name: 'id',
  type: 'bigint',
  baseType: 'bigint',
  arrayable: true,
  carrier: 'bigint',
  carrierOid: 20,
  steady: true,
  category: 'N',
  labels: null,
  maxLength: null,
  generated: false,
  hasDefault: false,
  identityAlways: false,
  notNull: true,
  collation: null,
  looseCollation: null,
};
const operators = {
  equals: 'operator(pg_catalog.=)',
  greater: 'operator(pg_catalog.>)',
  lessOrEqual: 'operator(pg_catalog.<=)',
};

function described(change: object, operator: object = {}) {
  const each = { ...column, ...change };
  return description.safeParse({
    nodeId: '11111111-1111-4111-8111-111111111111',
    tables: [
      {
        oid: '1',
        schema: 'public',
        name: 'person',
        kind: 'table',
        attributes: 1,
        columns: [each],
        key: [{ ...each, ...operators, ...operator }],
        keyDeferrable: false,
        references: [],
      },
    ],
    captured: [],
  });
}

describe('what a node says of its tables', () => {
  test.each([
    'integer',
    'double precision',
    'character varying(40)',
    'character varying',
    'bit varying(3)',
    'bit(3)',
    'numeric(12,4)',
    'numeric(3,-2)',
    'timestamp with time zone',
    'timestamp(3) without time zone',
    'time(0) with time zone',
    'interval day to second(3)',
    'interval year to month',
    '"char"',
    'public.citext',
    '"My Schema"."a ""type"""',
    'integer[]',
    'app.mood[]',
  ])('may name the type %s', (type) => {
    expect(described({ type, baseType: type }).success).toBe(true);
  });

  test.each([
    'integer) from secret --',
    'integer union select',
    'text; drop table person',
    'double precision or true',
    '"quoted" "twice"',
    '"open',
    '"a"b"',
    'int/**/eger',
    `text::'x'`,
    'pg_sleep(1)::text',
    'a.b.c',
    'numeric(1,2,3)',
    'timestamp with time zone at time zone $1',
    'interval day to second; select',
    'integer\nunion',
    '',
  ])('may not name %j as a type: it becomes part of a statement', (type) => {
    for (const change of [{ type }, { baseType: type }, { carrier: type }])
      expect(described(change).success).toBe(false);
  });

  test.each([
    '=) or (true',
    'operator(pg_catalog.=) or true',
    'operator(pg_catalog.--)',
    'operator(x./*)',
    '<>',
  ])('may not name %j as an operator', (equals) => {
    for (const name of ['equals', 'greater', 'lessOrEqual'])
      expect(described({}, { [name]: equals }).success).toBe(false);
  });

  test('may not make a collation of anything else', () => {
    expect(described({ looseCollation: 'public."case-insensitive"' }).success).toBe(true);
    expect(described({ looseCollation: '"C" or true' }).success).toBe(false);
  });

  test('is quoted by who hears it, whatever names there are', () => {
    const name = 'a"; drop table person; --';
    const said = described({ name, quoted: 'x', sequence: { quoted: 'y', canMove: true } });
    if (!said.success) throw said.error;
    const table = describedBy(said.data).tables.get('public.person');
    expect(table?.quoted).toBe('"public"."person"');
    expect(table?.columns[0]).toMatchObject({ quoted: '"a""; drop table person; --"', sequence: null });
  });
});

describe('a snapshot', () => {
  test.each(['1:1:', '5:9:', '5:9:5', '5:9:6,8', '740:9223372036854775807:'])('may be %s', (text) => {
    expect(snapshot.safeParse(text).success).toBe(true);
  });

  test.each([
    ['0:1:', 'has no transaction 0'],
    ['5:3:', 'ends after it begins'],
    ['5:9:4', 'has none running before it begins'],
    ['5:9:9', 'has none running where it ends'],
    ['5:9:8,6', 'lists them in order'],
    ['5:9:6,6', 'lists each once'],
    ['5:9:6,', 'ends with one'],
    ['1:9223372036854775808:', 'ends before the last number'],
    ['99999999999999999999:99999999999999999999:', 'has numbers of 64 bits'],
    [`1:9:'`, 'has numbers'],
  ])('is not %s: it %s', (text) => {
    expect(snapshot.safeParse(text).success).toBe(false);
  });
});
