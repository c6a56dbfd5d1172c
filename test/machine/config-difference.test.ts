import { expect, test } from 'vitest';
import { configurationDifferences } from '../../src/machine/config-difference.ts';

const STORED = `
name: orders
version: 1.10
states: [start, done]
transitions: [{ from: start, to: done, event: go }]
`;

test.each([
  ['as it is', STORED],
  ['comments', `# new\n${STORED}`],
  ['the order of keys', STORED.replace('from: start, to: done', 'to: done, from: start')],
  [
    'another notation',
    JSON.stringify({
      name: 'orders',
      states: ['start', 'done'],
      transitions: [{ from: 'start', to: 'done', event: 'go' }],
      version: '1.10',
    }),
  ],
])('ignores %s', (_what, given) => {
  expect(configurationDifferences(STORED, given)).toEqual([]);
});

test('ignores starting_state against startingState', () => {
  const [stored, given] = ['starting_state', 'startingState'].map(
    (key) => `${STORED}${key}: start\n`,
  );
  expect(configurationDifferences(stored!, given!)).toEqual([]);
});

test.each([
  [
    'a value',
    STORED.replace('event: go', 'event: run'),
    ['transitions.0.event: "go" is stored, not "run"'],
  ],
  [
    'one more',
    `${STORED}starting_state: start\n`,
    ['starting_state: nothing is stored, not "start"'],
  ],
  ['one less', STORED.replace(', done]', ']'), ['states.1: "done" is stored, not nothing']],
  [
    'the order of states',
    STORED.replace('start, done]', 'done, start]'),
    ['states.0: "start" is stored, not "done"', 'states.1: "done" is stored, not "start"'],
  ],
  [
    'a list for a map',
    STORED.replace(/transitions.*/, 'transitions: { from: start }'),
    ['transitions: [{"from":"start","to":"done","event":"go"}] is stored, not {"from":"start"}'],
  ],
  [
    'something long',
    STORED.replace('event: go', `event: ${'x'.repeat(100)}`),
    [`transitions.0.event: "go" is stored, not "${'x'.repeat(59)}…`],
  ],
])('reports %s', (_what, given, lines) => {
  expect(configurationDifferences(STORED, given)).toEqual(lines);
});

test('reports text that does not parse as a whole', () => {
  expect(configurationDifferences('[', STORED)).toEqual([
    expect.stringMatching(/^the configuration: "\[" is stored, not \{"name"/),
  ]);
});
