/** The hook that changes a source while it is loaded, and fails if it could not. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ASSERTED } from '../mutants/assertions.ts';
import type { Mutant } from '../mutants/hook.ts';
import { MEMORY_MUTANTS } from '../mutants/memory-mutants.ts';
import { MUTANTS as SIMULATED } from '../mutants/mutants.ts';
import { MUTANTS as EXPLORED } from '../volume/exhaustive/mutants.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Runs a module's text with a mutant; what it prints is its standard output. */
function run(mutant: Mutant, program: string): { stdout: string; stderr: string } {
  const flags = ['--import', './test/mutants/hook.ts', '--input-type=module', '--eval', program];
  const env = { ...process.env, NO_COLOR: '1', FLOCKWORK_MUTANT: JSON.stringify(mutant) };
  return spawnSync(process.execPath, flags, { cwd: ROOT, env, encoding: 'utf8' });
}

const EXPLORED_TOO = EXPLORED.map(({ what, ...mutant }) => ({ name: what, ...mutant }));

test.each([...SIMULATED, ...MEMORY_MUTANTS, ...ASSERTED, ...EXPLORED_TOO])(
  '$name: the place to change occurs once',
  ({ file, find }) => {
    expect(readFileSync(join(ROOT, file), 'utf8').split(find)).toHaveLength(2);
  },
);

test('loads the module with the change, types included', () => {
  const mutant = {
    file: 'src/volume/heartbeat.ts',
    find: "padStart(15, '0')",
    replace: "padStart(3 as number, '0')",
  };
  const program = `import { formatCounter } from './src/volume/heartbeat.ts';
    process.stdout.write(formatCounter(7));`;
  expect(run(mutant, program)).toMatchObject({ stdout: '007\n', stderr: '' });
});

test('loads it so in a thread that is started without flags and environment', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flockwork-mutant-'));
  try {
    const lease = join(folder, 'lease');
    writeFileSync(lease, '');
    const program = `import { readFileSync } from 'node:fs';
      import { startHeartbeatThread } from './src/volume/heartbeat.ts';
      const lease = ${JSON.stringify(lease)};
      const waiting = setInterval(() => undefined, 1e6);
      const onSample = () => {
        process.stdout.write(readFileSync(lease));
        clearInterval(waiting);
        void heartbeat.stop();
      };
      const heartbeat = startHeartbeatThread({ lease, counter: 5, interval: 1e6, onSample });`;
    const mutant = {
      file: 'src/volume/heartbeat.ts',
      find: 'this.#counter += 1',
      replace: 'this.#counter += 1000',
    };
    expect(run(mutant, program).stdout).toBe('000000000001005\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ['does not occur', 'no such text'],
  ['occurs twice', 'counter'],
])('fails when the place %s', (_, find) => {
  const { stdout, stderr } = run(
    { file: 'src/volume/heartbeat.ts', find, replace: '' },
    `process.stdout.write('ran');`,
  );
  expect(stdout).toBe('');
  expect(stderr).toMatch(/expected one place in src\/volume\/heartbeat\.ts, got \d+/);
});
