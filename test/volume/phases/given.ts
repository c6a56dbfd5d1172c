/** Rosters and states for the tests of the split, fixed and random. */
import fc from 'fast-check';
import type { RosterEntry } from '../../../src/volume/phases/assignment.ts';
import type { RingEntry } from '../../../src/volume/phases/ring.ts';

export const worker = (name: string, concurrency = 1, capacity = 1000): RosterEntry => ({
  session: `${name}.boot`,
  name,
  concurrency,
  capacity,
});

export const task = (instance: string, refusedBy?: string[]): RingEntry => ({
  name: `${instance}.state`,
  instance,
  ...(refusedBy && { refusedBy }),
});

export const tasks = (count: number): RingEntry[] =>
  Array.from({ length: count }, (_, index) => task(`s${index}`));

/** Sessions from a few letters: some tasks are refused by some of the roster, some by all of it. */
export const sessions: fc.Arbitrary<string> = fc.constantFrom(...'abcdefgh\uFFFD\u{1F600}');

export const rosters: fc.Arbitrary<RosterEntry[]> = fc.uniqueArray(
  fc.record({
    session: sessions,
    name: fc.string({ minLength: 1, maxLength: 5 }),
    concurrency: fc.integer({ min: 1, max: 20 }),
    capacity: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 40 })),
  }),
  { selector: (entry) => entry.session, minLength: 1, maxLength: 8 },
);

/** Also several states of one instance, which share a place on the ring. */
const states: fc.Arbitrary<RingEntry> = fc
  .tuple(
    fc.oneof(fc.constantFrom('x', 'y'), fc.string({ minLength: 1, maxLength: 6 })),
    fc.integer({ min: 0, max: 9 }),
  )
  .map(([instance, step]) => ({ name: `${instance}.state-${step}`, instance }));

const listsOf = (one: fc.Arbitrary<RingEntry>): fc.Arbitrary<RingEntry[]> =>
  fc.uniqueArray(one, { selector: ({ name }) => name, maxLength: 60 });

export const taskLists: fc.Arbitrary<RingEntry[]> = listsOf(states);

export const mixedLists: fc.Arbitrary<RingEntry[]> = listsOf(
  fc
    .tuple(states, fc.array(sessions))
    .map(([state, refusedBy]) => (refusedBy.length > 6 ? state : { ...state, refusedBy })),
);

export const cycles: fc.Arbitrary<number> = fc.integer({ min: 0, max: 2e9 });

export const shuffled = <T>(items: readonly T[]): fc.Arbitrary<T[]> =>
  fc.shuffledSubarray([...items], { minLength: items.length });
