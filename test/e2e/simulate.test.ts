/** `flockwork simulate`, as a user types it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchHere, run, type Ran } from '../fleet.ts';
import { MEMORY_MUTANTS } from '../mutants/memory-mutants.ts';
import { MUTANTS } from '../mutants/mutants.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'flockwork-simulate-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function put(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('many runs', () => {
  test('pass, and print totals', async () => {
    const ran = await run('simulate', '--seeds', '20', '--base', '1', '--json');
    expect(ran.stderr).toBe('');
    expect(ran.status).toBe(0);
    const sums = JSON.parse(ran.stdout) as Record<string, unknown>;
    expect(sums).toMatchObject({ base: 1, runs: 20, found: null });
    for (const key of ['seconds', 'time', 'events', 'operations', 'commits', 'ticks']) {
      expect(sums[key], key).toBeGreaterThan(0);
    }
    expect(Object.keys(sums['faults'] as object).length).toBeGreaterThan(3);
    const { seconds: _, ...again } = sums;
    const second = await run('simulate', '--seeds', '20', '--base', '1', '--json');
    expect(JSON.parse(second.stdout)).toMatchObject(again);
  });

  test('print their seeds', async () => {
    const ran = await run('simulate', '--seeds', '3', '--base', '40');
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain('seeds 40 to 42');
    expect(ran.stdout).toMatch(/^3 runs in \d+ s: [\d.]+ virtual hours, \d+ file operations/);
    expect(ran.stdout).toContain('faults: ');
  });

  test('run on the memory engine', async () => {
    const flags = ['--engine', 'memory', '--base', '1'];
    const ran = await run('simulate', '--seeds', '40', ...flags, '--json');
    expect([ran.status, ran.stderr]).toEqual([0, '']);
    expect(JSON.parse(ran.stdout)).toMatchObject({ runs: 40, found: null });
    const printed = await run('simulate', '--seeds', '3', ...flags);
    expect(printed.stdout).toMatch(/virtual hours, \d+ calls, \d+ ticks/);
    const one = await run('simulate', '--engine', 'memory', '--seed', '7');
    expect(one.stdout).toMatch(/^seed 7: ok\n.* commits, \d+ calls in/);
    expect((await run('simulate', '--engine', 'memory', '--seed', '7')).stdout).toBe(one.stdout);
  });

  test('have the requested size', async () => {
    const commits = async (states: number): Promise<number> => {
      const flags = ['--workers', '2', '--states', String(states), '--minutes', '0', '--json'];
      const ran = await run('simulate', '--seeds', '4', '--base', '1', ...flags);
      expect(ran.status).toBe(0);
      return (JSON.parse(ran.stdout) as { commits: number }).commits;
    };
    // Some come with the seeds: of lamps, and of what forks.
    expect(await commits(30)).toBeGreaterThan(3 * (await commits(1)));
  });
});

describe('one run', () => {
  test('has the same trace each time, and a different one for another seed', async () => {
    const traceOf = async (seed: string): Promise<string> => {
      const ran = await run('simulate', '--seed', seed);
      expect(ran.status).toBe(0);
      expect(ran.stdout).toContain(`seed ${seed}: ok`);
      return /trace ([0-9a-f]{16})/.exec(ran.stdout)![1]!;
    };
    expect(await traceOf('5')).toBe(await traceOf('5'));
    expect(await traceOf('6')).not.toBe(await traceOf('5'));
  });

  test('writes its trace: time, process, event', async () => {
    const trace = join(folder, 'run.log');
    const ran = await run('simulate', '--seed', '5', '--trace', trace, '--json');
    const outcome = JSON.parse(ran.stdout) as { operations: number; trace: string };
    expect(outcome).toMatchObject({ seed: '5', verdict: 'ok', trace: expect.any(String) });
    const lines = readFileSync(trace, 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(outcome.operations / 2);
    for (const line of lines) expect(line).toMatch(/^ *\d+\.\d{4} {2}[\w.-]* +\S/);
    expect(lines.some((line) => /w\d.* link in_progress\/i0\.state: ok/.test(line))).toBe(true);
    const times = lines.map((line) => Number(line.slice(0, 10)));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test('accepts any text as a seed', async () => {
    expect((await run('simulate', '--seed', 'my birthday')).stdout).toContain(
      'seed my birthday: ok',
    );
  });
});

describe('own machines', () => {
  const module = (body: string): string => `
    import { done, machine, next } from ${JSON.stringify(join(ROOT, 'src/index.ts'))};
    export default machine({ name: 'mine', activities: { ${body} } });
  `;

  test('run with own state files', async () => {
    const machines = put(
      'mine.ts',
      module(`begin: ({ payload }) => next('end', payload), end: () => done()`),
    );
    const state = put('one.state', '{"state": "mine/begin", "payload": {"name": "für Elise"}}');
    const flags = ['--machines', machines, '--seeds', '10', '--base', '1', '--json'];
    const ran = await run('simulate', state, ...flags);
    expect(ran.stderr).toBe('');
    expect(ran.status).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ runs: 10, found: null });
    const single = await run('simulate', state, '--machines', machines, '--seed', '3');
    expect(single.stdout).toContain('seed 3: ok');
  });

  test('run on the memory engine', async () => {
    const machines = put('memory.ts', module(`begin: () => done()`));
    const state = put('memory.state', '{"state": "mine/begin"}');
    const flags = ['--engine', 'memory', '--seeds', '10', '--base', '1', '--json'];
    const ran = await run('simulate', state, '--machines', machines, ...flags);
    expect([ran.status, ran.stderr]).toEqual([0, '']);
    expect(JSON.parse(ran.stdout)).toMatchObject({ runs: 10, found: null });
  });

  test('with invalid answers fail, which counts as an end', async () => {
    const machines = put('stray.ts', module(`begin: () => next('nowhere')`));
    const state = put('stray.state', '{"state": "mine/begin"}');
    const ran = await run('simulate', state, '--machines', machines, '--seeds', '3', '--base', '1');
    expect([ran.status, ran.stderr]).toEqual([0, 'seeds 1 to 3\n']);
  });
});

describe('simulate refuses', () => {
  const refused = async (...args: string[]): Promise<Ran> => {
    const ran = await run('simulate', ...args);
    expect(ran.status).toBe(2);
    expect(ran.stdout).toBe('');
    // A sentence, not a stack.
    expect(ran.stderr).not.toMatch(/^\s+at /m);
    return ran;
  };

  test.each([
    ['no runs at all', ['--seeds', '0'], '--seeds'],
    ['half a run', ['--seeds', '1.5'], '--seeds'],
    ['a base that is no number', ['--base', 'x'], '--base'],
    [
      'a trace that cannot be written',
      ['--seed', '1', '--trace', '/nowhere/run.log'],
      '--trace /nowhere/run.log',
    ],
  ])('%s', async (_, args, expected) => {
    expect((await refused(...args)).stderr).toContain(expected);
  });

  test('machines without state files', async () => {
    const machines = join(ROOT, 'examples/machines');
    expect((await refused('--machines', machines)).stderr).toContain(
      'cannot simulate machines without state files',
    );
  });

  test('commands, which do not run in virtual time', async () => {
    const state = put('report.state', '{"state": "report"}');
    const { stderr } = await refused(
      state,
      '--machines',
      join(ROOT, 'examples/pipeline/report.yaml'),
    );
    expect(stderr).toMatch(
      /machine \S+ runs a command in state \S+; only modules can be simulated/,
    );
  });

  test('commands of hooks', async () => {
    const state = put('lamp.state', '{"state": "lamp"}');
    const text = `name: lamp
starting_state: off
states: [off, on]
transitions: [{ from: off, to: on, event: press, run: tell }]
hooks: { tell: { run: 'true' } }
`;
    const { stderr } = await refused(state, '--machines', put('lamp.yaml', text));
    expect(stderr).toContain('machine lamp runs a command in hook tell');
  });

  test('invalid state files', async () => {
    const machines = join(ROOT, 'examples/machines');
    const bad = put('bad.state', '{"state": }');
    expect((await refused(bad, '--machines', machines)).stderr).toContain('bad.state');
    expect((await refused('/nowhere/a.state', '--machines', machines)).stderr).toContain(
      '/nowhere',
    );
  });
});

describe('an error in the program', () => {
  const HOOK = join(ROOT, 'test/mutants/hook.ts');
  const mutated = (name: string, ...args: string[]): Promise<Ran> => {
    const { file, find, replace } = MUTANTS.find((one) => one.name === name)!;
    const env = { FLOCKWORK_MUTANT: JSON.stringify({ file, find, replace }) };
    return launchHere(['--import', HOOK, MAIN, 'simulate', ...args], env).ended;
  };
  /** Breaks a promise within the first few seeds. */
  const UNSYNCED = 'records are not synced before they are committed';

  test('is found, with the command to repeat it; shrunk, it still fails', async () => {
    const ran = await mutated(UNSYNCED, '--seeds', '200', '--base', '1');
    expect(ran.status).toBe(10);
    const seed = /^seed (\d+): safety, I\d: /m.exec(ran.stdout)![1]!;
    expect(ran.stdout).toContain(`run it again: flockwork simulate --seed ${seed} --shrink`);

    type Result = { verdict: string; trace: string; injected: { id: string }[] };
    const again = await mutated(UNSYNCED, '--seed', seed, '--json');
    expect(again.status).toBe(10);
    const whole = JSON.parse(again.stdout) as Result;
    expect(whole).toMatchObject({ seed, verdict: 'safety' });

    const trace = join(folder, 'shrunk.log');
    const small = await mutated(UNSYNCED, '--seed', seed, '--shrink', '--trace', trace, '--json');
    expect(small.status).toBe(10);
    const shrunk = JSON.parse(small.stdout) as Result;
    expect(shrunk.verdict).toBe('safety');
    expect(shrunk.injected.length).toBeLessThanOrEqual(whole.injected.length);
    expect(small.stderr).toMatch(/after \d+ runs, these faults are enough:/);
    for (const { id } of shrunk.injected) expect(small.stderr).toContain(`${id}: `);
    expect(readFileSync(trace, 'utf8').split('\n').length).toBeGreaterThan(10);
  });

  test('on the memory engine is found, with the command to repeat it', async () => {
    const { file, find, replace } = MEMORY_MUTANTS[0]!;
    const env = { FLOCKWORK_MUTANT: JSON.stringify({ file, find, replace }) };
    const args = ['--import', HOOK, MAIN, 'simulate', '--engine', 'memory'];
    const ran = await launchHere([...args, '--seeds', '200', '--base', '1'], env).ended;
    expect(ran.status).toBe(10);
    const seed = /^seed (\d+): safety, /m.exec(ran.stdout)![1]!;
    expect(ran.stdout).toContain(
      `run it again: flockwork simulate --engine memory --seed ${seed} --shrink`,
    );
    const small = await launchHere([...args, '--seed', seed, '--shrink'], env).ended;
    expect(small.status).toBe(10);
    expect(small.stderr).toMatch(/after \d+ runs, these faults are enough:/);
  });

  test('that keeps a run from ending has its own exit status', async () => {
    const ran = await mutated('sweep left out', '--seeds', '200', '--base', '1');
    expect([10, 11]).toContain(ran.status);
    expect(ran.stdout).toMatch(/: (safety|liveness), /);
    const seed = /^seed (\d+): (\w+)/m.exec(ran.stdout)!;
    expect(ran.status).toBe(seed[2] === 'safety' ? 10 : 11);
  });

  test('that ends a worker has its own exit status', async () => {
    const env = {
      FLOCKWORK_MUTANT: JSON.stringify({
        file: 'src/volume/open.ts',
        find: 'export async function openVolume(',
        replace: `export async function openVolume(...args: never[]): Promise<never> {
          throw new TypeError('thrown on purpose', { cause: args });
        }
        export async function openVolumeAsItWas(`,
      }),
    };
    const args = ['--import', HOOK, MAIN, 'simulate', '--seeds', '5', '--base', '1'];
    const ran = await launchHere(args, env).ended;
    expect(ran.status).toBe(12);
    expect(ran.stdout).toContain('crash, TypeError: thrown on purpose');
  });
});
