/** I11: what was observed in one cycle may be committed in that cycle only. */
import { describe, expect, test } from 'vitest';
import type { Task, WorkerInfo } from '../../src/engine/session.ts';
import { LocalQueue } from '../../src/volume/local-queue.ts';
import { StillClock } from '../still-clock.ts';
import { FakeOperations } from './fake-operations.ts';
import { OPEN } from './guards.ts';

const ignore = (): void => undefined;

/** A queue whose worker is the test itself. */
function directQueue(): { queue: LocalQueue; operations: FakeOperations } {
  const clock = new StillClock();
  const phases = { assignment: 30, commitment: 30, update: 380, buffer: 20 };
  const operations = new FakeOperations(clock, phases, 4, 10);
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const known = { machines: ['job'] };
  const info: WorkerInfo = {
    name: 'ant',
    concurrency: 4,
    capacity: 10,
    stays: false,
    observes: ['lamp'],
    machines: () => known,
    slots: () => 4,
    needsSlot: () => false,
    runs: async () => true,
  };
  const queue = new LocalQueue({ clock, log }, info, { freshListings: true }, ignore);
  queue.operations = operations;
  return { queue, operations };
}

describe('a decision that has read another instance (I11)', () => {
  const commit = { kind: 'commit', record: undefined, readSet: ['lamp'] } as const;

  async function decided(seen: number, settledIn = 7): Promise<unknown> {
    const { queue, operations } = directQueue();
    Object.assign(queue.when, { cycle: 7, seen });
    const names = ['a.state'];
    await queue.claim(() => names.shift(), OPEN);
    await queue.examine(true);
    const [task] = (await queue.take(4, new AbortController().signal)) as [Task];
    task.observe('lamp');
    Object.assign(queue.when, { cycle: settledIn, seen: settledIn === 7 ? seen : settledIn });
    const settling = queue.finish([{ hold: task, outcome: commit }]);
    await queue.settle(OPEN);
    const [settled] = await settling;
    return { settled, change: operations.settled[0]!.change };
  }

  test('is committed in the cycle in which it was read', async () => {
    expect(await decided(7)).toEqual({
      settled: 'settled',
      change: { kind: 'commit', record: undefined, cycle: 7 },
    });
  });

  test('is outdated when nothing was read in this cycle', async () => {
    expect(await decided(6)).toEqual({ settled: 'outdated', change: { kind: 'release' } });
  });

  test('is outdated when it was read in an earlier cycle', async () => {
    expect(await decided(7, 8)).toEqual({ settled: 'outdated', change: { kind: 'release' } });
  });
});
