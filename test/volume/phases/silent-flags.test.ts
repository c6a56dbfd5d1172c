/** Flags of another program that claim nothing. */
import { describe, expect, test } from 'vitest';
import type { RosterEntry } from '../../../src/volume/phases/assignment.ts';
import { isForeign, SilentFlags } from '../../../src/volume/phases/silent-flags.ts';
import { worker } from './given.ts';

const foreign = (name: string): RosterEntry => ({
  session: name,
  name,
  concurrency: 1,
  capacity: 1,
});
const ant = worker('ant');
const left = foreign('aaa');

/** Flags that become silent in each look: `pair` is the state of the flag, `available` the available states. */
function turns(
  looks: readonly {
    roster?: RosterEntry[];
    pair: string | undefined;
    available: string[];
    cycle?: number;
  }[],
): { found: string[][]; silent: SilentFlags } {
  const silent = new SilentFlags();
  const found = looks.map(({ roster = [left, ant], pair, available, cycle }, index) =>
    silent.look(
      roster,
      () => pair,
      (state) => available.includes(state),
      cycle ?? index,
    ),
  );
  return { found, silent };
}

const waiting = { pair: 'x.state', available: ['x.state'] };

describe('a flag without a session', () => {
  test('is distinguished from a flag of a session', () => {
    expect([left, ant].map(isForeign)).toEqual([true, false]);
  });

  test('is silent after it has not claimed its state for two cycles, and is found once', () => {
    const { found, silent } = turns([waiting, waiting, waiting, waiting]);
    expect(found).toEqual([[], [], ['aaa'], []]);
    expect(silent.without([left, ant])).toEqual([ant]);
  });

  test('counts cycles, not looks', () => {
    const { found } = turns([
      { ...waiting, cycle: 5 },
      { ...waiting, cycle: 7 },
    ]);
    expect(found).toEqual([[], ['aaa']]);
  });

  test('is not silent while it claims what it is paired with', () => {
    const looks = ['a', 'b', 'c', 'd', 'e'].map((pair) => ({ pair, available: [pair] }));
    const { found, silent } = turns(looks);
    expect(found.flat()).toEqual([]);
    expect(silent.without([left, ant])).toEqual([left, ant]);
  });

  test('is not silent if there is no state for it', () => {
    const { found } = turns(Array.from({ length: 9 }, () => ({ pair: undefined, available: [] })));
    expect(found.flat()).toEqual([]);
  });

  test('stays silent though others claim its state, until it is removed', () => {
    const taken = { pair: 'y.state', available: ['y.state'] };
    const { silent } = turns([waiting, waiting, waiting, taken]);
    expect(silent.without([left, ant])).toEqual([ant]);
    const gone = turns([waiting, waiting, waiting, { ...waiting, roster: [ant] }, waiting]);
    expect(gone.silent.without([left, ant])).toEqual([left, ant]);
  });

  test('is never one of a worker with a session, which has a lease', () => {
    const { silent } = turns(Array.from({ length: 5 }, () => ({ ...waiting, roster: [ant] })));
    expect(silent.without([ant])).toEqual([ant]);
  });
});
