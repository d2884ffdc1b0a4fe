import { defineConfig } from 'vitest/config';
import { testWorkers } from './test/support/server-source.ts';

const postgres = {
  globalSetup: ['test/support/global-setup.ts'],
  setupFiles: ['test/support/leaks.ts'],
  pool: 'forks' as const,
  maxWorkers: testWorkers(),
  sequence: { groupOrder: 1 },
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

/** What takes long, and whose parts other tests hold as well: played with `SNK_TEST_FULL=1`. */
const long =
  process.env['SNK_TEST_FULL'] === '1'
    ? []
    : [
        'src/link/any-table.pg.test.ts',
        'src/link/big-rows.pg.test.ts',
        'test/scenarios/example-store-warehouse.test.ts',
        'test/scenarios/repair.test.ts',
      ];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/*.pg.test.ts', 'test/scenarios/**'],
        },
      },
      {
        test: {
          ...postgres,
          name: 'pg',
          include: ['src/**/*.pg.test.ts', 'test/**/*.pg.test.ts'],
          exclude: ['test/scenarios/**', ...long],
        },
      },
      {
        test: {
          ...postgres,
          name: 'scenarios',
          include: ['test/scenarios/**/*.test.ts'],
          exclude: long,
          testTimeout: 240_000,
        },
      },
    ],
  },
});
