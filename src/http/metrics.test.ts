import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { Events } from '../telemetry/events.ts';
import { Health } from '../telemetry/health.ts';
import type { Link } from '../topology/topology.ts';
import { Metrics } from './metrics.ts';

const link = (source: string, target: string): Link => ({
  name: `${source}->${target}`,
  source,
  target,
  flows: [],
  winner: 'source',
  every: null,
});

function measured() {
  const events = new Events();
  const links = [link('a', 'b'), link('b', 'a')];
  const health = new Health(
    events,
    links.map(({ name }) => name),
  );
  return { events, metrics: new Metrics(links, events, health) };
}

const gauges = {
  nodes: [
    { name: 'a', changeLogBytes: 8_192 },
    { name: 'b', changeLogBytes: null },
  ],
  links: [
    { name: 'a->b', pendingRows: 7, parked: 2, conflicts: 1 },
    { name: 'b->a', pendingRows: null, parked: null, conflicts: null },
  ],
};

/** The samples of SNK's own metrics: `name{labels} value`. */
const samplesOf = (text: string): string[] =>
  text.split('\n').filter((line) => line.startsWith('snk_') && !line.includes('_bucket'));

const ab = 'link="a->b",source="a",target="b"';
const ba = 'link="b->a",source="b",target="a"';

describe('the metrics of a run', () => {
  test('count what links tell, and nothing of what they do not know', async () => {
    const { events, metrics } = measured();
    const told = {
      rows: 30,
      windows: 2,
      created: 30,
      updated: 0,
      deleted: 0,
      conflicts: 1,
      parked: 3,
      files: 2,
      fileBytes: 40_000,
      durationMs: 9,
    };
    events.tell('link:applied', { link: 'a->b', ...told, lagsMs: [4, 2_000] });
    events.tell('link:applied', { link: 'a->b', ...told, lagsMs: [] });
    events.tell('link:applied', { link: 'elsewhere', ...told, lagsMs: [1] });
    const text = await metrics.text(null);
    const samples = samplesOf(text).filter((line) => !line.startsWith('snk_link_state'));
    expect(samples).toEqual([
      `snk_link_lag_seconds_sum{${ab}} 2.004`,
      `snk_link_lag_seconds_count{${ab}} 2`,
      `snk_link_lag_seconds_sum{${ba}} 0`,
      `snk_link_lag_seconds_count{${ba}} 0`,
      `snk_link_rows_total{${ab}} 60`,
      `snk_link_rows_total{${ba}} 0`,
      `snk_link_windows_total{${ab}} 4`,
      `snk_link_windows_total{${ba}} 0`,
      `snk_link_conflicts_total{${ab}} 2`,
      `snk_link_conflicts_total{${ba}} 0`,
      `snk_link_parked_total{${ab}} 6`,
      `snk_link_parked_total{${ba}} 0`,
      `snk_link_files_total{${ab}} 4`,
      `snk_link_files_total{${ba}} 0`,
      `snk_link_file_bytes_total{${ab}} 80000`,
      `snk_link_file_bytes_total{${ba}} 0`,
    ]);
    expect(text).toContain(`snk_link_lag_seconds_bucket{le="0.005",${ab}} 1`);
    expect(text).toContain(`snk_link_lag_seconds_bucket{le="2.5",${ab}} 2`);
  });

  test('count what nodes that come with a key push', async () => {
    const { events, metrics } = measured();
    for (const rows of [3, 4])
      events.tell('link:served', { link: 'lyon->main', rows, conflicts: 1, parked: 0 });
    const text = await metrics.text(null);
    const lyon = 'link="lyon->main",source="lyon",target="main"';
    expect(text).toContain(`snk_link_rows_total{${lyon}} 7`);
    expect(text).toContain(`snk_link_windows_total{${lyon}} 2`);
    expect(text).toContain(`snk_link_conflicts_total{${lyon}} 2`);
  });

  test('hold one state of each link', async () => {
    const { events, metrics } = measured();
    events.tell('link:state', { link: 'a->b', state: 'live' });
    const statesOf = async () =>
      samplesOf(await metrics.text(null)).filter((line) => /^snk_link_state.* 1$/.test(line));
    expect(await statesOf()).toEqual([
      `snk_link_state{${ab},state="live"} 1`,
      `snk_link_state{${ba},state="waiting"} 1`,
    ]);
    events.tell('link:state', { link: 'a->b', state: 'paused' });
    expect((await statesOf())[0]).toBe(`snk_link_state{${ab},state="paused"} 1`);
    expect(
      samplesOf(await metrics.text(null)).filter((line) => line.endsWith(' 0') && line.includes('state=')),
    ).toHaveLength(16);
  });

  test('show what the databases say, and leave out what they do not', async () => {
    const { metrics } = measured();
    const shown = [
      `snk_link_pending_rows{${ab}} 7`,
      `snk_link_parked_rows{${ab}} 2`,
      `snk_link_unsettled_conflicts{${ab}} 1`,
      'snk_change_log_bytes{node="a"} 8192',
    ];
    const asked = /^snk_(link_(pending|parked_rows|unsettled)|change_log)/;
    const samples = async (from: typeof gauges | null) =>
      samplesOf(await metrics.text(from)).filter((line) => asked.test(line));
    expect(await samples(gauges)).toEqual(shown);
    expect(await samples(null)).toEqual([]);
  });

  test('have a registry of their own: two runs of one process do not meet', async () => {
    const [one, other] = [measured(), measured()];
    one.events.tell('link:applied', {
      link: 'a->b',
      rows: 1,
      created: 1,
      updated: 0,
      deleted: 0,
      windows: 1,
      conflicts: 0,
      parked: 0,
      files: 0,
      fileBytes: 0,
      durationMs: 1,
      lagsMs: [],
    });
    expect(await other.metrics.text(null)).toContain(`snk_link_rows_total{${ab}} 0`);
  });

  test('tell of the process what they can without waking it', async () => {
    const text = await measured().metrics.text(null);
    expect(text).toContain('process_cpu_seconds_total ');
    expect(text.match(/^nodejs_eventloop\w+/gm)).toEqual(['nodejs_eventloop_lag_seconds']);
  });
});

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
}

describe('the dashboard', async () => {
  const file = new URL('../../grafana/snk.json', import.meta.url);
  const dashboard = JSON.parse(await readFile(file, 'utf8')) as Dashboard;
  const exprs = dashboard.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => [title, expr] as const),
  );
  const queries = dashboard.templating.list
    .filter(({ query }) => query.startsWith('label_values('))
    .map(({ name, query }) => [`$${name}`, query] as const);
  const text = await measured().metrics.text(gauges);
  const names = new Set([...text.matchAll(/^(\w+)(?:\{| )/gm)].map(([, name]) => name));
  const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, name]) => name));
  // What Prometheus itself puts on every series that it scrapes.
  for (const name of ['job', 'instance', '__name__']) labels.add(name);

  test.each([...exprs, ...queries])('%s asks for metrics that there are: %s', (_, expr) => {
    const asked = expr.match(/\b(?:snk|process|nodejs)_\w+/g) ?? [];
    expect(asked).not.toEqual([]);
    expect(asked.filter((name) => !names.has(name))).toEqual([]);
  });

  test.each([...exprs, ...queries])('%s names labels that there are: %s', (_, expr) => {
    const lists = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/));
    const matchers = [...expr.matchAll(/[{,]\s*(\w+)\s*[=!]~?/g)].map(([, name = '']) => name);
    const values = /, (\w+)\)$/.exec(expr.startsWith('label_values') ? expr : '')?.slice(1) ?? [];
    expect([...lists, ...matchers, ...values].filter((name) => !labels.has(name))).toEqual([]);
  });

  test('offers the links of nodes that come with a key, of which a hub knows what waits and what is parked', async () => {
    const hub = await new Metrics([], new Events(), new Health(new Events(), [], 1)).text({
      links: [{ name: 'main->lyon', pendingRows: 7, parked: 2, conflicts: 1 }],
      nodes: [{ name: 'main', changeLogBytes: 8_192 }],
    });
    for (const [, query] of queries) {
      const asked = query.match(/\bsnk_\w+/g) ?? [];
      expect(asked.some((name) => hub.includes(`\n${name}{`))).toBe(true);
    }
  });

  test('shows every metric of SNK', () => {
    const all = exprs.map(([, expr]) => expr).join('\n');
    const own = [...text.matchAll(/^# TYPE (snk_\w+)/gm)].map(([, name = '']) => name);
    expect(own.length).toBeGreaterThan(5);
    expect(own.filter((name) => !all.includes(name))).toEqual([]);
  });

  test('uses no variable that it does not have', () => {
    const known = new Set(dashboard.templating.list.map(({ name }) => name));
    const used = JSON.stringify(dashboard).match(/\$\{?\w+/g) ?? [];
    const own = used.map((each) => each.replace(/^\$\{?/, '')).filter((name) => !name.startsWith('__'));
    expect(own.filter((name) => !known.has(name))).toEqual([]);
  });
});
