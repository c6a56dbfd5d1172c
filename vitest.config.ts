import { defineConfig, type ViteUserConfig } from 'vitest/config';

const MINUTE = 60_000;

/** What takes longer than `npm test` may: whole simulations, searches, packing, and commands that run for long. */
const SLOW: string[] = [
  'test/bench/{cost-model,scale}.test.ts',
  'test/project/{docs,package}.test.ts',
  'test/sim/{assertions,campaign,engines,kth-call,own-machines,replay}.test.ts',
  'test/volume/{bundles,exhaustive,forks}.test.ts',
  'test/doctor/examine.test.ts',
  'test/worker/thread-pool.test.ts',
  'test/e2e/{check,configurations,doctor,dropped,forks,inputs,scheduling,simulate}.test.ts',
  'test/e2e/{tables,threads,users,volumes,xstate}.test.ts',
];

/** `unit` runs in process; `e2e` runs real worker processes; `slow` is what would hold up these two; `heavy` breaks them; `proof` searches, and makes mistakes to be found (see CONTRIBUTING.md). */
const config: ViteUserConfig = defineConfig({
  test: {
    // Vitest would leave one core alone, which is half of two.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'test/{api,machine,engine,volume,worker,doctor,sim,render,check,cli,project,bench,xstate}/**/*.test.ts',
          ],
          exclude: SLOW,
          // A process and all modules anew for each of 150 files would take longer than their tests do.
          isolate: false,
          testTimeout: MINUTE,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: SLOW,
          testTimeout: 2 * MINUTE,
          hookTimeout: MINUTE,
        },
      },
      {
        test: {
          name: 'slow',
          include: SLOW,
          testTimeout: 4 * MINUTE,
          hookTimeout: MINUTE,
        },
      },
      {
        test: {
          name: 'engines',
          include: ['test/engines/**/*.test.ts'],
          testTimeout: 4 * MINUTE,
          hookTimeout: MINUTE,
          maxConcurrency: 24,
        },
      },
      {
        test: {
          name: 'heavy',
          include: ['test/heavy/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 20 * MINUTE,
          hookTimeout: MINUTE,
        },
      },
      {
        test: {
          name: 'proof',
          include: ['test/proof/**/*.test.ts'],
          testTimeout: 40 * MINUTE,
          hookTimeout: MINUTE,
        },
      },
    ],
  },
});

export default config;
