import { describe, expect, test } from 'vitest';
import { ConcurrencyLimit, type SlotUser } from '../../src/worker/concurrency-limit.ts';

interface User extends SlotUser {
  running: number;
  isActive: boolean;
  started: number;
}

function userOf(slots: ConcurrencyLimit, running: number, isActive: boolean = true): User {
  const user: User = { running, isActive, started: 0, onRoom: () => (user.started += 1) };
  slots.join(user);
  return user;
}

/** Running ticks of each user, after each has taken all that it may while one tick after another ended. */
function settle(slots: ConcurrencyLimit, users: readonly User[], ends: number): number[] {
  for (let end = 0; end <= ends; end += 1) {
    for (const user of users) user.running = Math.max(user.running, slots.limit(user));
    const longest = users.toSorted((a, b) => b.running - a.running)[0]!;
    if (end < ends) longest.running -= 1;
  }
  return users.map(({ running }) => running);
}

describe('ConcurrencyLimit', () => {
  test('gives all slots to the only user', () => {
    const slots = new ConcurrencyLimit(4);
    const only = userOf(slots, 3);
    expect(slots.limit(only)).toBe(4);
  });

  test('gives all slots to the only active user', () => {
    const slots = new ConcurrencyLimit(4);
    const busy = userOf(slots, 0);
    const idle = userOf(slots, 0, false);
    expect(slots.limit(busy)).toBe(4);
    // An idle user may start what has just arrived.
    expect(slots.limit(idle)).toBe(2);
  });

  test.each([
    [4, 2, [2, 2]],
    [5, 2, [3, 2]],
    [8, 3, [3, 3, 2]],
    [3, 3, [1, 1, 1]],
  ])('divides %i slots among %i users as %j', (total, count, expected) => {
    const slots = new ConcurrencyLimit(total);
    const users = Array.from({ length: count }, () => userOf(slots, 0));
    users[0]!.running = total;
    expect(settle(slots, users, total)).toEqual(expected);
  });

  test('never exceeds its total: a new user waits until running ticks end', () => {
    const slots = new ConcurrencyLimit(4);
    const before = userOf(slots, 4);
    const late = userOf(slots, 0);
    expect([slots.limit(before), slots.limit(late)]).toEqual([2, 0]);
    before.running = 3;
    expect([slots.limit(before), slots.limit(late)]).toEqual([2, 1]);
  });

  test('offers the slots of a user that leaves to the others', () => {
    const slots = new ConcurrencyLimit(4);
    const [leaving, staying] = [userOf(slots, 2), userOf(slots, 2)];
    slots.leave(leaving);
    expect([leaving.started, staying.started]).toEqual([0, 1]);
    expect(slots.limit(staying)).toBe(4);
  });
});
