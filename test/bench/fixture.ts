/** A result with obviously made-up numbers (123, 222, 0.5 …), for the tests of the report alone. */
import {
  type BenchResult,
  type Distribution,
  goal,
  type Measured,
  type SuiteResult,
  toFigures,
} from '../../bench/result.ts';

type Points = Distribution['points'];

export function fixture(): BenchResult {
  return {
    measuredAt: '2001-02-03T04:05:06.789Z',
    quick: false,
    rounds: 3,
    seconds: 777,
    machine: {
      cores: 99,
      memoryGigabytes: 555,
      platform: 'made-up linux <x64>',
      node: '99.9.9',
      postgres: '99.1',
      snk: '9.8.7',
      settings: { fsync: 'on', synchronous_commit: 'on', shared_buffers: '123MB & more' },
    },
    suites: [flood(), lag(), writers(), changes(), growth(), empty()],
  };
}

function flood(): SuiteResult {
  return {
    name: 'flood',
    title: 'A load at full speed on both sides, made up',
    figures: [
      ...each('flood.rate', 'rate of the writers', 'rows/s', 'bare', {
        bare: [111_111, 123_123, 101_010],
        copy: [99_999, 88_888, 77_777],
        logical: [66_666, 55_555, 44_444],
        snk: [77_777, 66_666, 33_333],
        'id-cursor': [22_222, 12_121, 21_212],
      }),
      ...each('flood.lag.p50', 'lag p50', 'ms', 'logical', { logical: [11, 12, 13], snk: [22, 21, 20] }),
      ...each('flood.lag.p99', 'lag p99', 'ms', 'logical', { logical: [111, 112, 113], snk: [88, 99, 66] }),
      ...each('flood.lag.max', 'lag max', 'ms', 'logical', { logical: [999], snk: [333] }),
      ...each('flood.memory', 'memory of the sync process', 'MB', null, { snk: [123.4, 121.2, 125.6] }),
    ],
    distributions: [
      distribution('logical', [
        [0, 1],
        [0.5, 12],
        [0.9, 44],
        [0.99, 112],
        [0.999, 444],
        [1, 999],
      ]),
      distribution('snk', [
        [0, 2],
        [0.5, 21],
        [0.9, 33],
        [0.99, 88],
        [0.999, 222],
        [1, 333],
      ]),
    ],
    goals: [
      goal('flood.rate', 'flood: writers beside SNK ÷ beside logical', '>=', 1, '', 0.9999),
      goal('flood.synced', 'synced at the last commit', '>=', 99.5, '%', 99.97),
      goal('flood.drain', 'drain after it', '<=', 100, 'ms', 123),
      goal('flood.cpu', 'CPU per million rows ÷ logical', '<=', 1, '', null),
    ],
    skipped: [{ peer: 'bucardo', why: 'not <installed> & "so on"' }],
    notes: ['A note with <script>alert(1)</script>.'],
  };
}

function lag(): SuiteResult {
  return {
    name: 'lag',
    title: 'Single rows, made up',
    figures: [20, 200, 2000].flatMap((rate, index) => [
      ...each(`lag.${rate}.p50`, `lag p50 at ${rate}/s`, 'ms', 'logical', {
        logical: [3 + index, 3.3, 3.6],
        snk: [4 + index, 4.4, 4.8],
      }),
      ...each(`lag.${rate}.p99`, `lag p99 at ${rate}/s`, 'ms', 'logical', {
        logical: [33, 33.3, 36],
        snk: [5, 5.5 + index, 6.6],
      }),
    ]),
    distributions: [],
    goals: [goal('lag.p99', 'p99 at 20/s ÷ logical', '<=', 1, '', 0.165)],
    skipped: [],
    notes: [],
  };
}

function writers(): SuiteResult {
  return {
    name: 'writers',
    title: 'Eight clients, made up',
    figures: each('writers.inserts', 'single-row inserts', 'tps', 'bare', {
      bare: [8888, 9999, 7777],
      logical: [7777, 8888, 6666],
      snk: [8080, 7070, 9090],
    }),
    distributions: [],
    goals: [],
    skipped: [],
    notes: [],
  };
}

function changes(): SuiteResult {
  return {
    name: 'changes',
    title: 'Updates and deletes, made up',
    figures: [
      ...each('changes.updates.rate', 'updates by key: rate of the writer', 'rows/s', 'logical', {
        logical: [3333],
        snk: [2222],
      }),
      ...each('changes.updates.equal', 'updates by key: until equal', 'rows/s', 'logical', {
        logical: [1111, 1234, 1001],
        snk: [555, 567, 543],
      }),
      ...each('changes.deletes.equal', 'deletes by key: until equal', 'rows/s', 'logical', {
        logical: [4444],
        'snk where': [888],
      }),
    ],
    distributions: [],
    goals: [],
    skipped: [],
    notes: [],
  };
}

function growth(): SuiteResult {
  const rows = [0, 1_000_000, 10_000_000].flatMap((value) =>
    ['snk', 'logical'].map((peer) => ({
      id: `growth.cost.${value}`,
      label: `cost per row with ${value}`,
      unit: 'µs/row',
      peer,
      values: [peer === 'snk' ? 11.1 : 22.2 + value / 1e7],
      x: { value, label: 'rows already there' },
    })),
  );
  const links = [1, 4, 16].map((value) => ({
    id: `growth.links.${value}`,
    label: `total rate of ${value} links`,
    unit: 'rows/s',
    peer: 'snk',
    values: [55_555 - value, 55_566],
    x: { value, label: 'links in one process' },
  }));
  return {
    name: 'growth',
    title: 'More of everything, made up',
    figures: [...toFigures(rows, 'logical'), ...toFigures(links, null)],
    distributions: [],
    goals: [],
    skipped: [],
    notes: [],
  };
}

function empty(): SuiteResult {
  return {
    name: 'first copy',
    title: 'Nothing came of it',
    figures: [],
    distributions: [],
    goals: [],
    skipped: [],
    notes: [],
  };
}

function each(
  id: string,
  label: string,
  unit: string,
  baseline: string | null,
  peers: Readonly<Record<string, readonly number[]>>,
): SuiteResult['figures'] {
  const measured = Object.entries(peers).map(([peer, values]): Measured => ({
    id,
    label,
    unit,
    peer,
    values,
  }));
  return toFigures(measured, baseline);
}

function distribution(peer: string, points: Points): Distribution {
  return { id: 'flood.lag', label: 'lag under flood', peer, points };
}
