/**
 * Naive search: in every world, every set of instances takes every choice of steps simultaneously, and their events are
 * sent in every order. Nothing is reduced or cached.
 */
import type { Composition } from '../../src/check/composition.ts';
import { canonicalText } from './text.ts';
import { EMPTY_QUEUE, Queues } from '../../src/check/model.ts';
import { decide, type EventInput } from '../../src/machine/decide.ts';
import type { Json } from '../../src/machine/definition.ts';

interface Place {
  readonly state: string;
  readonly payload: Json;
  readonly spent: readonly number[];
  readonly queue: number;
}

type World = readonly Place[];

interface Taken {
  readonly instance: number;
  readonly places: readonly Place[];
  readonly sent: readonly { readonly to: number; readonly input: EventInput }[];
}

export interface Reached {
  readonly worlds: ReadonlySet<string>;
  readonly isOverfull: boolean;
}

/** Undefined for more than `most` worlds. `sets: false` takes one step at a time. */
export function reachAll(
  { parts, waiting }: Composition,
  { most, sets }: { most: number; sets: boolean },
): Reached | undefined {
  const queues = new Queues(waiting);
  const inputs: EventInput[] = [];
  const numberOf = (input: EventInput): number => {
    const text = canonicalText(input);
    const known = inputs.findIndex((one) => canonicalText(one) === text);
    return known >= 0 ? known : inputs.push(input) - 1;
  };
  let isOverfull = false;
  const keyOf = (world: World): string =>
    canonicalText(
      world.map(({ state, payload, spent, queue }) => [state, payload, spent, told(queue)]),
    );
  const told = (queue: number): Json => {
    const texts: Json[] = [];
    for (let left = queue; left !== EMPTY_QUEUE;) {
      texts.push(canonicalText(inputs[queues.front(left)!]!));
      left = queues.pop(left)[0]!;
    }
    return texts;
  };

  function takenBy(world: World, instance: number): Taken[] {
    const { machine, name, inputs: outside } = parts[instance]!;
    const place = world[instance]!;
    const front = queues.front(place.queue);
    const timers = machine.timers.get(place.state) ?? [];
    const moves = [
      ...(front === undefined
        ? []
        : [{ input: inputs[front]!, timer: -1, left: queues.pop(place.queue) }]),
      ...timers.flatMap(({ event }, timer) =>
        place.spent.includes(timer)
          ? []
          : [{ input: { event, details: {} }, timer, left: [place.queue] }],
      ),
      ...outside.map((input) => ({ input, timer: -1, left: [place.queue] })),
    ];
    return moves.map(({ input, timer, left }) => {
      const decision = decide(machine.rules, name, place, input, (other) => {
        const index = parts.findIndex((part) => part.name === other);
        return index < 0 ? undefined : world[index];
      });
      const isOk = decision.outcome === 'Ok';
      const isSpent = timer >= 0 && decision.outcome !== 'TransitionNotAllowed';
      const spent = isSpent ? [...place.spent, timer].sort((a, b) => a - b) : place.spent;
      const next = isOk
        ? {
            state: decision.state,
            payload: decision.payload,
            spent: decision.moved ? [] : spent,
          }
        : { state: place.state, payload: place.payload, spent };
      const sent = (isOk ? decision.emit : []).map(({ to, event, details }) => ({
        to: parts.findIndex((part) => part.name === to),
        input: { event, details: details ?? {} },
      }));
      return { instance, places: left.map((queue) => ({ ...next, queue })), sent };
    });
  }

  function together(world: World, instance = 0): Taken[][] {
    if (instance === world.length) return [[]];
    const others = together(world, instance + 1);
    return [
      ...others,
      ...takenBy(world, instance).flatMap((one) => others.map((rest) => [one, ...rest])),
    ];
  }

  function after(world: World, taken: readonly Taken[]): World[] {
    let moved: World[] = [world];
    for (const { instance, places } of taken)
      moved = moved.flatMap((one) => places.map((place) => one.with(instance, place)));
    return moved.flatMap((one) =>
      orders(taken).flatMap((order) => {
        let next = one;
        for (const { to, input } of order.flatMap(({ sent }) => sent)) {
          const queue = queues.push(next[to]!.queue, numberOf(input));
          if (queue === undefined) {
            isOverfull = true;
            return [];
          }
          next = next.with(to, { ...next[to]!, queue });
        }
        return [next];
      }),
    );
  }

  const start = parts.map(({ start: at }) => ({ ...at, spent: [], queue: EMPTY_QUEUE }));
  const worlds = new Map<string, World>([[keyOf(start), start]]);
  for (const world of worlds.values()) {
    if (worlds.size > most) return undefined;
    for (const taken of together(world)) {
      if (!sets && taken.length > 1) continue;
      for (const next of after(world, taken)) {
        const key = keyOf(next);
        if (!worlds.has(key)) worlds.set(key, next);
      }
    }
  }
  return { worlds: new Set(worlds.keys()), isOverfull };
}

function orders<Thing>(things: readonly Thing[]): Thing[][] {
  if (things.length < 2) return [[...things]];
  return things.flatMap((first, at) =>
    orders(things.toSpliced(at, 1)).map((rest) => [first, ...rest]),
  );
}
