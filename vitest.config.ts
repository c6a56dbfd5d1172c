import { defineConfig, type ViteUserConfig } from 'vitest/config';

const MINUTE = 60_000;

/** `unit` runs in process; `e2e` runs real worker processes; `heavy` breaks them; `proof` searches, and makes mistakes to be found (see .ci/run). */
const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'test/{machine,semaphore,store,volume,worker,doctor,sim,render,check,cli,project,bench,xstate}/**/*.test.ts',
          ],
          testTimeout: MINUTE,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 2 * MINUTE,
          hookTimeout: MINUTE,
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
