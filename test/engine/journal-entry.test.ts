/** Journal entries of steps that no tick has decided. */
import { describe, expect, test } from 'vitest';
import type { AppliedEvent, CommitRecord } from '../../src/machine/record.ts';
import type { VolumeOutcome, VolumeOperations } from '../../src/volume/operations.ts';
import { settledEntry, untickedEntry } from '../../src/engine/journal-entry.ts';

const AT = '2026-01-01T00:00:00.000Z';
const BY = {
  token: { session: 'ant.abcdefgh', worker: 'ant' },
  stamp: () => AT,
} as Pick<VolumeOperations, 'token' | 'stamp'>;

const applied = (event: string, to?: string): AppliedEvent => ({
  file: 'f',
  id: `id-${event}`,
  event,
  details: { secret: 1 },
  from: 'shut',
  ...(to === undefined
    ? { outcome: 'EventNotAllowed', reason: 'not there' }
    : { outcome: 'Ok', to }),
});

function commit(events?: readonly AppliedEvent[]): VolumeOutcome {
  const record: CommitRecord = {
    flockwork: 1,
    state: 'a.state',
    session: 'ant.abcdefgh',
    worker: 'ant',
    started: AT,
    finished: AT,
    ...(events && { events }),
  };
  return { kind: 'commit', record };
}

const PLAIN = {
  started: AT,
  duration: 0,
  state: 'a.state',
  machine: 'door',
  worker: 'ant',
  session: 'ant.abcdefgh',
  attempt: 0,
  result: 'done',
};

describe('a step without a tick', () => {
  test('says in short what its events did', () => {
    expect(
      untickedEntry('a.state', 'door', commit([applied('open', 'open'), applied('fly')]), BY),
    ).toEqual({
      ...PLAIN,
      events: [
        { event: 'open', outcome: 'Ok', from: 'shut', to: 'open' },
        { event: 'fly', outcome: 'EventNotAllowed', from: 'shut' },
      ],
    });
  });

  test('that sets timers, or ends in a terminal state, has no events', () => {
    const ends: VolumeOutcome = { kind: 'commit', record: undefined };
    for (const change of [commit(), ends]) {
      expect(untickedEntry('a.state', 'door', change, BY)).toEqual({ ...PLAIN, events: [] });
    }
  });

  test('keeps its line short, whatever names there are, and its result last', () => {
    const many = Array.from({ length: 64 }, () => applied('x'.repeat(10_000), 'y'.repeat(10_000)));
    const text = JSON.stringify(untickedEntry('a.state', 'door', commit(many), BY));
    expect(text.length).toBeLessThan(10_000);
    expect(text).toMatch(/"result":"done"}$/);
  });

  test('that decides nothing, or is of no machine, has no entry', () => {
    expect(untickedEntry('a.state', 'door', { kind: 'wait' }, BY)).toBe(undefined);
    expect(untickedEntry('a.state', undefined, commit(), BY)).toBe(undefined);
  });

  test('is left out if another commit counts; a tick is said to be lost', () => {
    const entry = untickedEntry('a.state', 'door', commit([applied('open', 'open')]), BY)!;
    const { events: _events, ...tick } = entry;
    expect(settledEntry(entry, { lost: false })).toEqual([entry]);
    expect(settledEntry(entry, { lost: true })).toEqual([]);
    expect(settledEntry(tick, { lost: true })).toEqual([{ ...tick, result: 'lost' }]);
    expect(settledEntry(undefined, { lost: false })).toEqual([]);
  });
});
