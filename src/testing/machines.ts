/** Small machines of each kind, for the exercise of an engine. */
import {
  choose,
  done,
  FatalError,
  fork,
  machine,
  next,
  same,
  wait,
  type Machine,
} from '../index.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';

/** An event emits `press` to each instance in its details' `tell`. A dying lamp goes out by a timer. */
const lamp = machine({
  name: 'lamp',
  states: ['off', 'on', 'dying'],
  events: ['press', 'fade', 'end'],
  initial: 'off',
  table: {
    off: { press: 'on', fade: 'dying', end: same },
    on: { press: 'off', fade: 'dying', end: same },
    dying: { press: same, fade: same, end: 'off' },
  },
  after: { dying: { '2s': 'end' } },
  hooks: {
    after: ({ details }) => {
      const { tell = [] } = (details ?? {}) as { tell?: string[] };
      return tell.map((to) => ({ to, event: 'press' }));
    },
  },
});

/** Opens if the instance `lamp` is on. */
const eye = machine({
  name: 'eye',
  states: ['shut', 'open'],
  events: ['look'],
  initial: 'shut',
  sensors: ['lamp'],
  table: {
    shut: {
      look: choose('lamp', ['open', same], ({ sensor }) =>
        sensor('lamp')?.state === 'on' ? 'open' : same,
      ),
    },
    open: { look: same },
  },
});

/** When it opens, an activity counts that, after it has failed once. It shuts by an event, or a timer. */
const gate = machine({
  name: 'gate',
  states: ['shut', 'open'],
  events: ['open', 'shut', 'time is up'],
  initial: 'shut',
  table: {
    shut: { open: 'open', shut: same, 'time is up': same },
    open: { open: same, shut: 'shut', 'time is up': 'shut' },
  },
  after: { open: { '2s': 'time is up' } },
  hooks: {
    after: ({ to }) => (to === 'open' ? [{ run: 'count' }] : []),
    activities: {
      count: {
        tick: ({ payload, attempt, transition }) => {
          const { details } = transition!;
          if (details === 'never' || attempt === 1) throw new Error(`attempt ${attempt}`);
          return wait(
            { opened: ((payload as { opened?: number }).opened ?? 0) + 1 },
            { emit: [{ to: 'bell', event: 'ring' }] },
          );
        },
        retry: { maximumAttempts: 2, initialInterval: '1s' },
      },
    },
  },
});

/** Rings by an event; then it is ticked, and done. */
const bell = machine({
  name: 'bell',
  states: ['still', 'ringing'],
  events: ['ring'],
  initial: 'still',
  table: { still: { ring: 'ringing' }, ringing: { ring: 'ringing' } },
  activities: { ringing: () => done('rung') },
});

const count = machine({
  name: 'count',
  activities: {
    count: ({ payload }) => {
      const { left } = payload as { left: number };
      return left === 0 ? done('counted') : next('count', { left: left - 1 });
    },
  },
});

/** A first state file of it that is its last. */
export const COUNT = { state: 'count', payload: { left: 0 } };

/** Fails as often as its payload says; then it is done, without output. */
const shaky = machine({
  name: 'shaky',
  activities: {
    shaky: {
      tick: ({ payload, attempt }) => {
        if (attempt <= (payload as number)) throw new Error(`attempt ${attempt}`);
        return done();
      },
      retry: { maximumAttempts: 3, initialInterval: '1s' },
    },
  },
});

const doomed = machine({
  name: 'doomed',
  activities: {
    doomed: () => {
      throw new FatalError('no use');
    },
  },
});

/** Two branches of its own machine, the second of which fails once, and one of `count`; its output is theirs. */
const team = machine({
  name: 'team',
  activities: {
    team: () =>
      fork(
        {
          left: { state: 'work', payload: 0 },
          right: { state: 'work', payload: 1 },
          other: { machine: 'count', state: 'count', payload: { left: 2 } },
        },
        { state: 'joined' },
      ),
    work: {
      tick: ({ payload, attempt }) => {
        if (attempt <= (payload as number)) throw new Error(`attempt ${attempt}`);
        return done(`worked ${payload}`);
      },
      retry: { initialInterval: '1s' },
    },
    joined: ({ outputs }) => done(outputs),
  },
});

/** Takes as many milliseconds as its payload says. */
const slow = machine({
  name: 'slow',
  activities: {
    slow: async ({ payload, pause }) => {
      await pause(payload as number);
      return done();
    },
  },
});

const MACHINES: readonly Machine[] = [lamp, eye, gate, bell, count, shaky, doomed, team, slow];
export const REGISTRY: Registry = createRegistry(MACHINES);
