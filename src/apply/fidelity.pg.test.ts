import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { bareRig, drain, linkRig, openTestOrm, shareDatabases } from '../../test/support/link-rig.ts';
import { session } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { identifier } from '../../test/support/sql.ts';
import { testLimits } from '../../test/support/limits.ts';
import { loadStanding } from '../link/standing.ts';
import type { Form } from '../read/page-sql.ts';
import { applyBatch } from './apply-page.ts';
import { batchOfPage } from './batch.ts';
import type { Care } from './write-rows.ts';

shareDatabases();

/** A type, and literals of it that have gone wrong somewhere in some system. */
const types: readonly [type: string, ...values: string[]][] = [
  ['smallint', '-32768', '32767'],
  ['integer', '-2147483648', '2147483647'],
  ['bigint', '-9223372036854775808', '9223372036854775807', '9007199254740993'],
  [
    'numeric',
    `'NaN'`,
    `'Infinity'`,
    `'-Infinity'`,
    '1.10',
    '0.000',
    '1e400',
    '-1e-400',
    '123456789012345678901234567890.12345',
  ],
  ['numeric(12,4)', '1.1', '99999999.9999'],
  ['real', `'-0'`, '0.1', `'NaN'`, '3.4028235e38', '1e-45'],
  [
    'double precision',
    `'-0'`,
    `'NaN'`,
    `'Infinity'`,
    `'-Infinity'`,
    '0.30000000000000004',
    '5e-324',
    '1.7976931348623157e308',
  ],
  ['boolean', 'true', 'false'],
  [
    'text',
    `''`,
    `' '`,
    `'NULL'`,
    `'null'`,
    `'"'`,
    `''''`,
    `'\\'`,
    `'{a,"b"}'`,
    `E'a\\nb\\r\\tc'`,
    `'😀 é ü \u202e'`,
    `E'\\uFFFD'`,
    `repeat('x,"', 3000)`,
  ],
  ['character varying(5)', `'ab '`, `''`],
  ['character(5)', `'ab'`, `''`, `'abcde'`],
  ['"char"', `'a'`, `''`],
  ['name', `'a b'`],
  ['bytea', `''`, `'\\x00'`, `'\\x00ff5c27'`, `decode(repeat('5c27', 5000), 'hex')`],
  [
    'date',
    `'infinity'`,
    `'-infinity'`,
    `'0044-03-15 BC'`,
    `'4713-01-01 BC'`,
    `'5874897-12-31'`,
    `'2024-02-29'`,
  ],
  [
    'timestamp',
    `'infinity'`,
    `'0044-03-15 12:00:00.123456 BC'`,
    `'294276-12-31 23:59:59.999999'`,
    `'2016-12-31 23:59:60'`,
  ],
  ['timestamp(3)', `'2024-02-29 12:00:00.123'`],
  [
    'timestamp with time zone',
    `'-infinity'`,
    `'2024-02-29 12:00:00.000001+05:45'`,
    `'0044-03-15 BC'`,
    `'1883-11-18 12:03:57-04:56:02'`,
  ],
  ['time', `'24:00:00'`, `'00:00:00.000001'`],
  ['time with time zone', `'24:00:00+14'`, `'12:34:56.789-03:30'`],
  [
    'interval',
    `'1 year -2 months 3 days -04:05:06.789'`,
    `'-1 day +24:00:00'`,
    `'24:00:00'`,
    `'1 day'`,
    `'178000000 years'`,
    `'0'`,
  ],
  ['uuid', `'00000000-0000-0000-0000-000000000000'`, `'ffffffff-ffff-ffff-ffff-ffffffffffff'`],
  [
    'json',
    `'{"b": 1,  "a" :2, "a": 3}'`,
    `'{"a":"\\u0000"}'`,
    `'1e400'`,
    `'null'`,
    `'[1.0, 1.00]'`,
    `'"\\ud800"'`,
  ],
  ['jsonb', `'null'`, `'{"a": null}'`, `'[1.0, 1.00]'`, `'"\\"\\\\"'`, `'{}'`],
  ['xml', `'<a b="c">&amp;</a>'`, `'text <b/> text'`],
  ['bit(4)', `B'0101'`],
  ['bit varying(9)', `B''`, `B'000010001'`],
  ['inet', `'10.0.0.1/8'`, `'::1'`],
  ['cidr', `'10.0.0.0/8'`],
  ['macaddr8', `'08:00:2b:01:02:03:04:05'`],
  ['point', `'(1.1,-0)'`],
  ['box', `'((1,2),(3,4))'`],
  ['path', `'[(0,0),(1,1)]'`],
  ['tsvector', `'a:1A,3 "b c":2'`],
  ['tsquery', `'a & !b'`],
  ['pg_lsn', `'FFFFFFFF/FFFFFFFF'`],
  ['xid8', `'18446744073709551615'`],
  ['int4range', `'empty'`, `'[1,3)'`, `'(,)'`],
  ['tstzrange', `'["2024-01-01 00:00:00+00",infinity)'`],
  ['int4multirange', `'{[1,2),[5,7)}'`, `'{}'`],
  ['integer[]', `'{}'`, `'{1,NULL,3}'`, `'{{1,2},{3,4}}'`, `'[0:2]={1,2,3}'`, `'[-1:0][2:3]={{1,2},{3,4}}'`],
  ['text[]', `'{}'`, `array['NULL', null, '', '"', '\\', '{}', ',', ' ']`, `array[[null, 'a'], ['', 'b']]`],
  ['bytea[]', `array['\\x00'::bytea, '']`],
  ['timestamptz[]', `array['2024-01-01 00:00:00+00'::timestamptz, 'infinity', null]`],
  ['numeric(6,2)[]', `'{1.10,NULL}'`],
  ['mood', `'it''s "fine", really'`, `''`],
  ['mood[]', `array['it''s "fine", really', '', null]::mood[]`],
  ['percent', '0', '99.5'],
  ['tags', `'{a,NULL,"b c"}'`],
  ['address', `row('a "quoted", street', 1, null)`, `row(null, null, null)`, `row('', 0, '{}')`],
  ['address[]', `array[row('a', 1, '{x}')::address, null]`],
  ['"Odd Type"', `'x'`],
  ['macaddr', `'08:00:2b:01:02:03'`],
  ['money', `1234567.89::numeric::money`, `'-0.01'::numeric::money`],
  ['line', `'{1,-1,0.1}'`],
  ['lseg', `'[(0,0),(1e-300,-0)]'`],
  ['polygon', `'((0,0),(0,1),(1,0))'`],
  ['circle', `'<(0.1,0.2),3>'`],
  ['box[]', `array['((1,2),(3,4))'::box, null]`],
  ['oid', '0', '4294967295'],
  ['regclass', `'pg_class'`, `'sample'`],
  ['regtype', `'mood'`, `'integer[]'`],
  ['regprocedure', `'lower(text)'`],
  ['tid', `'(4294967295,65535)'`],
  ['pg_snapshot', `'10:20:10,14'`],
  ['txid_snapshot', `'10:20:10,14'`],
  ['jsonpath', `'$.a[*] ? (@ > 1)'`],
  ['json[]', `array['{"a" : 1, "a": "\\""}'::json, null]`],
  ['jsonb[]', `array['null'::jsonb, null]`],
  ['interval[]', `array['1 day'::interval, '24:00:00', '-1 mon']`],
  ['double precision[]', `array['-0'::float8, 'NaN', 'Infinity', null, 0.1]`],
  ['bit(3)[]', `array[B'010', null]`],
  ['"char"[]', `array['a'::"char", '']`],
  ['numrange', `'[1.0,1.00]'`, `'empty'`],
  ['tsmultirange', `'{[2024-01-01,infinity)}'`],
  ['int4range[]', `array['[1,3)'::int4range, 'empty', null]`],
  ['percent[]', `array[0, 99.5, null]::percent[]`],
  ['kept', `row('a "b"', 1, '{c,NULL}')`],
  ['nested', `row(row('x', 1, '{}'), '{1,2}', '[1,3)', '{"a": 1}')`, `row(null, null, null, null)`],
  ['low', `''`],
];

const columns = types.map(([type], i) => ({ name: `c${i}`, type }));

const tables = `
  create type mood as enum ('it''s "fine", really', '');
  create type "Odd Type" as enum ('x');
  create domain percent as numeric(5,2) check (value >= 0);
  create domain tags as text[];
  create type address as (street text, number integer, notes text[]);
  create domain kept as address check ((value).number >= 0);
  create type nested as (home address, numbers integer[], range int4range, doc jsonb);
  create domain low as mood check (value = '');
  create table sample (
    id integer generated always as identity primary key,
    ${columns.map(({ name, type }) => `${name} ${type}`).join(',\n    ')},
    doubled integer generated always as (c1 / 2) stored,
    "select" text default 'never',
    "a""b" text,
    "Up" text,
    up text
  )`;

/** One row per value, all other columns null; and one of nulls only. */
async function fill(database: Pick<TestDatabase, 'query'>): Promise<void> {
  for (const [i, [, ...values]] of types.entries()) {
    await database.query(
      `insert into sample (c${i}, "select") values ${values.map((value) => `(${value}, null)`).join(', ')}`,
    );
  }
  await database.query(
    `insert into sample ("select", "a""b", "Up", up) values ('s', 'q', 'upper', 'lower'), (null, null, null, null)`,
  );
}

/** The types whose values the change log can hold itself. */
const steady = types.filter(([type]) =>
  /^(smallint|integer|bigint|numeric|real|double|boolean|text|character|bytea|date|time|interval|uuid|json(?!path)|mood|"Odd)[^[]*$/.test(
    type,
  ),
);

/** A table of these types alone, and a statement of many narrow rows for it. */
const imaged = {
  table: `create table imaged (id integer generated always as identity primary key, ${steady.map(([type], i) => `c${i} ${type}`).join(', ')})`,
  insert: `insert into imaged (${steady.map((_, i) => `c${i}`).join(', ')})
    ${steady
      .flatMap(([type, ...values], i) =>
        values
          .filter((value) => !value.includes('repeat'))
          .map(
            (value) =>
              `select ${steady.map(([other], j) => (i === j ? `(${value})::${type}` : `null::${other}`)).join(', ')}`,
          ),
      )
      .join(' union all ')}`,
};

/** Of all that changes what a value reads like, or how a text is read; at a, and at b. */
const settings = [
  ['datestyle', 'SQL, MDY', 'SQL, DMY'],
  ['intervalstyle', 'iso_8601', 'sql_standard'],
  ['timezone', 'Asia/Kathmandu', 'America/New_York'],
  ['extra_float_digits', '-15', '0'],
  ['bytea_output', 'escape', 'hex'],
  ['xmloption', 'document', 'content'],
  ['standard_conforming_strings', 'on', 'off'],
  ['array_nulls', 'on', 'off'],
  ['quote_all_identifiers', 'on', 'off'],
  ['default_transaction_isolation', 'read committed', 'repeatable read'],
  ['search_path', 'public', '""'],
  ['lc_monetary', 'C', 'POSIX'],
] as const;

/** Every value as its text, under settings that hide nothing. */
async function contents(database: TestDatabase): Promise<object[]> {
  const reader = await database.connect();
  try {
    await reader.query(
      `set extra_float_digits = 3; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set bytea_output = 'hex'; set search_path = public; set quote_all_identifiers = off`,
    );
    const texts = columns
      .map(({ name, type }) => `to_json(${name}::text) as ${identifier(`${name} ${type}`)}`)
      .join(', ');
    return await reader.query(
      `select id, doubled, "select", "a""b", "Up", up, ${texts} from sample order by id`,
    );
  } finally {
    await reader.end();
  }
}

describe('every value arrives as it is stored', () => {
  const links = [{ from: 'a', to: 'b', tables: ['public.sample'] }];

  test.each<[Care, Form]>([
    ['plain', 'binary'],
    ['plain', 'text'],
    ['tolerant', 'text'],
    ['careful', 'text'],
  ])('by a window (%s, %s)', async (care, form) => {
    const rig = await linkRig({ tables, links });
    const engine = await rig.engine();
    await drain(engine);
    await fill(rig.a);
    for (;;) {
      const standing = await loadStanding(engine);
      const page = await engine.source.read(standing.position, testLimits.page, {
        form,
      });
      if (page === null) break;
      const applied = await applyBatch(
        engine.target.context,
        standing,
        batchOfPage(standing.position, page),
        care,
      );
      expect(applied).toMatchObject({ care, conflicts: 0, parked: 0 });
    }
    expect(await contents(rig.b)).toEqual(await contents(rig.a));
    expect(await contents(rig.b)).toHaveLength(2 + types.flatMap(([, ...values]) => values).length);
    expect(await rig.snk.verify()).toMatchObject({ equal: true });
  });

  test('by the images of its statement, whatever the settings of its writer', async () => {
    const rig = await linkRig({
      tables: `${tables}; ${imaged.table}`,
      links: [{ from: 'a', to: 'b', tables: ['public.imaged'] }],
    });
    const engine = await rig.engine();
    await drain(engine);
    const writer = await rig.a.connect();
    await writer.query(
      `set datestyle = 'SQL, DMY'; set timezone = 'Asia/Kathmandu'; set extra_float_digits = -15; set bytea_output = 'escape'`,
    );
    await writer.query(imaged.insert);
    await writer.end();
    expect(await rig.a.query('select images is not null as are from snk.change_log')).toEqual([
      { are: true },
    ]);
    expect(await drain(engine)).toMatchObject({ conflicts: 0, parked: 0 });
    const all = `select id, ${steady.map((_, i) => `to_json(c${i}::text) as c${i}`).join(', ')} from imaged order by id`;
    expect(await rig.b.query(all)).toEqual(await rig.a.query(all));
    expect(await rig.snk.verify()).toMatchObject({ equal: true });
  });

  test('by the first copy', async () => {
    const rig = await linkRig({ tables, links: [{ between: ['a', 'b'], tables: ['public.sample'] }] });
    await fill(rig.a);
    await drain(await rig.engine());
    expect(await contents(rig.b)).toEqual(await contents(rig.a));
  });

  test('when it overwrites another version', async () => {
    const rig = await linkRig({ tables, links });
    await fill(rig.a);
    await rig.b.query(
      `insert into sample (id, "select") overriding system value select n, 'of b' from generate_series(1, 300) n`,
    );
    const report = await drain(await rig.engine());
    const sent = await contents(rig.a);
    expect(report.conflicts).toBe(sent.length);
    expect((await contents(rig.b)).slice(0, sent.length)).toEqual(sent);
  });

  test.each([
    ['what is inserted', ['insert']],
    ['whatever is done', ['insert', 'update', 'delete']],
  ] as const)('both ways, whatever the settings of the two databases: %s', async (_, on) => {
    const rig = await bareRig({ tables, links: [{ between: ['a', 'b'], tables: ['public.sample'], on }] });
    for (const [name, ...values] of settings) {
      for (const [i, { name: database, query }] of [rig.a, rig.b]
        .map((side) => ({ name: side.name, query: side.query.bind(side) }))
        .entries())
        await query(`alter database ${identifier(database)} set ${name} = '${values[i]}'`);
    }
    // sessions that begin now
    const { snk } = rig;
    await filled(rig.a);
    await snk.install();
    const drainBoth = async (): Promise<void> => {
      for (const name of ['a->b', 'b->a', 'a->b'])
        expect(await drain(await rig.engine(name))).toMatchObject({ conflicts: 0, parked: 0 });
    };
    await drainBoth();
    const count = 2 + types.flatMap(([, ...values]) => values).length;
    expect(await contents(rig.b)).toEqual(await contents(rig.a));
    expect(await contents(rig.b)).toHaveLength(count);

    await filled(rig.b);
    await drainBoth();
    expect(await contents(rig.a)).toEqual(await contents(rig.b));
    expect(await contents(rig.a)).toHaveLength(2 * count);
    if (on.length === 1) return;

    for (const side of [rig.b, rig.a]) {
      const writer = await side.connect();
      const moved = columns.map(
        ({ name }) => `${name} = (select o.${name} from public.sample o where o.id = s.id - 1)`,
      );
      await writer.query(`update public.sample s set ${moved.join(', ')}`);
      await writer.query('delete from public.sample where id % 7 = 1');
      await writer.end();
      await drainBoth();
      expect(await contents(rig.a)).toEqual(await contents(rig.b));
    }
    expect(await rig.snk.verify()).toMatchObject({ equal: true });
  });
});

/** By a session that begins now. */
async function filled(database: TestDatabase): Promise<void> {
  const writer = await database.connect();
  // what stands in this file is read as it is meant
  await writer.query(
    `set standard_conforming_strings = on; set array_nulls = on; set search_path = public; set xmloption = content`,
  );
  await fill(writer);
  await writer.end();
}

describe('a session of SNK', () => {
  test.each(settings)('has its own setting, whatever that of its database: %s', async (name, ...values) => {
    const { a } = await bareRig();
    const found: string[] = [];
    for (const value of values) {
      await a.query(`alter database ${identifier(a.name)} set ${name} = '${value}'`);
      const rows = await query<{ value: string }>(
        session(openTestOrm(a)),
        `select current_setting('${name}') as value`,
      );
      found.push(...rows.map((row) => row.value));
    }
    expect(found).toHaveLength(2);
    expect(found[0]).toBe(found[1]);
  });
});
