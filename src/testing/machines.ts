/** Small machines of each kind, for the exercise of an engine. */
import { choose, done, FatalError, fork, machine, next, same, type Machine } from '../index.ts';
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

const MACHINES: readonly Machine[] = [lamp, eye, bell, count, shaky, doomed, team, slow];
export const REGISTRY: Registry = createRegistry(MACHINES);
