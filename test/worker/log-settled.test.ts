import { expect, test } from 'vitest';
import { stoppingMessage } from '../../src/worker/log-settled.ts';

test.each([
  [0, 10_000, 'stopping: no tick runs, claiming nothing more'],
  [1, 1500, 'stopping: 1 tick runs, waiting for it up to 1.5 s; Ctrl-C again ends them'],
  [2, 10_000, 'stopping: 2 ticks run, waiting for them up to 10 s; Ctrl-C again ends them'],
])('a worker with %i ticks says what it waits for', (running, drain, message) => {
  expect(stoppingMessage(running, drain)).toBe(message);
});
