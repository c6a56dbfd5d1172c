/** A worker's life: signals, names, pauses, retries and mixed fleets. */
import { parseCommitRecord } from '../../src/machine/record.ts';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectCleanVolume } from '../clean-volume.ts';
import { Fleet, run } from '../fleet.ts';

const FAST = ['--example-delay', '0'];

describe('a worker that is told to stop', () => {
  test('finishes running ticks and releases the rest at SIGTERM: exit 0', async () => {
    await using fleet = new Fleet();
    const line =
      ': > "$FLOCKWORK_DIR/.begun-$$"; ' +
      'until [ -e "$FLOCKWORK_DIR/.end" ]; do sleep 0.05; done';
    const folder = machines(fleet, {
      'held.yaml': `name: held\nstarting_state: go\nactivities: { go: { run: '${line}' } }\n`,
    });
    for (let index = 0; index < 6; index += 1) fleet.put(`s${index}.state`, { state: 'held' });
    const worker = fleet.worker('ant', ['--concurrency', '2', '--machines', folder]);
    const begun = (): number => fleet.list('.').filter((name) => name.startsWith('.begun-')).length;
    await fleet.until('two run', () => begun() === 2);
    worker.kill('SIGTERM');
    await fleet.until('it has heard', () => worker.stderr.includes('stopping'));
    fleet.put('.end', '');
    expect((await worker.ended).status).toBe(0);
    expect(fleet.list('done').length).toBe(2);
    expectCleanVolume(fleet);
  });

  test('exits with 130 at SIGINT; aborts a tick longer than the drain without counting an attempt', async () => {
    await using fleet = new Fleet();
    fleet.put('slow.state', { state: 'slow-countdown', payload: { count: 1 } });
    const worker = fleet.worker('ant', ['--drain', '0s', '--example-delay', '60']);
    await fleet.until('it runs', () => fleet.list('in_progress').length === 1);
    worker.kill('SIGINT');
    expect((await worker.ended).status).toBe(130);
    expect(fleet.list('done')).toEqual([]);
    expectCleanVolume(fleet);
  });

  test('ends at once at a second signal', async () => {
    await using fleet = new Fleet();
    fleet.put('slow.state', { state: 'slow-countdown', payload: { count: 1 } });
    const worker = fleet.worker('ant', ['--drain', '1h', '--example-delay', '600']);
    await fleet.until('it runs', () => fleet.list('in_progress').length === 1);
    worker.kill('SIGTERM');
    await fleet.until('it has heard', () => worker.stderr.includes('stopping'));
    worker.kill('SIGTERM');
    expect((await worker.ended).status).toBe(143);
    expect(fleet.list('in_progress')).toEqual(['slow.state']);
  });
});

function machines(fleet: Fleet, files: Record<string, string>): string {
  const folder = join(fleet.dir, '.machines');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function isRunning(pid: number): boolean {
  try {
    // A zombie has ended.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('up that is told to stop', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s: its workers settle, and leave nothing',
    async (signal) => {
      await using fleet = new Fleet();
      fleet.put('slow.state', { state: 'slow-countdown', payload: { count: 100 } });
      const up = fleet.command('up', '--workers', '2', '--example-delay', '0.1', '--drain', '20s');
      await fleet.until('it runs', () => fleet.list('in_progress').length === 1);
      up.kill(signal);
      const { status, stdout } = await up.ended;
      expect(status).toBe(signal === 'SIGINT' ? 130 : 3);
      expect(stdout).toContain('are left');
      expectCleanVolume(fleet);
    },
  );

  test('ends at once at a second signal, with its workers', async () => {
    await using fleet = new Fleet();
    fleet.put('slow.state', { state: 'slow-countdown', payload: { count: 3 } });
    const flags = ['--example-delay', '100', '--drain', '1h', '--lease', '1s'];
    const up = fleet.command('up', '--workers', '1', ...flags);
    await fleet.until('it runs', () => fleet.list('in_progress').length === 1);
    up.kill('SIGINT');
    await fleet.until('they have heard', () => up.stderr.includes('stopping'));
    up.kill('SIGINT');
    expect((await up.ended).status).toBe(130);
    // Its lease stays: nothing was settled.
    expect(fleet.list('.flockwork/leases')).toHaveLength(1);
    const [session] = fleet.list('.flockwork/sessions');
    const { pid } = JSON.parse(fleet.read('.flockwork/sessions', session!)) as { pid: number };
    await fleet.until('its worker has ended', () => !isRunning(pid));
  });

  test('after SIGKILL, its workers settle and end their commands', async () => {
    await using fleet = new Fleet();
    const line = 'echo $$ > "$FLOCKWORK_DIR/.pid"; sleep 600 & exec sleep 600';
    const folder = machines(fleet, {
      'long.yaml': `name: long\nstarting_state: go\nactivities: { go: { run: '${line}' } }\n`,
    });
    fleet.put('x.state', { state: 'long' });
    const up = fleet.command('up', '--workers', '1', '--machines', folder, '--drain', '1s');
    const file = join(fleet.dir, '.pid');
    await fleet.until('it runs', () => existsSync(file) && fleet.read('.pid').endsWith('\n'));
    const group = -Number(fleet.read('.pid'));
    up.kill('SIGKILL');
    await fleet.until('its worker has left', () => fleet.list('.flockwork/leases').length === 0);
    await fleet.until('all is settled', () => fleet.list('.flockwork/sessions').length === 0);
    expectCleanVolume(fleet);
    await fleet.until('the command is gone', () => {
      try {
        return !process.kill(group, 0);
      } catch {
        return true;
      }
    });
  });
});

describe('a worker refuses', () => {
  test('a second worker of its name while the first one is alive', async () => {
    await using fleet = new Fleet();
    const first = fleet.worker('ant', ['--watch', '--lease', '2s']);
    await fleet.until('the first is there', () => fleet.list('workers').length === 1);
    const second = await fleet.worker('ant', ['--watch']).ended;
    expect(second.status).toBe(2);
    expect(second.stderr).toContain('another worker named ant');
    first.kill('SIGTERM');
    expect((await first.ended).status).toBe(0);
    expectCleanVolume(fleet);
  });

  test('to continue when the volume is unmounted: an empty directory is not an empty volume', async () => {
    await using fleet = new Fleet();
    const worker = fleet.worker('ant', ['--watch']);
    await fleet.until('it is there', () => fleet.list('workers').length === 1);
    rmSync(join(fleet.dir, '.flockwork'), { recursive: true });
    rmSync(join(fleet.dir, 'in_progress'), { recursive: true });
    const { status, stderr } = await worker.ended;
    expect(status).toBe(2);
    expect(stderr).toContain('not the volume it was');
  });

  test('phases other than the volume’s', async () => {
    await using fleet = new Fleet();
    expect((await fleet.worker('ant', ['--update', '300ms']).ended).status).toBe(0);
    const other = await fleet.worker('bee', ['--update', '3s']).ended;
    expect(other.status).toBe(2);
    expect(other.stderr).toContain('--update 300ms');
  });

  test.each([
    [['--name', '../x'], 'worker name'],
    [['--machines', '/nowhere'], 'ENOENT'],
    [['--concurrency', '0'], 'at least 1'],
    [['--lease', 'soon'], 'duration'],
    [['--assign', 'dice'], 'slices'],
    [['--nonsense'], 'worker has no option --nonsense'],
  ])('%j', async (args, words) => {
    await using fleet = new Fleet();
    const ran = await fleet.worker('ant', args).ended;
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain(words);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });
});

describe('pause and resume', () => {
  test('no worker claims or ends while paused', async () => {
    await using fleet = new Fleet();
    await run('pause', '--dir', fleet.dir);
    fleet.put('x.state', { state: 'simple', payload: { target: 'x' } });
    const worker = fleet.worker('ant', [...FAST, '--log-level', 'debug', '--log-format', 'json']);
    // Three assignments have come and gone.
    await fleet.until(
      'it has looked',
      () => (worker.stderr.match(/"workers":1,"msg":"assignment"/g)?.length ?? 0) >= 3,
    );
    expect(fleet.list('in_progress')).toEqual([]);
    expect((await run('status', '--dir', fleet.dir)).stdout).toContain('paused');
    await run('resume', '--dir', fleet.dir);
    expect((await worker.ended).status).toBe(0);
    expect(fleet.list('done')).toEqual(['x.state']);
  });
});

describe('own machines', () => {
  const index = join(import.meta.dirname, '../../src/index.ts');

  test('a failing tick is retried, then fails with every attempt', async () => {
    await using fleet = new Fleet();
    const folder = machines(fleet, {
      'flaky.ts': `import { machine, done } from '${index}';
        export default machine({ name: 'flaky', activities: { go: {
          tick: ({ attempt, payload }) => { if (attempt <= payload.failures) throw new Error('not yet'); return done({ attempt }); },
          retry: { maximumAttempts: 3, initialInterval: '10ms' } } } });`,
    });
    fleet.put('twice.state', { state: 'flaky', payload: { failures: 2 } });
    fleet.put('always.state', { state: 'flaky', payload: { failures: 9 } });
    expect((await fleet.worker('ant', ['--machines', folder]).ended).status).toBe(1);
    const record = JSON.parse(fleet.read('done', 'twice.state')) as {
      output: unknown;
      attempts: unknown[];
    };
    expect(record.output).toEqual({ attempt: 3 });
    expect(record.attempts.length).toBe(2);
    const failure = JSON.parse(fleet.read('failed', 'always.state')) as {
      reason: string;
      attempts: unknown[];
    };
    expect(failure.reason).toContain('failed after 3 attempts, the last: not yet');
    expect(failure.attempts.length).toBe(3);
    expect((await run('show', 'always', '--dir', fleet.dir)).stdout).toContain(
      'attempt 3: failed on ant',
    );
    expectCleanVolume(fleet);
  });

  test('a tick that blocks for ever stops the heartbeat, and other workers fail its state', async () => {
    await using fleet = new Fleet();
    const folder = machines(fleet, {
      'stuck.ts': `import { machine, done } from '${index}';
        export default machine({ name: 'stuck', activities: { go: {
          tick: () => { for (;;); }, timeout: '200ms', retry: { maximumAttempts: 1 } } } });`,
    });
    fleet.put('x.state', { state: 'stuck' });
    const hung = fleet.worker('hung', ['--machines', folder, '--lease', '1s']);
    await fleet.until('it hangs', () => fleet.list('in_progress').length === 1);
    const other = await fleet.worker('other', ['--machines', folder]).ended;
    expect(other.status).toBe(1);
    expect(JSON.parse(fleet.read('failed', 'x.state'))).toMatchObject({
      code: 'attempts-exhausted',
      attempts: [{ result: 'lost', worker: 'hung' }],
    });
    hung.kill('SIGKILL');
  });

  test('in a mixed fleet, workers release states of unknown machines to workers that know them', async () => {
    await using fleet = new Fleet();
    const folder = machines(fleet, {
      'special.yaml':
        'name: special\nstarting_state: go\nactivities: { go: { run: "echo \\"$FLOCKWORK_STEP_INSTANCE\\" >&2" } }\n',
    });
    const plain = fleet.worker('plain', ['--watch']);
    const able = fleet.worker('able', ['--watch', '--machines', folder]);
    await fleet.until('both are there', () => fleet.list('workers').length === 2);
    for (let number = 0; number < 8; number += 1)
      fleet.put(`s${number}.state`, { state: 'special' });
    await fleet.until('all are done', () => fleet.list('done').length === 8);
    for (const worker of [plain, able]) worker.kill('SIGTERM');
    await Promise.all([plain.ended, able.ended]);
    expect(fleet.list('failed')).toEqual([]);
    expect(
      new Set(
        fleet
          .journal()
          .filter(({ result }) => result === 'done')
          .map(({ worker }) => worker),
      ),
    ).toEqual(new Set(['able']));
    expectCleanVolume(fleet);
  });

  test('a command gets the state, answers, logs its standard error, and is killed with its group at the timeout', async () => {
    await using fleet = new Fleet();
    const folder = machines(fleet, {
      'shell.yaml': `
name: shell
starting_state: first
activities:
  first: { run: 'sed "s/.*\\"n\\":\\([0-9]*\\).*/{\\"n\\": \\1\\1}/"', next: second }
  second: { run: 'echo "n is $FLOCKWORK_STEP_VALUE_N" >&2; printf "{\\"done\\": $FLOCKWORK_STEP_VALUE_N}"' }
  slow: { run: 'sleep 300 & sleep 300; echo never > survived', timeout: 300ms, retry: { maximumAttempts: 1 } }
  bad: { run: 'echo oops; echo why >&2; exit 3', retry: { maximumAttempts: 1 } }
`,
    });
    fleet.put('good.state', { state: 'shell', payload: { n: 7 } });
    fleet.put('slow.state', { state: 'slow', machine: 'shell' });
    fleet.put('bad.state', { state: 'bad', machine: 'shell' });
    const ran = await fleet.worker('ant', ['--machines', folder, '--log-format', 'json']).ended;
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('n is 77');
    const record = parseCommitRecord(fleet.read('done', 'good.state-1'), 'good.state-1');
    expect(record).toMatchObject({ output: 77 });
    expect(JSON.parse(fleet.read('failed', 'slow.state')).reason).toContain(
      'timed out after 300 ms',
    );
    expect(JSON.parse(fleet.read('failed', 'bad.state')).reason).toContain(
      'exited with status 3\nwhy',
    );
    expect(existsSync(join(folder, 'survived'))).toBe(false);
  });
});
