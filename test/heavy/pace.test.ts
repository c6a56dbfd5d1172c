/**
 * Whole runs with the examples' real pauses, compared with the ticks alone and with the original. By the times of the ticks:
 * how long processes take to start is not counted.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JournalEntry } from '../../src/index.ts';
import { Fleet, run } from '../fleet.ts';

const ROOT = join(import.meta.dirname, '../..');
const COUNTDOWN = [join(ROOT, 'simpleStates'), join(ROOT, 'interestingStates/countdown.state')];
const ALL = [join(ROOT, 'simpleStates'), join(ROOT, 'interestingStates')];
const ORIGINAL =
  '--assign zip --assignment 3s --commitment 3s --update 3s --buffer 1s --concurrency 1 --no-follow'.split(
    ' ',
  );
const CYCLE_MS = 12_000;
/** The longest chain: five ticks of 10 s. */
const TICKS_MS = 50_000;
/** Ten times what five steps lose at the default cycle of half a second, at most. */
const MAX_LOST_MS = 10 * 5 * 500;

interface Tick {
  readonly began: number;
  readonly ended: number;
}

async function ticksOf(paths: readonly string[], args: readonly string[] = []): Promise<Tick[]> {
  await using fleet = new Fleet();
  const ran = await run('up', ...paths, '--dir', fleet.dir, '--workers', '4', '--json', ...args);
  expect(ran.status).toBe(0);
  const { journal } = JSON.parse(ran.stdout) as { journal: JournalEntry[] };
  return journal.map(({ started, duration }) => {
    const began = Date.parse(started);
    return { began, ended: began + duration };
  });
}

// At the same time: both mostly wait.
test.concurrent('all shipped states take little longer than their ticks', async () => {
  const ticks = await ticksOf(ALL);
  expect(ticks).toHaveLength(13);
  const took =
    Math.max(...ticks.map(({ ended }) => ended)) - Math.min(...ticks.map(({ began }) => began));
  console.log(`all shipped states: ${(took / 1000).toFixed(1)} s`);
  expect(took).toBeGreaterThanOrEqual(TICKS_MS);
  expect(took).toBeLessThan(TICKS_MS + MAX_LOST_MS);
});

test.concurrent(
  'with the 12 s cycle and the original’s options, a step takes one cycle, as in the original',
  async () => {
    const ticks = await ticksOf(COUNTDOWN, ORIGINAL);
    expect(ticks).toHaveLength(8);
    const cycles = ticks.map(({ began }) => Math.floor(began / CYCLE_MS));
    // Four, unless a stall of this machine makes a worker miss a phase; two cycles a step would be eight.
    expect(Math.max(...cycles) - Math.min(...cycles)).toBeLessThan(8);
  },
);
