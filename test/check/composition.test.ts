/** What `composition()` accepts, and the problems that it reports. */
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
import type { CommandOutput, Machine } from '../../src/machine/definition.ts';
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

const hooked = (output: CommandOutput): Machine =>
  machine({
    name: 'hooked',
    states: ['off', 'on'],
    events: ['press'],
    initial: 'off',
    table: { off: { press: 'on' }, on: { press: 'off' } },
    hooks: { after: () => [{ run: 'tell' }], activities: { tell: { run: 'true', output } } },
  });

const good: CompositionOptions = { name: 'house', instances: { lamp } };

test('fills in every default', () => {
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

test('takes a hook that can only end: its command has no output', () => {
  for (const output of ['none', 'text'] as const) {
    expect(alone(hooked(output)).parts).toHaveLength(1);
  }
});

test('alone() makes every event but timers an input', () => {
  expect(alone(lamp).parts[0]!.inputs).toEqual([{ event: 'press', details: {} }]);
});

test('keeps start states, payloads and details of inputs', () => {
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

test('sorts symmetric groups by the order of the instances', () => {
  const made = composition({
    name: 'three',
    instances: { ann: lamp, bob: lamp, cid: lamp },
    symmetric: [['cid', 'ann']],
  });
  expect(made.symmetric).toEqual([[0, 2]]);
});

describe('refuses', () => {
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
    ['no instances', { instances: {} }, 'it has no instances'],
    ['undefined instances', { instances: undefined }, 'it has no instances'],
    [
      'too many instances',
      { instances: lamps(31) },
      'it has 31 instances; at most 30 can be checked',
    ],
    [
      'another value than a machine',
      { instances: { lamp: { name: 'lamp' } } },
      'lamp: expected a machine',
    ],
    [
      'a machine without a table',
      { instances: { job: ticking } },
      'cannot check machine job: it has no table',
    ],
    [
      'a state with an activity',
      { instances: { both } },
      'cannot check state run: it has an activity',
    ],
    [
      'a hook whose payload and events are not declared',
      { instances: { hooked: hooked('json') } },
      'cannot check hook tell: it is an activity, whose payload and events are not declared',
    ],
    ['an unknown key', { invariant: [] }, 'unknown key invariant; expected one of name, instances'],
    [
      'inputs of an unknown instance',
      { inputs: { lmp: ['press'] } },
      'inputs: there is no instance lmp',
    ],
    ['an unknown input', { inputs: { lamp: ['pres'] } }, 'inputs: lamp has no event pres'],
    ['an unknown start', { start: { lamp: { state: 'of' } } }, 'start: lamp has no state of'],
    ['an unknown late event', { late: { lamp: ['pres'] } }, 'late: lamp has no event pres'],
    ['an unknown state', { unreached: { lamp: ['of'] } }, 'unreached: lamp has no state of'],
    [
      'a goal among the invariants',
      { invariants: [possible('x', () => true)] },
      'invariants: expected claims made with never(…)',
    ],
    [
      'an invariant among the goals',
      { goals: [never('x', () => true)] },
      'goals: expected claims made with possible(…), settles(…)',
    ],
    ['an undefined claim', { goals: [undefined] }, 'goals: expected claims made with'],
    [
      'a claim twice',
      { invariants: [never('x', () => true), never('x', () => false)] },
      'invariants: "x" occurs twice',
    ],
    ['a queue of length 0', { waiting: { changes: 0 } }, 'waiting.changes must be a whole number'],
    ['half an event', { waiting: { repeats: 1.5 } }, 'waiting.repeats must be a whole number'],
    ['a group of one', { symmetric: [['lamp']] }, 'symmetric: a group must have at least two'],
    [
      'a group with an unknown instance',
      { symmetric: [['lamp', 'lmp']] },
      'there is no instance lmp',
    ],
    ['a group with a duplicate', { symmetric: [['lamp', 'lamp']] }, 'symmetric: lamp occurs twice'],
    [
      'a group of different machines',
      { instances: { lamp, other: machine(others) }, symmetric: [['lamp', 'other']] },
      'symmetric: other and lamp have different machines',
    ],
    [
      'a group whose members start differently',
      { instances: lamps(2), start: { lamp0: { state: 'on' } }, symmetric: [['lamp0', 'lamp1']] },
      'symmetric: lamp0, lamp1 differ in start, inputs or late',
    ],
    [
      'a group that is too large',
      { instances: lamps(7), symmetric: [Object.keys(lamps(7))] },
      'symmetric: 5040 permutations of names; at most 720 can be evaluated',
    ],
  ])('%s', (_, options, message) => {
    const make = (): unknown => composition({ ...good, ...options });
    expect(make).toThrow(UserError);
    expect(make).toThrow(message);
  });

  test('several problems in one error', () => {
    const make = (): unknown =>
      composition({ ...good, inputs: { lamp: ['x', 'y'] }, waiting: { changes: -1 } });
    expect(make).toThrow(
      'composition house:\n  inputs: lamp has no event x\n  inputs: lamp has no event y\n  waiting.changes',
    );
  });
});
