import { describe, expect, test } from 'vitest';
import { done, fork, later, next, wait, type Answer } from '../../src/machine/answer.ts';
import type { Machine } from '../../src/machine/definition.ts';
import { parseEvent, parseEventName } from '../../src/machine/event.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import {
  effectsOfAnswer,
  type StepEffects,
  type TickedStep,
} from '../../src/machine/step-effects.ts';
import { same } from '../../src/machine/table.ts';

const FINISHED = '2026-11-25T23:49:16.007Z';
const JOB = machine({ name: 'job', activities: { job: () => done(), rest: () => done() } });
const POLL = machine({
  name: 'poll',
  states: ['ask', 'off'],
  events: ['go', 'stop'],
  initial: 'ask',
  table: { ask: { go: 'ask', stop: 'off' }, off: { go: same, stop: same } },
  after: { ask: { '1m': 'go' } },
  activities: { ask: () => wait() },
});

function after(answer: Answer, of: Machine, more: Partial<TickedStep['file']> = {}): StepEffects {
  const file = { state: of.initial, machine: of.name, payload: { n: 1 }, ...more };
  const step = { machine: of, name: 'x.state-3', file, state: of.initial };
  const effects = effectsOfAnswer(answer, step, FINISHED);
  if (typeof effects === 'string') throw new Error(effects);
  return effects;
}
const nextOf = ({ next: one }: StepEffects): unknown => one && JSON.parse(one.content);

describe('effectsOfAnswer', () => {
  test('done has no successor', () => {
    expect(after(done(1), JOB)).toEqual({ emit: [], rests: false });
  });

  test('next keeps the user’s keys, and drops those of the old state', () => {
    const effects = after(next('rest'), JOB, { notBefore: FINISHED, 'x-a': 1, priority: 2 });
    expect(effects).toMatchObject({ rests: false, next: { name: 'x.state-4' } });
    const kept = { 'x-a': 1, priority: 2, machine: 'job' };
    expect(nextOf(effects)).toEqual({ state: 'rest', payload: { n: 1 }, ...kept });
  });

  test('later delays the successor', () => {
    const effects = after(later('1m', 'rest', null), JOB);
    const notBefore = '2026-11-25T23:50:16.007Z';
    expect(nextOf(effects)).toEqual({ state: 'rest', payload: null, machine: 'job', notBefore });
    expect(effects.rests).toBe(false);
  });

  test('wait keeps the state, and sets its timers', () => {
    const effects = after(wait({ n: 2 }, { emit: [{ to: 'bell', event: 'ring' }] }), POLL);
    expect(effects.rests).toBe(true);
    const since = 'x.state-4';
    const successor = { state: 'ask', payload: { n: 2 }, machine: 'poll', waits: true, since };
    expect(nextOf(effects)).toEqual(successor);
    const events = effects.emit.map(({ name, content }) => [
      parseEventName(name)?.to,
      parseEvent(content),
    ]);
    expect(events).toMatchObject([
      ['bell', { event: 'ring', originator: 'x.state-3' }],
      ['x', { event: 'go', delay: 60_000, since }],
    ]);
  });

  test.each([
    [next('rset'), JOB, 'no activity in state "rset"; there are job, rest'],
    [later('1m', 'rset'), JOB, 'no activity in state "rset"'],
    [next('of'), POLL, 'has no state "of"; there are ask, off'],
    [fork({ a: { state: 'rset' } }, { state: 'rest' }), JOB, 'branch a: machine job has no'],
    [fork({ a: { state: 'rest' } }, { state: 'rset' }), JOB, 'join: machine job has no activity'],
    [
      fork({ a: { state: 'of', machine: 'poll' } }, { state: 'rest' }),
      JOB,
      'branch a: machine poll has no state "of"',
    ],
  ])('refuses an unknown state: %o', (answer, of, words) => {
    const file = { state: of.initial, machine: of.name, payload: {} };
    const registry = createRegistry([JOB, POLL]);
    const step = { machine: of, name: 'x.state', file, state: of.initial, registry };
    expect(effectsOfAnswer(answer, step, FINISHED)).toContain(words);
  });

  test('accepts the machine’s name as a state, and branches of unknown machines', () => {
    expect(nextOf(after(next('job'), JOB))).toMatchObject({ state: 'job' });
    expect(nextOf(after(next('poll'), POLL))).toMatchObject({ state: 'poll' });
    const branches = { a: { state: 'x', machine: 'box:2' } };
    expect(after(fork(branches, { state: 'off' }), POLL).branches).toHaveLength(1);
  });

  test('refuses wait in a machine without events', () => {
    const step = {
      machine: JOB,
      name: 'x.state',
      file: { state: 'job', payload: {} },
      state: 'job',
    };
    expect(effectsOfAnswer(wait(), step, FINISHED)).toBe(
      'the tick answered wait(), but machine job has no events, so nothing can end it',
    );
  });
});
