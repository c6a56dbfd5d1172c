/** `flockwork check`, as a user types it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchHere, run } from '../fleet.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'flockwork-check-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function put(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `import * as flockwork from ${JSON.stringify(join(ROOT, 'src/index.ts'))};\n${text}`,
  );
  return path;
}

/** Counts in its payload: nothing keeps it from going on for ever. */
const COUNTER = `const { choose, composition, machine, never, possible, same } = flockwork;
const counter = (most) => machine({
  name: 'counter', states: ['a', 'b'], events: ['go'], initial: 'a',
  table: { a: { go: 'b' }, b: { go: 'a' } },
});
const many = (count, claims = {}) => composition({
  name: 'many',
  instances: Object.fromEntries(Array.from({ length: count }, (_, at) => ['c' + at, counter()])),
  inputs: Object.fromEntries(Array.from({ length: count }, (_, at) => ['c' + at, ['go']])),
  ...claims,
});
`;

test('exits with 0 when proved, and prints the size', async () => {
  const path = put('proved.ts', `${COUNTER} export default many(10);`);
  const ran = await run('check', path);
  expect(ran.stderr).toBe('');
  expect(ran.status).toBe(0);
  expect(ran.stdout).toMatch(
    /^many: proved\n {2}1,024 states, 10,240 transitions, 0 of them of several/,
  );
  expect(ran.stdout).toMatch(/\d+\.\d s, [\d,]+ states\/s, \d+ MB at most/);
  const json = await run('check', path, '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({
    file: path,
    composition: 'many',
    findings: [],
    states: 1024,
    transitions: 10240,
    seconds: expect.any(Number),
    statesPerSecond: expect.any(Number),
    peakMemory: expect.any(Number),
  });
});

describe('check finds an error', () => {
  const broken = `{ invariants: [never('two at b', (world) => world('c0').state === 'b' && world('c1').state === 'b')] }`;

  test('exits with 10, with a numbered trace', async () => {
    const path = put('broken.ts', `${COUNTER} export default many(2, ${broken});`);
    const ran = await run('check', path);
    expect(ran.status).toBe(10);
    expect(ran.stdout).toContain(
      [
        'broken-invariant: never two at b',
        '  1  c0: go (from outside): a → b',
        '  2  c1: go (from outside): a → b',
        '     then c0: b, c1: b',
      ].join('\n'),
    );
    expect(ran.stdout).toContain('many: 1 found');
    const json = await run('check', path, '--json');
    expect(json.status).toBe(10);
    const { findings } = JSON.parse(json.stdout) as {
      findings: { trace: { steps: unknown[][] } }[];
    };
    expect(findings[0]!.trace.steps).toHaveLength(2);
  });

  test('prints a Mermaid sequence diagram', async () => {
    const path = put('drawn.ts', `${COUNTER} export default many(2, ${broken});`);
    const ran = await run('check', path, '--mermaid');
    expect(ran.status).toBe(10);
    expect(ran.stdout.trimEnd()).toBe(
      [
        '---',
        'title: "broken-invariant: never two at b"',
        '---',
        'sequenceDiagram',
        '  actor outside',
        '  participant i0 as c0',
        '  participant i1 as c1',
        '  outside->>i0: go',
        '  Note over i0: a → b',
        '  outside->>i1: go',
        '  Note over i1: a → b',
      ].join('\n'),
    );
  });

  test('exits with 11 for a livelock only', async () => {
    const goal = `{ goals: [possible('never so', () => false)] }`;
    const ran = await run('check', put('lock.ts', `${COUNTER} export default many(2, ${goal});`));
    expect(ran.status).toBe(11);
    expect(ran.stdout).toContain('livelock: this goal can no longer be reached: never so');
    expect(ran.stdout).toContain('at the start c0: a, c1: a');
  });

  test('exits with the worst status of several files', async () => {
    const goal = `{ goals: [possible('never so', () => false)] }`;
    const paths = [
      put('fine.ts', `${COUNTER} export default many(1);`),
      put('bad.ts', `${COUNTER} export default many(2, ${broken});`),
      put('bad-goal.ts', `${COUNTER} export default many(2, ${goal});`),
    ];
    const ran = await run('check', ...paths);
    expect(ran.status).toBe(10);
    expect(ran.stdout.match(/^many: .*$/gm)).toEqual([
      'many: proved',
      'many: 1 found',
      'many: 1 found',
    ]);
  });
});

test('exits with 3 when there are more states than --max-states', async () => {
  const path = put('large.ts', `${COUNTER} export default many(10);`);
  const ran = await run('check', path, '--max-states', '100');
  expect(ran.status).toBe(3);
  expect(ran.stdout).toContain(
    'many: nothing wrong\n  not proved: there are more states than --max-states',
  );
});

test('checks a machine by itself, a module or a configuration', async () => {
  const path = put('one.ts', `${COUNTER} export default counter();`);
  const yaml = join(folder, 'order.yaml');
  writeFileSync(
    yaml,
    [
      'name: order',
      'states: [open, paid, sent]',
      'starting_state: open',
      'transitions:',
      '  - { from: open, to: paid, event: pay }',
      '  - { from: paid, to: sent, event: send }',
    ].join('\n'),
  );
  const ran = await run('check', path, yaml);
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toContain('counter: proved');
  expect(ran.stdout).toContain('order: proved\n  3 states');
  expect(ran.status).toBe(0);
});

describe('check refuses', () => {
  test.each([
    ['nothing to check', [], 'check needs FILES…'],
    ['a file that is not there', ['nowhere.ts'], 'cannot load '],
    [
      'a file of another kind',
      ['nowhere.txt'],
      'nowhere.txt: expected a .ts, .js, .yaml or .json file',
    ],
    ['no states at all', ['nowhere.ts', '--max-states', '0'], '--max-states'],
  ])('%s', async (_, args, message) => {
    const ran = await run('check', ...args);
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain(message);
  });

  test.each([
    ['exports something else', 'export default 5;', 'exports neither a composition nor a machine'],
    [
      'has a machine without a table',
      "export default flockwork.machine({ name: 'a', activities: { b: () => flockwork.done() } });",
      'cannot check machine a: it has no table',
    ],
    [
      'is no composition',
      "export default flockwork.composition({ name: 'a', instances: {} });",
      'composition a: it has no instances',
    ],
  ])('a module that %s', async (_, text, message) => {
    const ran = await run('check', put('wrong.ts', text));
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain(message);
  });
});

test('a signal stops check with 130, without a verdict', async () => {
  const path = put('endless.ts', `${COUNTER} export default many(24);`);
  const running = launchHere([MAIN, 'check', path]);
  // It is exploring when it has said so.
  await expect.poll(() => running.stderr, { timeout: 60_000 }).toContain('to look at');
  running.kill('SIGINT');
  const ran = await running.ended;
  expect(ran.status).toBe(130);
  expect(ran.stderr).toContain('stopped: many: ');
  expect(ran.stdout).toBe('');
});
