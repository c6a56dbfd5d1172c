/** Types of answers: checked by the compiler (`npm run types`). */
import { expect, test } from 'vitest';
import {
  done,
  fork,
  later,
  machine,
  next,
  same,
  wait,
  type Answer,
  type Tick,
  type TickContext,
} from '../../src/index.ts';

const scan = {
  name: 'scan',
  states: ['idle', 'scanning', 'off'],
  events: ['start'],
  initial: 'idle',
  table: { idle: { start: 'scanning' }, scanning: { start: same }, off: { start: same } },
} as const;

const wide: string = 'idle';
const anyTick: Tick = () => next(wide);
const declared = (context: TickContext): Answer => next(context.state);

test('accepts the states of a table', () => {
  const known = [
    machine({ ...scan, activities: { scanning: ({ payload }) => next('idle', payload) } }),
    machine({ ...scan, activities: { scanning: () => next('scan') } }),
    machine({ ...scan, activities: { scanning: async ({ state }) => later('1s', state) } }),
    machine({ ...scan, activities: { scanning: { tick: () => wait(), timeout: '1s' } } }),
    machine({ ...scan, activities: { scanning: anyTick, idle: declared } }),
    machine({ ...scan, activities: { scanning: () => (wide === '' ? done() : next('off')) } }),
    machine({ ...scan, activities: { scanning: () => next(wide) } }),
    machine({
      ...scan,
      activities: {
        scanning: () =>
          fork(
            { a: { state: 'idle', payload: [1, { b: [2] }] }, b: { state: 'x', machine: 'box' } },
            { state: 'off' },
          ),
      },
    }),
    machine({
      ...scan,
      activities: {
        scanning: () =>
          fork(Object.fromEntries([['a', { state: 'idle' }]]), { state: 'off', payload: {} }),
      },
    }),
    machine({ name: 'job', activities: { job: () => next('rest'), rest: { run: 'true' } } }),
    machine({ name: 'job', activities: { go: ({ state }) => next(state), rest: anyTick } }),
    machine({ name: 'job', activities: { go: () => next('job'), rest: declared } }),
    machine({ name: 'job', activities: Object.fromEntries([['go', () => next('went')]]) }),
  ];
  expect(known).toHaveLength(13);
});

const toIdel = (): Answer<'idel'> => next('idel');
const forks = {
  branch: () => fork({ a: { state: 'x' } }, { state: 'off' }),
  join: () => fork({ a: { state: 'off' } }, { state: 'x' }),
};
const job = { job: () => next('rset'), rest: () => done() };

test('does not compile with an unknown state', () => {
  const unknown = [
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: () => next('idel') } }),
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: ({ payload }) => next('idel', payload) } }),
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: { tick: async () => next('idel') } } }),
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: () => later('1s', 'idel') } }),
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: () => (wide === '' ? next('of') : done()) } }),
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: toIdel } }),
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: forks.branch } }),
    // @ts-expect-error -- no such state
    machine({ ...scan, activities: { scanning: forks.join } }),
    // @ts-expect-error -- no such state
    machine({ name: 'job', activities: { job: () => next('rset') } }),
    // @ts-expect-error -- no such state
    machine({ name: 'job', activities: { job: ({ payload }) => next('rset', payload) } }),
    // @ts-expect-error -- no such state
    machine({ name: 'job', activities: job }),
  ];
  expect(unknown).toHaveLength(11);
});
