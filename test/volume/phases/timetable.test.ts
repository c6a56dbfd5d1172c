import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { momentAt, type Interval, type PhaseLengths } from '../../../src/volume/phases/cycle.ts';
import { nextTurn, guardFor, type PhaseTurn } from '../../../src/volume/phases/timetable.ts';

const PHASES: PhaseLengths = { assignment: 150, commitment: 150, update: 400, buffer: 100 };

const at = (earliest: number, width = 0): Interval => ({ earliest, latest: earliest + width });
const update: PhaseTurn = { phase: 'update', cycle: 0, end: 900 };

describe('a session acts once in each phase', () => {
  test('a new phase is a turn; the same one again is not', () => {
    const first = nextTurn(PHASES, at(10), undefined);
    expect(first).toEqual({ kind: 'turn', turn: { phase: 'assignment', cycle: 0, end: 150 } });
    const turn = first.kind === 'turn' ? first.turn : undefined;
    expect(nextTurn(PHASES, at(20), turn)).toEqual({ kind: 'sleep', ms: 130 });
    expect(nextTurn(PHASES, at(1010), turn).kind).toBe('turn');
  });

  test('I4: a buffer, or an interval that may reach into one, is no turn', () => {
    expect(nextTurn(PHASES, at(410), undefined)).toEqual({ kind: 'sleep', ms: 90 });
    expect(nextTurn(PHASES, at(910), undefined)).toEqual({ kind: 'sleep', ms: 90 });
    expect(nextTurn(PHASES, at(390, 20), undefined)).toEqual({ kind: 'sleep', ms: 10 });
    expect(nextTurn(PHASES, at(240, 20), undefined)).toEqual({ kind: 'sleep', ms: 10 });
  });

  test('Worker Assignment may be late: once, in the buffer after it', () => {
    const late = nextTurn(PHASES, at(200), undefined);
    expect(late).toEqual({ kind: 'turn', turn: { phase: 'assignment', cycle: 0, end: 250 } });
    expect(nextTurn(PHASES, at(210), late.kind === 'turn' ? late.turn : undefined)).toEqual({
      kind: 'sleep',
      ms: 40,
    });
  });

  test('every sleep ends when the earliest possible time reaches an edge', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e12, noNaN: true }),
        fc.integer({ min: 0, max: 90 }),
        (time, width) => {
          const wait = nextTurn(PHASES, at(time, width), undefined);
          if (wait.kind === 'turn') return;
          expect(time + wait.ms).toBeGreaterThanOrEqual(momentAt(PHASES, time).end);
          expect(wait.ms).toBeLessThanOrEqual(152);
        },
      ),
    );
  });
});

describe('I4: the guards of a turn', () => {
  test.each([
    [at(500), true, true],
    [at(899), true, true],
    [at(895, 10), false, true],
    [at(900), false, true],
    [at(985, 10), false, true],
    [at(995, 10), false, false],
    [at(1000), false, false],
    [at(1500), false, false],
    [at(490, 20), false, false],
    [undefined, false, false],
  ])('at %o: can begin %s, can finish %s', (now, start, land) => {
    const guard = guardFor(PHASES, update, () => now, false);
    expect([guard.canBegin(), guard.canFinish()]).toEqual([start, land]);
  });
});
