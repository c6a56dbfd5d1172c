import { describe, expect, test } from 'vitest';
import type { EventResult, InstanceStep } from '../../../src/engine/engine.ts';
import { findingsOf, type Run } from './history-checker.ts';

function stepOf(name: string, more: Partial<InstanceStep>): InstanceStep {
  return {
    name,
    flag: 'done',
    machine: undefined,
    state: 'chain',
    payload: {},
    hook: undefined,
    worker: 'w',
    started: undefined,
    duration: undefined,
    attempts: [],
    events: [],
    output: undefined,
    reason: undefined,
    join: undefined,
    ...more,
  };
}

const eventOf = (id: string, time: string): InstanceStep['events'][number] => ({
  file: `${time}~${id}@lamp`,
  id,
  outcome: 'Ok',
  from: 'off',
});

/** A run that broke no promise, and may be changed. */
function goodRun(): {
  chains: Map<string, number>;
  events: Map<string, string>;
  histories: Map<string, InstanceStep[]>;
  results: Map<string, EventResult | undefined>;
} {
  const over = (id: string): EventResult => ({ kind: 'over', outcome: eventOf(id, '1') });
  return {
    chains: new Map([['a', 2]]),
    events: new Map([
      ['x', 'lamp'],
      ['y', 'lamp'],
    ]),
    histories: new Map([
      [
        'a',
        [
          stepOf('a.state', { payload: { left: 2 } }),
          stepOf('a.state-1', { payload: { left: 1 } }),
        ],
      ],
      [
        'lamp',
        [
          stepOf('lamp.state', { events: [eventOf('x', '1')] }),
          stepOf('lamp.state-1', { events: [eventOf('y', '2')] }),
        ],
      ],
    ]),
    results: new Map([
      ['x', over('x')],
      ['y', over('y')],
    ]),
  };
}

const FAULTS: readonly (readonly [string, (run: ReturnType<typeof goodRun>) => void, string])[] = [
  ['an instance that is lost', ({ histories }) => histories.delete('a'), 'a is lost'],
  ['a step that is missing', ({ histories }) => histories.get('a')!.pop(), 'a has 1 steps, not 2'],
  [
    'a step that counts twice',
    ({ histories }) => histories.get('a')!.push(stepOf('a.state-2', { payload: { left: 0 } })),
    'a has 3 steps, not 2',
  ],
  [
    'a step from another decision',
    ({ histories }) =>
      histories.get('a')!.splice(1, 1, stepOf('a.state-1', { payload: { left: 2 } })),
    'a.state-1 has 2 left, not 1',
  ],
  [
    'a step that no worker finishes',
    ({ histories }) =>
      histories
        .get('a')!
        .splice(1, 1, stepOf('a.state-1', { flag: 'in progress', payload: { left: 1 } })),
    'a.state-1 is in progress',
  ],
  [
    'an event without an outcome',
    ({ results }) => results.delete('x'),
    'event x of lamp has no outcome',
  ],
  [
    'an event that is applied twice',
    ({ histories }) =>
      histories.get('lamp')!.push(stepOf('lamp.state-2', { events: [eventOf('x', '3')] })),
    'event x of lamp was applied 2 times',
  ],
  [
    'events in another order',
    ({ histories }) => histories.set('lamp', histories.get('lamp')!.toReversed()),
    'lamp has applied its events in another order',
  ],
];

describe('the history checker', () => {
  test('finds nothing where no promise is broken', () => {
    expect(findingsOf(goodRun() satisfies Run)).toEqual([]);
  });

  test.each(FAULTS)('finds %s', (_, spoil, finding) => {
    const run = goodRun();
    spoil(run);
    expect(findingsOf(run)).toContain(finding);
  });
});
