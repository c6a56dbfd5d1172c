import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkPhaseLengths,
  cycleLength,
  cycleStart,
  isWithin,
  LOCAL_PHASES,
  momentAt,
  momentOf,
  NETWORK_PHASES,
  nextTurn,
  untilNextLook,
  guardFor,
  type PhaseLengths,
  type Interval,
  type PhaseTurn,
} from '../../../src/volume/phases/cycle.ts';

const lengths: fc.Arbitrary<PhaseLengths> = fc.record({
  assignment: fc.integer({ min: 1, max: 5000 }),
  commitment: fc.integer({ min: 1, max: 5000 }),
  update: fc.integer({ min: 1, max: 5000 }),
  buffer: fc.integer({ min: 0, max: 2000 }),
});
const time: fc.Arbitrary<number> = fc.integer({ min: 0, max: 4e12 });

describe('phases from the epoch', () => {
  test.each([
    [0, 'assignment', 0, 3000],
    [2999, 'assignment', 0, 3000],
    [3000, 'buffer', 3000, 4000],
    [3999, 'buffer', 3000, 4000],
    [4000, 'commitment', 4000, 7000],
    [6999, 'commitment', 4000, 7000],
    [7000, 'buffer', 7000, 8000],
    [8000, 'update', 8000, 11000],
    [10999, 'update', 8000, 11000],
    [11000, 'buffer', 11000, 12000],
    [12000, 'assignment', 12000, 15000],
  ])('with the 12 s cycle, %d ms is in %s [%d, %d)', (at, phase, start, end) => {
    expect(momentAt(NETWORK_PHASES, at)).toMatchObject({ phase, start, end });
  });

  test('at 1652942715.10 s the 12 s cycle is 3.10 s in, and Update System begins in 4.90 s', () => {
    const now = 1_652_942_715_100;
    const moment = momentAt(NETWORK_PHASES, now);
    const start = moment.cycle * cycleLength(NETWORK_PHASES);
    expect(now - start).toBe(3100);
    expect(moment).toMatchObject({ phase: 'buffer', after: 'assignment' });
    expect(momentAt(NETWORK_PHASES, now + 4899).phase).not.toBe('update');
    expect(momentAt(NETWORK_PHASES, now + 4900)).toMatchObject({
      phase: 'update',
      start: now + 4900,
    });
  });

  test('every moment lies in its half-open span, and spans meet without gap or overlap', () => {
    fc.assert(
      fc.property(lengths, time, (phases, now) => {
        const moment = momentAt(phases, now);
        expect(moment.start <= now && now < moment.end).toBe(true);
        const next = momentAt(phases, moment.end);
        expect(next.start).toBe(moment.end);
        expect(momentAt(phases, moment.start)).toEqual(moment);
        expect(next.cycle - moment.cycle).toBe(next.phase === 'assignment' ? 1 : 0);
      }),
    );
  });
});

test('a fraction of a microsecond before an edge is before it', () => {
  fc.assert(
    fc.property(lengths, time, (phases, now) => {
      const { end } = momentAt(phases, now);
      // The next smaller number: a double this large has steps of 2 ** -12 or 2 ** -11.
      const before = end * (1 - Number.EPSILON / 2);
      const moment = momentAt(phases, before);
      expect(moment.start <= before && before < moment.end).toBe(true);
    }),
  );
});

describe('I4: a phase test covers the whole interval', () => {
  test('an interval across an edge is in no phase', () => {
    expect(momentOf(NETWORK_PHASES, { earliest: 2990, latest: 3010 })).toBeUndefined();
    expect(momentOf(NETWORK_PHASES, { earliest: 2990, latest: 3000 })).toBeUndefined();
    expect(momentOf(NETWORK_PHASES, { earliest: 2990, latest: 2999 })?.phase).toBe('assignment');
  });

  test('an interval as long as a cycle, beginning and ending in the same phase, is in none', () => {
    expect(momentOf(NETWORK_PHASES, { earliest: 100, latest: 12_100 })).toBeUndefined();
  });

  test.each([
    [{ earliest: Number.NaN, latest: 5 }],
    [{ earliest: 5, latest: Number.NaN }],
    [{ earliest: Number.NEGATIVE_INFINITY, latest: Number.POSITIVE_INFINITY }],
    [{ earliest: 10, latest: 5 }],
    [{ earliest: 1e300, latest: 1e300 }],
    [{ earliest: -1e300, latest: 5 }],
    [{ earliest: 5, latest: Number.POSITIVE_INFINITY }],
  ])('%o is not a valid interval', (interval) => {
    expect(momentOf(NETWORK_PHASES, interval)).toBeUndefined();
    expect(isWithin(NETWORK_PHASES, interval, 'assignment')).toBe(false);
  });

  test('the same phase of another cycle does not count', () => {
    const now = { earliest: 12_100, latest: 12_200 };
    expect(isWithin(NETWORK_PHASES, now, 'assignment')).toBe(true);
    expect(isWithin(NETWORK_PHASES, now, 'assignment', 1)).toBe(true);
    expect(isWithin(NETWORK_PHASES, now, 'assignment', 0)).toBe(false);
  });
});

describe('phase lengths', () => {
  test('the shipped ones are in order, half a second and twelve', () => {
    expect([LOCAL_PHASES, NETWORK_PHASES].map(checkPhaseLengths)).toEqual([undefined, undefined]);
    expect([LOCAL_PHASES, NETWORK_PHASES].map(cycleLength)).toEqual([500, 12_000]);
  });

  test.each([
    [{ assignment: 0 }, 'assignment'],
    [{ commitment: -1 }, 'commitment'],
    [{ update: 1.5 }, 'update'],
    [{ update: Number.NaN }, 'update'],
    [{ buffer: -1 }, 'buffer'],
    [{ buffer: 0.5 }, 'buffer'],
    [{ buffer: 0 }, 'at least 2,'],
    [{ update: 86_400_000 }, 'day'],
  ])('%o is refused, naming %s', (change, word) => {
    expect(checkPhaseLengths({ ...LOCAL_PHASES, ...change })).toContain(word);
  });
});

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
        (now, width) => {
          const wait = nextTurn(PHASES, at(now, width), undefined);
          if (wait.kind === 'turn') return;
          expect(now + wait.ms).toBeGreaterThanOrEqual(momentAt(PHASES, now).end);
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

describe('untilNextLook', () => {
  const LENGTH = cycleLength(LOCAL_PHASES);
  const exactly = (now: number): Interval => ({ earliest: now, latest: now });
  const next = (now: number, session: string): number =>
    now + untilNextLook(LOCAL_PHASES, exactly(now), 10 * LENGTH + 1, session);

  test('ends at the beginning of a cycle, within the interval', () => {
    fc.assert(
      fc.property(lengths, time, fc.integer({ min: 1, max: 200_000 }), fc.string(), (...given) => {
        const [phases, now, interval, session] = given;
        const end = now + untilNextLook(phases, exactly(now), interval, session);
        expect(cycleStart(phases, end)).toBe(end);
        expect(end).toBeGreaterThan(now);
        expect(end - now).toBeLessThanOrEqual(Math.max(interval, cycleLength(phases)));
      }),
    );
  });

  test('comes in every tenth cycle when ten cycles fit', () => {
    const first = next(1_700_000_000_123, 'ant.aaaaaaaa');
    expect(next(first + 450, 'ant.aaaaaaaa')).toBe(first + 10 * LENGTH);
  });

  test('differs by session', () => {
    const ends = Array.from({ length: 64 }, (_, index) => next(1_700_000_000_123, `w${index}.x`));
    expect(new Set(ends).size).toBe(10);
  });
});
