import { describe, expect, test } from 'vitest';
import { ConcurrencyLimit, type SlotUser } from '../../src/worker/concurrency-limit.ts';

interface User extends SlotUser {
  running: number;
  isActive: boolean;
  started: number;
}

function crewOf(slots: ConcurrencyLimit, running: number, isActive: boolean = true): User {
  const crew: User = { running, isActive, started: 0, onRoom: () => (crew.started += 1) };
  slots.join(crew);
  return crew;
}

/** What becomes of them while each takes all that it may, and one tick ends after the other. */
function settle(slots: ConcurrencyLimit, crews: readonly User[], ends: number): number[] {
  for (let end = 0; end <= ends; end += 1) {
    for (const crew of crews) crew.running = Math.max(crew.running, slots.limit(crew));
    const longest = crews.toSorted((a, b) => b.running - a.running)[0]!;
    if (end < ends) longest.running -= 1;
  }
  return crews.map(({ running }) => running);
}

describe('the ticks of a process', () => {
  test('are all of a volume that is alone', () => {
    const slots = new ConcurrencyLimit(4);
    const only = crewOf(slots, 3);
    expect(slots.limit(only)).toBe(4);
  });

  test('are all of a volume while the others have nothing to do', () => {
    const slots = new ConcurrencyLimit(4);
    const busy = crewOf(slots, 0);
    const idle = crewOf(slots, 0, false);
    expect(slots.limit(busy)).toBe(4);
    // What has just come there may be begun.
    expect(slots.limit(idle)).toBe(2);
  });

  test.each([
    [4, 2, [2, 2]],
    [5, 2, [3, 2]],
    [8, 3, [3, 3, 2]],
    [3, 3, [1, 1, 1]],
  ])('%i among %i volumes come to %j', (total, volumes, expected) => {
    const slots = new ConcurrencyLimit(total);
    const crews = Array.from({ length: volumes }, () => crewOf(slots, 0));
    crews[0]!.running = total;
    expect(settle(slots, crews, total)).toEqual(expected);
  });

  test('are never more than there are: who comes waits for what runs', () => {
    const slots = new ConcurrencyLimit(4);
    const before = crewOf(slots, 4);
    const late = crewOf(slots, 0);
    expect([slots.limit(before), slots.limit(late)]).toEqual([2, 0]);
    before.running = 3;
    expect([slots.limit(before), slots.limit(late)]).toEqual([2, 1]);
  });

  test('are offered to those who stay, when one leaves', () => {
    const slots = new ConcurrencyLimit(4);
    const [leaving, staying] = [crewOf(slots, 2), crewOf(slots, 2)];
    slots.leave(leaving);
    expect([leaving.started, staying.started]).toEqual([0, 1]);
    expect(slots.limit(staying)).toBe(4);
  });
});
