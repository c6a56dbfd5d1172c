/** The search against a naive one: both find the same worlds. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { composition, type Composition } from '../../src/check/composition.ts';
import { explore } from '../../src/check/explore.ts';
import { EMPTY_QUEUE, Model } from '../../src/check/model.ts';
import type { EventRequest } from '../../src/machine/decide.ts';
import type { Json } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { choose, same, type GuardContext } from '../../src/machine/table.ts';
import { battleDeck } from '../../examples/battle-deck/battle-deck.ts';
import { reachAll } from './reference.ts';
import { canonicalText } from './text.ts';

interface Explored {
  readonly worlds: string[];
  readonly isOverfull: boolean;
  readonly together: number;
}

/** The worlds of the search, in the reference's format. */
function explored(composed: Composition): Explored {
  const model = new Model(composed);
  const running = explore(model, { maxStates: Infinity });
  let step = running.next();
  while (!step.done) step = running.next();
  const { table, together } = step.value;
  const world = new Uint16Array(model.width);
  const worlds = Array.from({ length: table.size }, (_, at) => {
    table.read(at, world);
    return canonicalText(
      composed.parts.map((_part, instance) => {
        const group = model.groups[instance]!;
        const { reading, spent, queue } = group.configurations.values[world[instance]!]!;
        const { state, payload } = group.readings.values[reading]!;
        const bits = Array.from({ length: 8 }, (_bit, bit) => bit).filter(
          (bit) => spent & (1 << bit),
        );
        const waiting: Json[] = [];
        for (let left = queue; left !== EMPTY_QUEUE; left = model.queues.pop(left)[0]!)
          waiting.push(canonicalText(model.messages.values[model.queues.front(left)!]!));
        return [state, payload, bits, waiting];
      }),
    );
  });
  return { worlds, isOverfull: model.isOverfull, together };
}

const STATES = ['s0', 's1', 's2'] as const;
const EVENTS = ['e0', 'e1', 'e2'] as const;
const NAMES = ['i0', 'i1', 'i2'] as const;

/** A cell whose target depends on the state of other instances. */
const cell = fc.record({
  looks: fc.array(fc.constantFrom(...NAMES), { maxLength: 2 }),
  at: fc.constantFrom(...STATES),
  yes: fc.constantFrom(...STATES, undefined),
  no: fc.constantFrom(...STATES, undefined),
});
const sending = fc.record({
  to: fc.constantFrom(...NAMES),
  event: fc.constantFrom(...EVENTS),
  from: fc.constantFrom(...STATES),
});
const shape = fc.record({
  cells: fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { minLength: 3, maxLength: 3 }),
  timers: fc.array(
    fc.record({ in: fc.constantFrom(...STATES), event: fc.constantFrom(...EVENTS) }),
    {
      maxLength: 2,
    },
  ),
  sends: fc.array(sending, { maxLength: 1 }),
  inputs: fc.uniqueArray(fc.constantFrom(...EVENTS), { maxLength: 1 }),
  veto: fc.option(fc.record({ looks: fc.constantFrom(...NAMES), at: fc.constantFrom(...STATES) })),
  hasGoal: fc.boolean(),
});

type Shape = typeof shape extends fc.Arbitrary<infer Value> ? Value : never;

function made({ cells, timers, sends, veto, hasGoal }: Shape, names: readonly string[]) {
  const isThere = (
    { sensor }: Pick<GuardContext, 'sensor'>,
    looks: readonly string[],
    at: string,
  ) => looks.some((name) => names.includes(name) && sensor(name)?.state === at);
  const table = Object.fromEntries(
    STATES.map((state, row) => [
      state,
      Object.fromEntries(
        EVENTS.map((event, column) => {
          const { looks, at, yes, no } = cells[row]![column]!;
          return [
            event,
            choose(
              'one of them is there',
              [...STATES, same],
              (situation) => (isThere(situation, looks, at) ? yes : no) ?? same,
            ),
          ];
        }),
      ),
    ]),
  );
  return machine({
    name: 'any',
    states: STATES,
    events: EVENTS,
    initial: 's0',
    table: table as never,
    ...(hasGoal && { goals: { e0: 'zero', e1: 'one' } }),
    after: Object.fromEntries(
      STATES.map((state) => [
        state,
        Object.fromEntries(
          timers.filter((one) => one.in === state).map(({ event }, at) => [`${at + 1}s`, event]),
        ),
      ]),
    ),
    hooks: {
      before: (transition) =>
        veto !== null && isThere(transition, [veto.looks], veto.at) ? 'no' : undefined,
      after: ({ state }): EventRequest[] =>
        sends.filter(({ from, to }) => from === state && names.includes(to)),
    },
  });
}

const any = fc.array(shape, { minLength: 2, maxLength: 3 }).map((shapes) => {
  const names = NAMES.slice(0, shapes.length);
  return composition({
    name: 'any',
    instances: Object.fromEntries(names.map((name, at) => [name, made(shapes[at]!, names)])),
    inputs: Object.fromEntries(names.map((name, at) => [name, shapes[at]!.inputs])),
    waiting: { changes: 2, repeats: 1 },
  });
});

test('finds the worlds of the naive search with all simultaneous steps', () => {
  let [compared, needed] = [0, 0];
  fc.assert(
    fc.property(any, (composed) => {
      const found = explored(composed);
      const all = reachAll(composed, { most: 300, sets: true });
      // With a full queue, each search drops other events.
      if (all === undefined || all.isOverfull || found.isOverfull) return;
      expect(new Set(found.worlds)).toEqual(all.worlds);
      expect(found.worlds).toHaveLength(all.worlds.size);
      compared += 1;
      const single = reachAll(composed, { most: 300, sets: false });
      if (single!.worlds.size < all.worlds.size) needed += 1;
    }),
    { numRuns: 400, seed: 11 },
  );
  expect(compared).toBeGreaterThan(150);
  // Some compositions have worlds that single steps do not reach.
  expect(needed).toBeGreaterThan(5);
});

describe('symmetric instances', () => {
  test('are explored once for all permutations of names', () => {
    const two = battleDeck({ airlocks: 2 });
    const every = explored({ ...two, symmetric: [] });
    const sorted = (world: string): string => {
      const places = JSON.parse(world) as unknown[];
      return JSON.stringify([
        ...places.slice(0, 3),
        ...places
          .slice(3)
          .map((one) => JSON.stringify(one))
          .sort(),
      ]);
    };
    const some = explored(two);
    expect(every.worlds.length).toBeGreaterThan(1.8 * some.worlds.length);
    expect(new Set(some.worlds.map(sorted))).toEqual(new Set(every.worlds.map(sorted)));
    expect(new Set(some.worlds.map(sorted)).size).toBe(some.worlds.length);
  });
});
