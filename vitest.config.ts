import { defineConfig } from 'vitest/config';

const postgres = {
  globalSetup: ['test/support/global-setup.ts'],
  setupFiles: ['test/support/leaks.ts'],
  pool: 'forks' as const,
  fileParallelism: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

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
          exclude: ['test/scenarios/**'],
        },
      },
      {
        test: {
          ...postgres,
          name: 'scenarios',
          include: ['test/scenarios/**/*.test.ts'],
          testTimeout: 240_000,
        },
      },
    ],
  },
});
