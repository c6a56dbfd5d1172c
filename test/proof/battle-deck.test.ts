/** Exhaustive check of the battle deck with all of its airlocks. */
import { expect, test } from 'vitest';
import whole from '../../examples/battle-deck/battle-deck.ts';
import { checkAll } from '../../src/check/check.ts';

test('all claims hold for door, environment, deck and four airlocks', () => {
  const began = performance.now();
  const { findings, bound, states, transitions, together } = checkAll(whole);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`${states} states, ${transitions} transitions, ${together} at once, ${seconds} s`);
  expect({ findings, bound, states }).toEqual({
    findings: [],
    bound: undefined,
    states: 1_142_534,
  });
});
