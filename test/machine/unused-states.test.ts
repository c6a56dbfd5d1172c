/** States of a table that no instance can be in. */
import { expect, test } from 'vitest';
import { parseConfiguration } from '../../src/machine/config.ts';
import { unusedStates } from '../../src/machine/config-schema.ts';

const unusedIn = (more: string): string[] =>
  unusedStates(
    parseConfiguration(
      `name: m\nstarting_state: a\nstates: [a, b, c, d]\ntransitions: [{ from: a, to: b, event: go }${more}`,
      { file: 'm.yaml', folder: '.' },
    ),
  );

test.each([
  ['in no transition', ']', ['c', 'd']],
  ['where one leads from, though none leads to it', ', { from: d, to: b, event: go }]', ['c']],
  ['that a command names', ']\nactivities: { a: { run: "true", next: c } }', ['d']],
  ['with a command, but nothing leads there', ']\nactivities: { c: { run: "true" } }', ['c', 'd']],
])('a state %s', (_what, more, expected) => {
  expect(unusedIn(more)).toEqual(expected);
});

test('the initial state, where it is in no transition and nothing runs', () => {
  const inB = ', { from: d, to: c, event: go }]';
  const text = `name: m\nstarting_state: a\nstates: [a, b, c, d]\ntransitions: [{ from: b, to: c, event: go }${inB}`;
  const of = (more: string): string[] =>
    unusedStates(parseConfiguration(text + more, { file: 'm.yaml', folder: '.' }));
  expect(of('')).toEqual(['a']);
  expect(of('\nactivities: { a: { run: "true", next: b } }')).toEqual([]);
});

test('returns nothing for a machine without a table', () => {
  const text = 'name: m\nstarting_state: a\nactivities: { a: { run: "true" }, b: { run: "true" } }';
  expect(unusedStates(parseConfiguration(text, { file: 'm.yaml', folder: '.' }))).toEqual([]);
});
