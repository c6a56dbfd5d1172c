/** Which other workers the first claim waits for, and for how long; and which of them may need more states. */
import { describe, expect, test } from 'vitest';
import { ClaimGate } from '../../../src/volume/claim-gate.ts';
import { KnownFleet, Gathering, type GatheringOptions } from '../../../src/volume/phases/fleet.ts';
import { worker } from './given.ts';
import { schedule } from '../moments.ts';

const CYCLE = 500;
const [a, b, c] = [worker('a'), worker('b'), worker('c')];
const A = a.session;

/** The cycle in which the gathering is over, with one look at these rosters in each cycle. */
function overAt(options: GatheringOptions, rosters: (typeof a)[][]): number | undefined {
  const gathering = new Gathering(options, CYCLE);
  const found = rosters.findIndex((roster, cycle) => {
    gathering.look(A, roster, { cycle, at: 90_000 + cycle * CYCLE });
    return gathering.isOver;
  });
  return found < 0 ? undefined : found;
}

const repeated = (count: number, roster: (typeof a)[]): (typeof a)[][] =>
  Array.from({ length: count }, () => roster);

describe('an expected number of workers', () => {
  const three = { expect: 3, quietMs: 0 };

  test('is waited for', () => {
    expect(overAt(three, [[], [a], [a, b], [a, b], [a, b, c]])).toBe(4);
  });

  test('counts those that have left the roster since', () => {
    expect(overAt(three, [[b], [a], [a], [a, c]])).toBe(3);
  });

  test('includes this worker, though there are enough others', () => {
    expect(
      overAt({ expect: 2, quietMs: 0 }, [
        [b, c],
        [b, c],
        [a, b, c],
      ]),
    ).toBe(2);
  });

  test('is waited for no longer than 5 s from when this worker registered', () => {
    expect(overAt(three, [[], [], ...repeated(20, [a, b])])).toBe(2 + 5000 / CYCLE);
  });

  test.each([1, undefined])('of %s is no reason to wait', (one) => {
    expect(new Gathering({ expect: one, quietMs: 0 }, CYCLE).isOver).toBe(true);
  });

  test('goes before a time without new workers', () => {
    expect(overAt({ expect: 2, quietMs: 60_000 }, [[a], [a, b]])).toBe(1);
    expect(overAt({ expect: 2, quietMs: 500 }, repeated(6, [a]))).toBeUndefined();
  });
});

describe('a time without new workers', () => {
  const quiet = { expect: undefined, quietMs: 2 * CYCLE };

  test('begins when this worker registers', () => {
    expect(overAt(quiet, [[b], [b], [b], ...repeated(5, [a, b])])).toBe(3 + 2);
  });

  test('begins anew with each new worker, and with none that comes back', () => {
    expect(overAt(quiet, [[a], [a, b], [a, b, c], [a], [a, b, c]])).toBe(4);
  });

  test('ends eventually, though new workers keep coming', () => {
    const growing = Array.from({ length: 30 }, (_, cycle) => [a, worker(`w${cycle}`)]);
    expect(overAt(quiet, growing)).toBe(5 * 2);
  });

  test('is whole cycles, so that it ends in the same one for all workers', () => {
    expect(overAt({ expect: undefined, quietMs: 1.5 * CYCLE }, repeated(5, [a]))).toBe(2);
  });
});

describe('the gate', () => {
  const gateOf = (expected?: number): { gate: ClaimGate; said: string[] } => {
    const said: string[] = [];
    const line = (_facts: object, text: string): void => void said.push(text);
    const log = { debug: line, info: line, warn: line, error: line };
    return { gate: new ClaimGate({ expect: expected, quietMs: 0 }, CYCLE, log), said };
  };
  const view = (roster: (typeof a)[], paused = false) => ({ roster, paused });

  test('is open for a worker that waits for no other, and logs nothing', () => {
    const { gate, said } = gateOf();
    expect(gate.mayClaim(A, view([]), { cycle: 0, at: 0 })).toBe(true);
    expect(said).toEqual([]);
  });

  test('is closed while the volume is paused, from the start too, and logs that once', () => {
    const { gate, said } = gateOf();
    const may = [true, true, false, false].map((paused, cycle) =>
      gate.mayClaim(A, view([a], paused), { cycle, at: cycle * CYCLE }),
    );
    expect(may).toEqual([false, false, true, true]);
    expect(said).toEqual([
      'the volume is paused: nothing is claimed until "flockwork resume"',
      'the volume is no longer paused',
    ]);
  });

  test('stays open: a fleet whose workers are full does not gather again', () => {
    const { gate, said } = gateOf(2);
    const rosters = [[a], [a, b], [], [b]];
    const may = rosters.map((roster, cycle) =>
      gate.mayClaim(A, view(roster), { cycle, at: cycle }),
    );
    expect(may).toEqual([false, true, true, true]);
    expect(said).toEqual(['waiting for other workers before the first claim']);
  });

  test('logs that it opens without some of the expected workers', () => {
    const { gate, said } = gateOf(2);
    gate.mayClaim(A, view([a]), { cycle: 0, at: 0 });
    expect(gate.mayClaim(A, view([a]), { cycle: 10, at: 5000 })).toBe(true);
    expect(said.at(-1)).toBe('starting without some of the expected workers');
  });
});

describe('a fleet that has gathered', () => {
  const FLEET = [4, 4, 4, 4];
  const chainsOf = (count: number, ticks: number[]): Map<string, number[]> =>
    new Map(Array.from({ length: count }, (_, index) => [`i${index}`, ticks]));
  const perWorker = (workers: readonly string[]): number[] =>
    FLEET.map((_, index) => workers.filter((name) => name === `w${index}`).length);

  test.each<[string, GatheringOptions]>([
    ['by its number', { expect: 4, quietMs: 0 }],
    ['by a time without new workers', { expect: undefined, quietMs: 2000 }],
  ])('%s begins five instances on four workers at least', async (_how, gathering) => {
    const chains = chainsOf(5, [100, 100, 100]);
    const { ticks } = await schedule({ concurrencies: FLEET, gathering, chains });
    const first = new Map<string, string>();
    for (const { instance, worker: name } of ticks)
      if (!first.has(instance)) first.set(instance, name);
    expect(new Set(first.values()).size).toBe(4);
  });

  test('splits 200 quick states within 25 % of even', async () => {
    const gathering = { expect: 4, quietMs: 0 };
    const { ticks } = await schedule({
      concurrencies: FLEET,
      gathering,
      chains: chainsOf(200, [5]),
    });
    const counts = perWorker(ticks.map((tick) => tick.worker));
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(0.75 * 50);
    expect(Math.max(...counts)).toBeLessThanOrEqual(1.25 * 50);
  });

  test('begins 5 s later where a worker is missing, and does all the work', async () => {
    const gathering = { expect: 5, quietMs: 0 };
    const { ticks } = await schedule({
      concurrencies: FLEET,
      gathering,
      chains: chainsOf(20, [5]),
    });
    expect(ticks).toHaveLength(20);
    const began = Math.min(...ticks.map((tick) => tick.began));
    expect(began).toBeGreaterThan(5000);
    expect(began).toBeLessThan(5000 + 4 * CYCLE);
  });
});

const MEMORY = 10_000;

describe('available states', () => {
  const known = (): KnownFleet => new KnownFleet('a.boot', MEMORY);
  const [own, other] = [worker('a', 4), worker('b', 2)];

  test('are never scarce for a worker that is alone', () => {
    const fleet = known();
    fleet.see([own], 0);
    expect(fleet.isScarce(0)).toBe(false);
  });

  test('are scarce if there are fewer than two for each slot', () => {
    const fleet = known();
    fleet.see([own, other], 0);
    expect([fleet.isScarce(11), fleet.isScarce(12)]).toEqual([true, false]);
  });

  test('are scarce also while another worker has no room', () => {
    const fleet = known();
    fleet.see([own, other], 0);
    fleet.see([own], MEMORY);
    expect(fleet.isScarce(3)).toBe(true);
  });

  test('are not scarce because of a worker that has not been seen for long', () => {
    const fleet = known();
    fleet.see([own, other], 0);
    fleet.see([own], MEMORY + 1);
    expect(fleet.isScarce(3)).toBe(false);
  });
});
