/** Each kind of finding in the smallest composition that has it, with its trace. */
import { describe, expect, test } from 'vitest';
import { checkAll } from '../../src/check/check.ts';
import {
  alone,
  composition,
  never,
  possible,
  settles,
  type CompositionOptions,
  type World,
} from '../../src/check/composition.ts';
import type { CheckResult, Finding } from '../../src/check/findings.ts';
import { storyOf } from '../../src/check/trace.ts';
import type { Machine } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { choose, impossible, same } from '../../src/machine/table.ts';
import { reachAll } from './reference.ts';

const stateOf = (world: World, name: string): string => world(name).state;

/** A room for one: a guest that sees the other one in it stays out. */
const guest = (other: string): Machine =>
  machine({
    name: 'guest',
    states: ['out', 'in'],
    events: ['enter', 'leave'],
    initial: 'out',
    table: { out: { enter: 'in', leave: same }, in: { enter: same, leave: 'out' } },
    hooks: {
      before: ({ to, sensor }) =>
        to === 'in' && sensor(other)?.state === 'in' ? 'it is taken' : undefined,
    },
  });

const room = composition({
  name: 'room',
  instances: { ann: guest('bob'), bob: guest('ann') },
  inputs: { ann: ['enter', 'leave'], bob: ['enter', 'leave'] },
  invariants: [
    never('both in', (world) => stateOf(world, 'ann') === 'in' && stateOf(world, 'bob') === 'in'),
  ],
});

/** Kind and trace length of each finding. */
function summary({ findings }: CheckResult): [Finding['kind'], number | undefined][] {
  return findings.map(({ kind, trace }) => [kind, trace?.steps.length]);
}

describe('simultaneous steps', () => {
  test('break an invariant that holds for one step after the other', () => {
    const result = checkAll(room);
    expect(summary(result)).toEqual([['broken-invariant', 1]]);
    expect(storyOf(result.findings[0]!).split('\n')).toEqual([
      'broken-invariant: never both in',
      '  1  simultaneously, on the same snapshot:',
      '     - ann: enter (from outside): out → in',
      '     - bob: enter (from outside): out → in',
      '     then ann: in, bob: in',
    ]);
    const worlds = reachAll(room, { most: 100, sets: false })!.worlds;
    expect(worlds.size).toBe(3);
  });

  test('keep the invariant when one instance has precedence', () => {
    // Bob waits for a cycle in which Ann does not ask.
    const rules = (other: string, hasRight: boolean): Machine =>
      machine({
        name: 'guest',
        states: ['out', 'asking', 'in'],
        events: ['ask', 'enter', 'leave'],
        initial: 'out',
        table: {
          out: { ask: 'asking', enter: impossible, leave: same },
          asking: { ask: same, enter: 'in', leave: 'out' },
          in: { ask: same, enter: impossible, leave: 'out' },
        },
        after: { asking: { '1s': 'enter' } },
        hooks: {
          before: ({ to, sensor }) => {
            const seen = sensor(other)?.state;
            const isFree = seen === 'out' || (hasRight && seen === 'asking');
            return to === 'in' && !isFree ? 'wait' : undefined;
          },
        },
      });
    const result = checkAll(
      composition({
        name: 'polite',
        instances: { ann: rules('bob', true), bob: rules('ann', false) },
        inputs: { ann: ['ask', 'leave'], bob: ['ask', 'leave'] },
        invariants: [
          never(
            'both in',
            (world) => stateOf(world, 'ann') === 'in' && stateOf(world, 'bob') === 'in',
          ),
        ],
        goals: [possible('bob is in', (world) => stateOf(world, 'bob') === 'in')],
      }),
    );
    expect(summary(result)).toEqual([]);
  });

  test('deliver the events of one cycle in any order', () => {
    const sender = (event: (seen: string | undefined) => string): Machine =>
      machine({
        name: 'sender',
        states: ['before', 'after'],
        events: ['go'],
        initial: 'before',
        table: { before: { go: 'after' }, after: { go: same } },
        hooks: { after: ({ sensor }) => [{ to: 'log', event: event(sensor('two')?.state) }] },
      });
    const log = machine({
      name: 'log',
      states: ['empty', 'x', 'y', 'z', 'xz', 'zx', 'yz', 'zy'],
      events: ['x', 'y', 'z'],
      initial: 'empty',
      table: {
        empty: { x: 'x', y: 'y', z: 'z' },
        x: { x: same, y: same, z: 'xz' },
        y: { x: same, y: same, z: 'yz' },
        z: { x: 'zx', y: 'zy', z: same },
        xz: { x: same, y: same, z: same },
        zx: { x: same, y: same, z: same },
        yz: { x: same, y: same, z: same },
        zy: { x: same, y: same, z: same },
      },
    });
    // One sends x only if it does not see that two has moved: x comes after z only if both step together.
    const composed = composition({
      name: 'order',
      instances: {
        one: sender((seen) => (seen === 'before' ? 'x' : 'y')),
        two: sender(() => 'z'),
        log,
      },
      inputs: { one: ['go'], two: ['go'] },
      invariants: [never('z before x', (world) => stateOf(world, 'log') === 'zx')],
      unreached: { log: ['yz'] },
    });
    const result = checkAll(composed);
    expect(summary(result).filter(([kind]) => kind === 'broken-invariant')).toEqual([
      ['broken-invariant', 3],
    ]);
    expect(result.findings[0]!.trace!.steps[0]).toHaveLength(2);
    expect(result.findings[0]!.trace!.isExact).toBe(true);
  });
});

/** A lamp that goes out after a minute. */
const lamp = machine({
  name: 'lamp',
  states: ['off', 'on'],
  events: ['press', 'time is up'],
  initial: 'off',
  table: {
    off: { press: 'on', 'time is up': impossible },
    on: { press: same, 'time is up': 'off' },
  },
  after: { on: { '1m': 'time is up' } },
});

test('one machine by itself: every event but its timers is an input', () => {
  expect(checkAll(alone(lamp))).toMatchObject({
    findings: [],
    bound: undefined,
    states: 2,
    depth: 1,
  });
});

describe('timers', () => {
  const counting = (event: 'again' | 'refused' | 'other'): CheckResult =>
    checkAll(
      composition({
        name: 'timers',
        instances: {
          one: machine({
            name: 'one',
            states: ['here', 'there'],
            events: ['again', 'refused', 'other'],
            initial: 'here',
            table: {
              here: { again: same, refused: 'there', other: 'there' },
              there: { again: same, refused: same, other: 'here' },
            },
            after: { here: { '1s': event } },
            hooks: { before: ({ event: by }) => (by === 'refused' ? 'not now' : undefined) },
          }),
        },
        unreached: { one: event === 'other' ? [] : ['there'] },
        goals: [possible('anything', () => true)],
      }),
    );

  test('fire once per stay', () => {
    // Two states: the timer is pending, and it has fired.
    expect(counting('again')).toMatchObject({ findings: [], states: 2, transitions: 1 });
    expect(counting('other')).toMatchObject({ findings: [], states: 2, transitions: 1 });
  });

  test('are rescheduled when they were vetoed', () => {
    expect(counting('refused')).toMatchObject({ findings: [], states: 1, transitions: 0 });
  });

  test('do not fire after their state was left', () => {
    // "time is up" would be impossible in off.
    expect(summary(checkAll(alone(lamp)))).toEqual([]);
  });
});

/** Opens the door each time it rings. */
const bell = machine({
  name: 'bell',
  states: ['still', 'ringing'],
  events: ['ring'],
  initial: 'still',
  table: { still: { ring: 'ringing' }, ringing: { ring: 'still' } },
  hooks: { after: ({ to }) => (to === 'ringing' ? [{ to: 'door', event: 'open' }] : []) },
});

const door = (whenOpen: typeof same | typeof impossible): Machine =>
  machine({
    name: 'door',
    states: ['closed', 'open'],
    events: ['open', 'close'],
    initial: 'closed',
    table: {
      closed: { open: 'open', close: impossible },
      open: { open: whenOpen, close: 'closed' },
    },
  });

describe('an impossible pair', () => {
  const house = (options: Partial<CompositionOptions> = {}): CheckResult =>
    checkAll(
      composition({
        name: 'house',
        instances: { bell, door: door(impossible) },
        inputs: { bell: ['ring'], door: ['close'] },
        ...options,
      }),
    );

  test('reached by an emitted event is a finding', () => {
    const result = house();
    expect(summary(result)).toEqual([['impossible', 5]]);
    expect(result.findings[0]!.message).toBe('door: open is impossible in state open');
    expect(result.findings[0]!.trace!.isExact).toBe(true);
    expect(result.findings[0]!.trace!.steps.at(-1)).toMatchObject([
      { instance: 'door', cause: 'event', event: 'open', outcome: 'EventNotAllowed', from: 'open' },
    ]);
    expect(result.isSaturated).toBe(true);
  });

  test('reached by an input or by an event in late is not', () => {
    // "close" is impossible while the door is closed.
    expect(summary(house({ late: { door: ['open'] } }))).toEqual([]);
  });
});

describe('queues', () => {
  const rung = (waiting: CompositionOptions['waiting']): CheckResult =>
    checkAll(
      composition({
        name: 'rung',
        instances: { bell, door: door(same) },
        inputs: { bell: ['ring'], door: ['close'] },
        ...(waiting && { waiting }),
      }),
    );

  test('of equal events may have any length', () => {
    for (const repeats of [1, 2, 5]) {
      const result = rung({ repeats });
      expect(result).toMatchObject({ findings: [], bound: undefined, isSaturated: true });
      // Bell × door × events that wait for the door: 0, 1, …, repeats, more.
      expect(result.states).toBe(2 * 2 * (repeats + 2));
    }
  });

  test('make a trace inexact when they are saturated', () => {
    const twice = machine({
      name: 'twice',
      states: ['none', 'once', 'twice'],
      events: ['ring'],
      initial: 'none',
      table: { none: { ring: 'once' }, once: { ring: 'twice' }, twice: { ring: same } },
      hooks: { after: () => [{ to: 'count', event: 'open' }] },
    });
    const count = machine({
      name: 'count',
      states: ['0', '1', '2', '3'],
      events: ['open'],
      initial: '0',
      table: { 0: { open: '1' }, 1: { open: '2' }, 2: { open: '3' }, 3: { open: same } },
    });
    const counted = (repeats: number): CheckResult =>
      checkAll(
        composition({
          name: 'counted',
          instances: { twice, count },
          inputs: { twice: ['ring'] },
          invariants: [never('three', (world) => stateOf(world, 'count') === '3')],
          waiting: { repeats },
        }),
      );
    const [finding] = counted(1).findings;
    expect(finding).toMatchObject({ kind: 'broken-invariant', trace: { isExact: false } });
    expect(storyOf(finding!)).toContain('raise waiting.repeats');
    expect(counted(2).findings.map(({ kind }) => kind)).toEqual(['unreachable', 'livelock']);
  });

  test('that are too short make the check incomplete', () => {
    const alternating = machine({
      name: 'alternating',
      states: ['a', 'b'],
      events: ['turn'],
      initial: 'a',
      table: { a: { turn: 'b' }, b: { turn: 'a' } },
      hooks: { after: ({ to }) => [{ to: 'door', event: to === 'a' ? 'open' : 'close' }] },
    });
    const patient = machine({
      name: 'patient',
      states: ['closed', 'open'],
      events: ['open', 'close'],
      initial: 'closed',
      table: { closed: { open: 'open', close: same }, open: { open: same, close: 'closed' } },
    });
    const result = checkAll(
      composition({
        name: 'endless',
        instances: { alternating, door: patient },
        inputs: { alternating: ['turn'] },
      }),
    );
    expect(result).toMatchObject({ findings: [], bound: 'queue' });
  });
});

describe('a missing instance', () => {
  test('is reported for its sender and for its reader', () => {
    const result = checkAll(
      composition({
        name: 'half',
        instances: { bell, ann: guest('bob') },
        inputs: { bell: ['ring'], ann: ['enter'] },
      }),
    );
    expect(result.findings.map(({ kind, message }) => [kind, message])).toEqual([
      ['no-instance', 'bell sends an event to door, which is not in the composition'],
      ['no-sensor', 'ann reads bob, which is not in the composition'],
    ]);
  });
});

describe('states', () => {
  const forked = (options: Partial<CompositionOptions> = {}): CheckResult =>
    checkAll(
      composition({
        name: 'forked',
        instances: {
          one: machine({
            name: 'one',
            states: ['start', 'left', 'right'],
            events: ['go'],
            initial: 'start',
            table: {
              start: { go: choose('which?', ['left', 'right'], () => 'left') },
              left: { go: 'start' },
              right: { go: 'start' },
            },
          }),
        },
        inputs: { one: ['go'] },
        ...options,
      }),
    );

  test('are reported when they are never entered', () => {
    const { findings } = forked();
    expect(findings).toEqual([
      { kind: 'unreachable', message: 'one never enters right', trace: undefined },
    ]);
    expect(forked({ unreached: { one: ['right'] } }).findings).toEqual([]);
  });

  test('are reported when they are entered in spite of unreached', () => {
    const result = forked({ unreached: { one: ['left', 'right'] } });
    expect(summary(result)).toEqual([['reached', 1]]);
  });
});

describe('livelock', () => {
  const trap = machine({
    name: 'trap',
    states: ['free', 'left', 'right', 'done'],
    events: ['finish', 'turn'],
    initial: 'free',
    table: {
      free: { finish: 'done', turn: 'left' },
      left: { finish: same, turn: 'right' },
      right: { finish: same, turn: 'left' },
      done: { finish: same, turn: same },
    },
  });

  test('is found when no terminal state can be reached any more', () => {
    const result = checkAll(alone(trap));
    expect(summary(result)).toEqual([['livelock', 1]]);
    expect(result.findings[0]!.message).toBe(
      'this goal can no longer be reached: a terminal state of trap',
    );
  });

  test('is found for a settles goal that needs an input', () => {
    const waiting = composition({
      name: 'waiting',
      instances: { lamp, trap },
      inputs: { lamp: ['press'], trap: ['finish'] },
      unreached: { trap: ['left', 'right'] },
      goals: [
        settles('the lamp is off', (world) => stateOf(world, 'lamp') === 'off'),
        settles('the lamp is on', (world) => stateOf(world, 'lamp') === 'on'),
        possible('the lamp is still on', (world) => stateOf(world, 'lamp') === 'on'),
      ],
    });
    const result = checkAll(waiting);
    expect(result.findings.map(({ message }) => message)).toEqual([
      'this goal can no longer be reached without further input: the lamp is on',
    ]);
    expect(summary(result)).toEqual([['livelock', 0]]);
  });

  test('is found when nothing can happen any more', () => {
    const stuck = machine({
      name: 'stuck',
      states: ['one', 'two'],
      events: ['go', 'back'],
      initial: 'one',
      table: { one: { go: 'two', back: same }, two: { go: same, back: 'one' } },
    });
    const result = checkAll(
      composition({ name: 'stuck', instances: { stuck }, inputs: { stuck: ['go'] } }),
    );
    expect(summary(result)).toEqual([['livelock', 1]]);
  });
});

describe('a rule of the user', () => {
  test('that throws is a finding', () => {
    const throwing = machine({
      name: 'throwing',
      states: ['one'],
      events: ['go'],
      initial: 'one',
      table: {
        one: {
          go: choose<'one'>('?', [same], () => {
            throw new Error('no such thing');
          }),
        },
      },
    });
    const result = checkAll(alone(throwing));
    expect(result.findings[0]).toMatchObject({
      kind: 'internal',
      message: 'throwing, at go: no such thing',
    });
  });

  test('that gives different answers is refused', () => {
    let calls = 0;
    const moody = machine({
      name: 'moody',
      states: ['one', 'two'],
      events: ['go'],
      initial: 'one',
      table: { one: { go: 'two' }, two: { go: 'one' } },
      hooks: {
        before: ({ sensor }) => {
          calls += 1;
          return sensor(calls % 2 === 0 ? 'ann' : 'bob')?.state === 'in' ? 'no' : undefined;
        },
      },
    });
    const composed = composition({
      name: 'moody',
      instances: { moody, ann: guest('bob'), bob: guest('ann') },
      inputs: { moody: ['go'], ann: ['enter', 'leave'], bob: ['enter', 'leave'] },
    });
    expect(() => checkAll(composed)).toThrow('gave different answers for the same arguments');
  });

  test('that treats symmetric instances differently is refused', () => {
    const two = { ann: guest('bob'), bob: guest('ann') };
    const pair = (options: Partial<CompositionOptions>): CheckResult =>
      checkAll(
        composition({
          name: 'pair',
          instances: { ann: lamp, bob: lamp },
          inputs: { ann: ['press'], bob: ['press'] },
          symmetric: [['ann', 'bob']],
          ...options,
        }),
      );
    expect(pair({})).toMatchObject({ findings: [], states: 3 });
    expect(() =>
      pair({ invariants: [never('ann on', (world) => stateOf(world, 'ann') === 'on')] }),
    ).toThrow('"ann on" treats symmetric instances differently');
    expect(() => pair({ instances: two, inputs: {} })).toThrow('have different machines');
    const partial = machine({
      name: 'partial',
      states: ['one', 'two'],
      events: ['go'],
      initial: 'one',
      table: { one: { go: 'two' }, two: { go: 'one' } },
      hooks: { before: ({ instance }) => (instance === 'ann' ? 'not ann' : undefined) },
    });
    expect(() =>
      pair({ instances: { ann: partial, bob: partial }, inputs: { ann: ['go'], bob: ['go'] } }),
    ).toThrow('treats symmetric instances differently');
  });
});

test('a check that is cut short reports its bound', () => {
  const whole = checkAll(room);
  const cut = checkAll(room, { maxStates: 2 });
  expect(whole.states).toBe(4);
  expect(cut).toMatchObject({ bound: 'max-states' });
  expect(cut.states).toBeLessThanOrEqual(4);
});
