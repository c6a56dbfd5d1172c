/**
 * Explores all interleavings of two workers with a session each, a reaper that may consider any session dead at any
 * time, lost replies, stale absence and refusals: every state that the project's own claim, commit and
 * recovery can get into. What that leaves out is in docs/protocol.md; larger worlds are in `proof/`.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { explore, type Explored } from './exhaustive/explore.ts';
import { MUTANTS } from './exhaustive/mutants.ts';
import type { Scope } from './exhaustive/scope.ts';

const SCOPE: Scope = {
  workers: 2,
  attempts: 1,
  ticks: 1,
  reapers: 1,
  faults: ['lost', 'stale', 'refused'],
  follow: false,
};

test('two workers: one commit per state, and nothing is lost', async () => {
  const { violation, states } = await explore(SCOPE);
  console.log(`${states} states`);
  expect(violation).toBeUndefined();
  expect(states).toBeGreaterThan(100_000);
});

describe('the check finds', () => {
  const root = join(import.meta.dirname, '../..');
  const args = ['--import', './test/mutants/hook.ts', './test/volume/exhaustive/main.ts'];

  test.each(MUTANTS)('$what', ({ workers, problem, file, find, replace }) => {
    const scope = JSON.stringify({ ...SCOPE, workers } satisfies Scope);
    const env = { ...process.env, FLOCKWORK_MUTANT: JSON.stringify({ file, find, replace }) };
    const output = execFileSync(process.execPath, [...args, scope], { cwd: root, env });
    const { violation } = JSON.parse(output.toString()) as Explored;
    expect(violation?.problem).toMatch(problem);
  });
});
