/** What is no composition is told, all of it. */
import { describe, expect, test } from 'vitest';
import {
  alone,
  composition,
  isComposition,
  never,
  possible,
  type CompositionOptions,
} from '../../src/check/composition.ts';
import { done } from '../../src/machine/answer.ts';
import { UserError } from '../../src/machine/errors.ts';
import { machine } from '../../src/machine/machine.ts';
import { same } from '../../src/machine/table.ts';

const lamp = machine({
  name: 'lamp',
  states: ['off', 'on'],
  events: ['press', 'time is up'],
  initial: 'off',
  table: { off: { press: 'on', 'time is up': same }, on: { press: 'off', 'time is up': 'off' } },
  after: { on: { '1m': 'time is up' } },
});

const good: CompositionOptions = { name: 'house', instances: { lamp } };

test('the shortest one, with every default', () => {
  const made = composition(good);
  expect(isComposition(made)).toBe(true);
  expect(isComposition(lamp)).toBe(false);
  expect(made).toMatchObject({
    name: 'house',
    claims: [],
    symmetric: [],
    waiting: { changes: 8, repeats: 2 },
    parts: [{ name: 'lamp', start: { state: 'off', payload: {} }, inputs: [] }],
  });
});

test('one machine by itself', () => {
  expect(alone(lamp).parts[0]!.inputs).toEqual([{ event: 'press', details: {} }]);
});

test('where instances start, and what comes with an input', () => {
  const made = composition({
    ...good,
    start: { lamp: { state: 'on', payload: { by: 'me' } } },
    inputs: { lamp: ['press', { event: 'press', details: { long: true } }] },
  });
  expect(made.parts[0]).toMatchObject({
    start: { state: 'on', payload: { by: 'me' } },
    inputs: [
      { event: 'press', details: {} },
      { event: 'press', details: { long: true } },
    ],
  });
});

test('groups are in the order of the instances, however they are written', () => {
  const made = composition({
    name: 'three',
    instances: { ann: lamp, bob: lamp, cid: lamp },
    symmetric: [['cid', 'ann']],
  });
  expect(made.symmetric).toEqual([[0, 2]]);
});

describe('is refused', () => {
  const ticking = machine({ name: 'job', activities: { run: () => done() } });
  const both = machine({
    name: 'both',
    states: ['run'],
    events: ['stop'],
    initial: 'run',
    table: { run: { stop: same } },
    activities: { run: () => done() },
  });
  const others = { name: 'other', states: ['off'], events: [], initial: 'off', table: { off: {} } };
  const lamps = (count: number): Record<string, typeof lamp> =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`lamp${at}`, lamp]));

  test.each<[string, object, string]>([
    ['no name', { name: '' }, 'it has no name'],
    ['nobody in it', { instances: {} }, 'it has no instances'],
    ['nothing at all', { instances: undefined }, 'it has no instances'],
    ['too many in it', { instances: lamps(31) }, 'it has 31 instances; 30 can be checked'],
    ['what is no machine', { instances: { lamp: { name: 'lamp' } } }, 'lamp: this is no machine'],
    ['a machine without a table', { instances: { job: ticking } }, 'machine job has no table'],
    ['a state with an activity', { instances: { both } }, 'state run has an activity'],
    ['an unknown key', { invariant: [] }, 'unknown key invariant; there are name, instances'],
    ['inputs of nobody', { inputs: { lmp: ['press'] } }, 'inputs: there is no instance lmp'],
    ['an unknown input', { inputs: { lamp: ['pres'] } }, 'inputs: lamp has no event pres'],
    ['an unknown start', { start: { lamp: { state: 'of' } } }, 'start: lamp has no state of'],
    ['an unknown late event', { late: { lamp: ['pres'] } }, 'late: lamp has no event pres'],
    ['an unknown state', { unreached: { lamp: ['of'] } }, 'unreached: lamp has no state of'],
    [
      'a goal among the invariants',
      { invariants: [possible('x', () => true)] },
      'invariants: they are made with never(…)',
    ],
    [
      'an invariant among the goals',
      { goals: [never('x', () => true)] },
      'goals: they are made with possible(…), settles(…)',
    ],
    ['a claim that is none', { goals: [undefined] }, 'goals: they are made with'],
    [
      'a claim twice',
      { invariants: [never('x', () => true), never('x', () => false)] },
      'invariants: "x" is there twice',
    ],
    ['no queue', { waiting: { changes: 0 } }, 'waiting.changes has to be a whole number'],
    ['half an event', { waiting: { repeats: 1.5 } }, 'waiting.repeats has to be a whole number'],
    ['a group of one', { symmetric: [['lamp']] }, 'symmetric: a group has at least two'],
    ['a group with strangers', { symmetric: [['lamp', 'lmp']] }, 'there is no instance lmp'],
    ['a group with one twice', { symmetric: [['lamp', 'lamp']] }, 'symmetric: lamp is there twice'],
    [
      'a group of different machines',
      { instances: { lamp, other: machine(others) }, symmetric: [['lamp', 'other']] },
      'symmetric: other and lamp are of different machines',
    ],
    [
      'a group whose members start differently',
      { instances: lamps(2), start: { lamp0: { state: 'on' } }, symmetric: [['lamp0', 'lamp1']] },
      'symmetric: lamp0, lamp1 differ in start, inputs or late',
    ],
    [
      'a group that is too large',
      { instances: lamps(7), symmetric: [Object.keys(lamps(7))] },
      'symmetric: 5040 exchanges of names; 720 can be tried',
    ],
  ])('%s', (_, options, message) => {
    const make = (): unknown => composition({ ...good, ...options });
    expect(make).toThrow(UserError);
    expect(make).toThrow(message);
  });

  test('and every problem is told', () => {
    const make = (): unknown =>
      composition({ ...good, inputs: { lamp: ['x', 'y'] }, waiting: { changes: -1 } });
    expect(make).toThrow(
      'composition house:\n  inputs: lamp has no event x\n  inputs: lamp has no event y\n  waiting.changes',
    );
  });
});
