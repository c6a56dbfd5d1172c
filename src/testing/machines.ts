/** What the exercise of an engine runs: small machines of each kind. */
import { choose, done, FatalError, fork, machine, next, same, type Machine } from '../index.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';

/** What an event's details ask for under `tell` is caused by it. A dying lamp goes out by itself. */
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

/** Opens where the lamp of this name is on. */
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

/** Events until it has been rung for the last time; then it is ticked, and over. */
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

/** Fails as often as its payload says; then it is done, and leaves nothing behind. */
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

/** Two of them are the same machine, the second fails at first; then it says what came of them. */
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
