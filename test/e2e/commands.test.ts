/** The commands around a run, as a user types them. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Layout } from '../../src/volume/layout.ts';
import { Fleet, run, type Ran } from '../fleet.ts';

const ROOT = join(import.meta.dirname, '../..');
const STATES = [join(ROOT, 'simpleStates'), join(ROOT, 'interestingStates')];
const SHIPPED = [
  'countdown.state',
  'countdown.state-1',
  'countdown.state-2',
  'countdown.state-3',
  'countdown.state-4',
  'goodbye.state',
  'hello.state',
  'howdoyoudo.state',
  'slowcountdown.state',
  'slowcountdown.state-1',
  'slowcountdown.state-2',
  'slowcountdown.state-3',
  'slowcountdown.state-4',
];

test('up runs as many workers as there are CPUs, and warns of more than twice as many', async () => {
  await using fleet = new Fleet();
  const cpus = availableParallelism();
  const up = ['up', join(ROOT, 'simpleStates'), '--dir', fleet.dir, '--example-delay', '0'];
  const warning = `more workers than processors`;
  const first = await run(...up, '--name', 'w', '--log-format', 'json');
  expect(first).toMatchObject({ status: 0, stderr: expect.not.stringContaining(warning) });
  const workers = new Set(first.stderr.match(/"worker":"w-\d+"/g));
  expect(workers.size).toBe(cpus);
  expect((await run('reset', '--done', '--yes', '--dir', fleet.dir)).status).toBe(0);
  const second = await run(...up, '--workers', String(2 * cpus));
  expect(second).toMatchObject({ status: 0, stderr: expect.not.stringContaining(warning) });
  expect((await run('reset', '--done', '--yes', '--dir', fleet.dir)).status).toBe(0);
  const third = await run(...up, '--workers', String(2 * cpus + 1));
  expect(third).toMatchObject({ status: 0, stderr: expect.stringContaining(warning) });
});

test('the whole story: up, status, show, log, again, reset, again', async () => {
  await using fleet = new Fleet();
  const dir = ['--dir', fleet.dir];
  const up = ['up', ...STATES, ...dir, '--workers', '3', '--example-delay', '0.01', '--name', 'w'];
  const first = await run(...up);
  expect(first.status).toBe(0);
  expect(first.stdout).toContain('Everything is done.');
  expect(first.stdout).toContain('Hello, world!');
  expect(fleet.list('done')).toEqual(SHIPPED);

  const status = JSON.parse((await run('status', ...dir, '--json')).stdout) as Record<
    string,
    unknown
  >;
  expect(status).toMatchObject({
    counts: { available: 0, inProgress: 0, done: 13, failed: 0 },
    machines: { simple: { done: 3 }, countdown: { done: 5 }, 'slow-countdown': { done: 5 } },
    paused: false,
  });

  const chain = JSON.parse((await run('show', 'countdown', ...dir, '--json')).stdout) as {
    chain: object[];
  };
  expect(chain.chain).toHaveLength(5);
  expect(chain.chain[0]).toMatchObject({
    name: 'countdown.state',
    flag: 'done',
    payload: { count: 5 },
    worker: expect.stringMatching(/^w-[123]$/),
  });
  expect((await run('show', 'missing', ...dir)).status).toBe(2);
  // As after a power cut: the step before says what it was.
  fleet.put('countdown.state-1', fleet.read('countdown.state-1').slice(0, 20));
  expect(JSON.parse((await run('show', 'countdown', ...dir, '--json')).stdout)).toEqual(chain);

  const log = (await run('log', ...dir)).stdout.trim().split('\n');
  expect(log).toHaveLength(14);
  expect(log[0]).toBe('started\tduration\tstate\tmachine\tworker\tattempt\tresult\tevents');
  const starts = log.slice(1).map((line) => line.split('\t')[0]!);
  expect(starts).toEqual([...starts].sort());

  const json = await run(...up, '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ failed: [], left: 0, journal: [] });

  const again = await run(...up);
  expect(again.status).toBe(0);
  expect(again.stdout).toContain('done already');
  expect(again.stdout).toContain('reset --all');

  expect((await run('reset', '--all', '--yes', ...dir)).stdout).toContain('removed 13 done');
  expect(fleet.list('.').filter((name) => name.includes('.state'))).toEqual(
    SHIPPED.filter((name) => name.endsWith('.state')),
  );
  expect((await run('status', ...dir)).status).toBe(3);
  const rerun = await run(...up, '--json');
  expect(rerun.status).toBe(0);
  expect((JSON.parse(rerun.stdout) as { journal: object[] }).journal).toHaveLength(13);
  expect(fleet.list('done')).toEqual(SHIPPED);
});

test('up on an empty directory says that there is nothing yet', async () => {
  await using fleet = new Fleet();
  const { status, stdout } = await run('up', '--dir', fleet.dir, '--workers', '1');
  expect(status).toBe(0);
  expect(stdout).toContain('There are no states yet');
});

test('archived states are counted, shown, not run again, and restored by reset', async () => {
  await using fleet = new Fleet();
  const dir = ['--dir', fleet.dir];
  const layout = new Layout(fleet.dir);
  fleet.put('c.state', { state: 'countdown', payload: { count: 2 } });
  const work = (): Promise<Ran> =>
    fleet.worker('ant', ['--example-delay', '0', '--keep', '5']).ended;
  expect((await work()).status).toBe(0);
  for (const name of ['c.state', 'c.state-1']) {
    mkdirSync(`${layout.archiveShard(name)}/done`, { recursive: true });
    renameSync(layout.flag('done', name), layout.archivedFlag(name));
    renameSync(layout.state(name), layout.archivedState(name));
  }
  const status = await run('status', ...dir);
  expect(status).toMatchObject({ status: 0, stdout: expect.stringContaining('2 archived') });
  const shown = await run('show', 'c', ...dir, '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({
    chain: [
      { name: 'c.state', flag: 'archived', payload: { count: 2 }, worker: 'ant' },
      { name: 'c.state-1', flag: 'archived', payload: { count: 1 }, worker: 'ant' },
    ],
  });
  expect((await run('log', ...dir)).stdout.trim().split('\n')).toHaveLength(3);
  // As with cp: it is done already, and is not ticked again.
  fleet.put('c.state', { state: 'countdown', payload: { count: 2 } });
  expect((await work()).status).toBe(0);
  expect(fleet.journal()).toHaveLength(2);
  expect(fleet.list('done')).toEqual(['c.state']);
  const reset = await run('reset', '--all', '--yes', ...dir);
  expect(reset.stdout).toContain('removed 2 done (2 of them archived)');
  expect(fleet.list('.').filter((name) => name.includes('.state'))).toEqual(['c.state']);
  expect((await work()).status).toBe(0);
  expect(fleet.list('done')).toEqual(['c.state', 'c.state-1']);
});

test.each(['-1', '1.5', 'many'])('refuses --keep %s', async (keep) => {
  await using fleet = new Fleet();
  const ran = await run('worker', '--keep', keep, '--dir', fleet.dir);
  expect(ran).toMatchObject({ status: 2, stderr: expect.stringContaining('--keep') });
});

describe('submit', () => {
  test('never overwrites, and prints each outcome', async () => {
    await using fleet = new Fleet();
    const dir = ['--dir', fleet.dir];
    expect((await run('submit', STATES[0]!, ...dir)).stdout).toContain('hello.state: submitted');
    expect((await run('submit', STATES[0]!, ...dir)).stdout).toContain(
      'hello.state: there already',
    );
    fleet.put('hello.state', 'mine');
    const taken = await run('submit', STATES[0]!, ...dir);
    expect(taken.status).toBe(2);
    expect(taken.stderr).toContain('hello.state');
    expect(fleet.read('hello.state')).toBe('mine');
  });

  test('refuses all invalid files with line and column, and submits nothing', async () => {
    await using fleet = new Fleet();
    const folder = join(fleet.dir, '.in');
    mkdirSync(folder);
    const files = {
      'good.state': '{"state": "simple"}',
      'bad.state': '{\n "state": }',
      'worse.state-01': '{}',
      'empty.state': '',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const ran = await run(
      'submit',
      ...Object.keys(files).map((name) => join(folder, name)),
      '--dir',
      fleet.dir,
    );
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain('bad.state:2:11: not JSON');
    expect(ran.stderr).toContain('INSTANCE.state');
    expect(ran.stderr).toContain('empty.state: empty');
    expect(fleet.list('.').filter((name) => name.endsWith('.state'))).toEqual([]);
  });

  test('creates instances of a machine', async () => {
    await using fleet = new Fleet();
    const ran = await run(
      'submit',
      '--machine',
      'simple',
      '--payload',
      '{"target": "x"}',
      '--count',
      '12',
      '--dir',
      fleet.dir,
      '--json',
    );
    expect(Object.keys(JSON.parse(ran.stdout) as object)).toHaveLength(12);
    expect(fleet.list('.').filter((name) => name.endsWith('.state'))).toHaveLength(12);
    expect((await fleet.worker('ant', ['--example-delay', '0']).ended).status).toBe(0);
    expect(fleet.list('done')).toHaveLength(12);
  });

  test.each([
    [[], 'expected PATHS'],
    [['--machine', 'simple', '--payload', '{'], 'not JSON'],
    [['/nowhere.state'], 'ENOENT'],
    [['--machine', 'simple', '--count', '0'], 'at least 1'],
  ])('refuses %j', async (args, words) => {
    await using fleet = new Fleet();
    const ran = await run('submit', ...args, '--dir', fleet.dir);
    expect(ran).toMatchObject({ status: 2, stderr: expect.stringContaining(words) });
  });
});

test('validate reports every problem of states and machines', async () => {
  await using fleet = new Fleet();
  expect((await run('validate', ...STATES)).stdout).toContain('5 checked');
  fleet.put('a.state', { state: 'sorcery' });
  fleet.put('m.yaml', 'name: m\nstarting_state: x\nactivities: { y: { run: "true", nxt: z } }\n');
  const ran = await run('validate', join(fleet.dir, 'a.state'), join(fleet.dir, 'm.yaml'));
  expect(ran.status).toBe(1);
  for (const words of ['does not know machine sorcery', 'm.yaml:2:', 'no state x', 'nxt'])
    expect(ran.stdout).toContain(words);
});

test('reset asks first, and refuses while workers run', async () => {
  await using fleet = new Fleet();
  const worker = fleet.worker('ant', ['--watch', '--lease', '1s']);
  await fleet.until('it is there', () => fleet.list('workers').length === 1);
  expect((await run('health', '--dir', fleet.dir, '--name', 'ant')).status).toBe(0);
  expect((await run('health', '--dir', fleet.dir, '--name', 'bee')).status).toBe(1);
  expect(await run('reset', '--all', '--yes', '--dir', fleet.dir)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('workers are running'),
  });
  expect(await run('reset', '--dir', fleet.dir)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--done'),
  });
  expect(await run('show', '.hidden', '--dir', fleet.dir)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('is not a valid instance'),
  });
  worker.kill('SIGTERM');
  await worker.ended;
  fleet.put('x.state', { state: 'simple' });
  writeFileSync(join(fleet.dir, 'done', 'x.state'), '');
  expect(await run('reset', '--all', '--dir', fleet.dir)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--yes'),
  });
  expect(fleet.list('done')).toEqual(['x.state']);
});

test('file system errors are printed without a stack', async () => {
  await using fleet = new Fleet();
  writeFileSync(join(fleet.dir, 'file'), '');
  const ran = await run('send', 'lamp', 'press', '--dir', join(fleet.dir, 'file', 'volume'));
  expect(ran.status).toBe(2);
  expect(ran.stderr).toContain('ENOTDIR');
  expect(ran.stderr).not.toContain('    at ');
});

test('flockwork without arguments prints help once', async () => {
  const ran = await run();
  expect(ran).toMatchObject({ status: 2, stderr: '' });
  expect(ran.stdout.match(/^Work:$/gm)).toHaveLength(1);
  expect(await run('--help')).toMatchObject({ status: 0, stdout: ran.stdout });
});

test('completion prints a script', async () => {
  expect((await run('completion')).stdout).toContain('flockwork');
});

test.each([
  [['frobnicate'], 'there is no command frobnicate; flockwork --help'],
  [['stats'], 'did you mean status?'],
  [['status', '--dir', '/nowhere'], 'no directory'],
  [['retry'], 'NAMES or --all'],
  [['retry', '--concurency', '3'], 'retry has no option --concurency'],
])('%j exits with 2 and a remedy', async (args, words) => {
  expect(await run(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining(words) });
});
