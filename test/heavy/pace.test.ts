/** Duration of whole runs with the examples' real pauses, compared with the ticks alone and with the original. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet, run } from '../fleet.ts';

const ROOT = join(import.meta.dirname, '../..');
const COUNTDOWN = [join(ROOT, 'simpleStates'), join(ROOT, 'interestingStates/countdown.state')];
const ALL = [join(ROOT, 'simpleStates'), join(ROOT, 'interestingStates')];
const ORIGINAL =
  '--assign zip --assignment 3s --commitment 3s --update 3s --buffer 1s --concurrency 1 --no-follow'.split(
    ' ',
  );
const CYCLE_SECONDS = 12;

/** Seconds since the start of the 12 s cycle. */
const inCycle = (): number => (Date.now() / 1000) % CYCLE_SECONDS;

/**
 * Seconds that the original takes for the countdown if it starts at second `t` of a cycle, before Update System at
 * 8 s: five cycles from there, and the next Worker Assignment, in which it finds no state.
 */
const originalSeconds = (t: number): number => 8 - t + 5 * CYCLE_SECONDS + 4;

async function seconds(paths: string[], args: string[] = []): Promise<number> {
  await using fleet = new Fleet();
  const began = performance.now();
  const ran = await run('up', ...paths, '--dir', fleet.dir, '--workers', '4', ...args);
  expect(ran.status).toBe(0);
  return (performance.now() - began) / 1000;
}

// At the same time: both mostly wait.
test.concurrent('all shipped states (50 s of ticks) at the default cycle', async () => {
  const took = await seconds(ALL);
  console.log(`all shipped states: ${took.toFixed(1)} s`);
  expect(took).toBeLessThan(60);
});

test.concurrent(
  'with the 12 s cycle and the original’s options, no slower than the original',
  async () => {
    // Early enough that either program starts before Update System.
    while (inCycle() > 4) await new Promise((wake) => setTimeout(wake, 100));
    const theirs = originalSeconds(inCycle());
    const took = await seconds(COUNTDOWN, ORIGINAL);
    console.log(
      `12 s cycle: ${took.toFixed(1)} s; the original, begun then: ${theirs.toFixed(1)} s`,
    );
    expect(took).toBeLessThan(theirs);
  },
);
