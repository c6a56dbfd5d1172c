/** One process on several volumes, as a user types it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Fleet, run, type Ran } from '../fleet.ts';

/** Volumes beside each other, each of which cleans up after itself. */
class Volumes implements AsyncDisposable {
  readonly fleet: Fleet = new Fleet();
  readonly all: Fleet[];
  readonly flags: string[];

  constructor(count: number) {
    this.all = Array.from({ length: count }, (_, index) => {
      const dir = join(this.fleet.dir, `vol-${index + 1}`);
      mkdirSync(dir);
      return new Fleet(this.fleet.dir, dir);
    });
    this.flags = this.all.flatMap(({ dir }) => ['--dir', dir]);
  }

  /** So many states that print their name, on each volume. */
  fill(count: number): void {
    for (const { dir } of this.all) {
      for (let index = 0; index < count; index += 1) {
        const target = `${basename(dir)} ${index}`;
        const text = JSON.stringify({ state: 'simple', payload: { target } });
        writeFileSync(join(dir, `s${index}.state`), text);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.all) await one[Symbol.asyncDispose]();
    await this.fleet[Symbol.asyncDispose]();
  }
}

const linesOf = (ran: Ran): Record<string, unknown>[] =>
  ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('worker, status, show, log, pause, resume, reset and up work on two volumes', async () => {
  await using volumes = new Volumes(2);
  const { flags, all } = volumes;
  const [one, two] = all as [Fleet, Fleet];
  for (const { dir } of all) {
    const make = ['--machine', 'simple', '--payload', '{"target":"x"}', '--count', '20'];
    expect((await run('submit', ...make, '--dir', dir)).status).toBe(0);
  }
  const states = all.map((volume) => volume.list('.').filter((name) => name.endsWith('.state')));

  expect((await run('status', ...flags)).status).toBe(3);
  const paused = await run('pause', ...flags, '--json');
  expect(linesOf(paused)).toEqual(all.map(({ dir }) => ({ dir, paused: true })));
  expect((await run('resume', ...flags)).stdout).toBe(
    all.map(({ dir }) => `${dir}:\nresumed\n`).join(''),
  );

  const ran = await run('worker', ...flags, '--name', 'ant', '--example-delay', '0');
  expect(ran.status).toBe(0);
  expect(ran.stdout.match(/^x$/gm)).toHaveLength(40);
  expect(all.map((volume) => volume.list('done'))).toEqual(states);
  for (const line of ran.stderr.trim().split('\n')) {
    expect(all.map(({ dir }) => dir)).toContain((JSON.parse(line) as { dir: string }).dir);
  }

  const status = await run('status', ...flags, '--json');
  expect(status.status).toBe(0);
  expect(linesOf(status)).toMatchObject(
    all.map(({ dir }, index) => ({ dir, counts: { done: states[index]!.length, available: 0 } })),
  );
  const instance = states[1]![0]!.replace('.state', '');
  expect(linesOf(await run('show', instance, ...flags, '--json'))).toMatchObject([
    { dir: two.dir, instance },
  ]);
  expect((await run('show', instance, ...flags)).stdout).toContain(`${two.dir}:\nstep`);
  const missing = await run('show', 'missing', ...flags);
  expect(missing).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(`in ${one.dir}, ${two.dir};`),
  });

  const log = (await run('log', ...flags)).stdout.trim().split('\n');
  expect(log[0]).toBe('started\tduration\tstate\tmachine\tworker\tattempt\tresult\tevents\tdir');
  expect(log).toHaveLength(41);
  const starts = log.slice(1).map((line) => line.split('\t')[0]!);
  expect(starts).toEqual(starts.toSorted());

  expect((await run('reset', '--all', '--yes', ...flags)).status).toBe(0);
  expect(all.map((volume) => volume.list('done'))).toEqual([[], []]);
  const up = await run('up', ...flags, '--workers', '2', '--example-delay', '0', '--json');
  expect(up.status).toBe(0);
  expect(JSON.parse(up.stdout)).toMatchObject({ done: 40, left: 0 });
  expect(all.map((volume) => volume.list('done'))).toEqual(states);
});

test('retry finds failed states on each volume', async () => {
  await using volumes = new Volumes(2);
  const [one, two] = volumes.all as [Fleet, Fleet];
  one.put('bad.state', { state: 'nothing-like-it' });
  two.put('worse.state', { state: 'nothing-like-it' });
  expect((await run('worker', ...volumes.flags, '--name', 'ant')).status).toBe(1);
  expect((await run('retry', 'good', ...volumes.flags)).stderr).toContain('bad.state, worse.state');
  expect((await run('retry', 'worse', ...volumes.flags)).stdout).toContain('worse.state');
  expect([one.list('failed'), two.list('failed')]).toEqual([['bad.state'], []]);
  expect((await run('retry', '--all', ...volumes.flags)).status).toBe(0);
  expect(one.list('failed')).toEqual([]);
});

test.each([
  ['submit', ['--machine', 'simple'], 'submit takes one volume, not 2'],
  ['submit', ['--watch', '.'], 'submit takes one volume, not 2'],
  ['send', ['instance', 'event'], 'send takes one volume, not 2'],
  ['up', ['simpleStates'], 'up with PATHS takes one volume, not 2'],
  ['up', ['--inbox', '.'], '--inbox takes one volume, not 2'],
  ['worker', ['--inbox', '.'], '--inbox takes one volume, not 2'],
  ['doctor', [], 'doctor takes one volume, not 2'],
])('%s %j refuses several volumes', async (command, words, message) => {
  await using volumes = new Volumes(2);
  const ran = await run(command, ...words, ...volumes.flags);
  expect(ran).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
  expect(ran.stderr).toContain('run it once for each, with one --dir');
  expect(volumes.all.map((volume) => volume.list('.'))).toEqual([[], []]);
});

describe('a worker', () => {
  test('shares --concurrency among its volumes, without precedence', async () => {
    await using volumes = new Volumes(2);
    volumes.fill(8);
    const pace = ['--concurrency', '2', '--example-delay', '0.3'];
    const ran = await run('worker', ...volumes.flags, '--name', 'ant', ...pace);
    expect(ran.status).toBe(0);
    const spans = volumes.all.flatMap((volume, index) =>
      volume.journal().map(({ started, duration }) => {
        const begin = Date.parse(started);
        // Each volume has its own idea of the time, which a slow machine knows to some milliseconds only: the middle third.
        return { index, begin: begin + duration / 3, end: begin + (2 / 3) * duration };
      }),
    );
    expect(spans).toHaveLength(16);
    for (const { begin } of spans) {
      const running = spans.filter((one) => one.begin <= begin && begin < one.end);
      expect(running.length).toBeLessThanOrEqual(2);
    }
    // Neither waits until the other is through.
    const [one, two] = volumes.all.map((_, index) => spans.filter((span) => span.index === index));
    const firstOf = (all: typeof spans): number => Math.min(...all.map(({ begin }) => begin));
    const lastOf = (all: typeof spans): number => Math.max(...all.map(({ end }) => end));
    expect(firstOf(one!)).toBeLessThan(lastOf(two!));
    expect(firstOf(two!)).toBeLessThan(lastOf(one!));
  });

  test('finishes the others when one of its volumes is not a directory', async () => {
    await using volumes = new Volumes(2);
    volumes.fill(3);
    const file = join(volumes.fleet.dir, 'file');
    writeFileSync(file, '');
    const ran = await run('worker', '--dir', file, ...volumes.flags, '--example-delay', '0');
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain(`${file} is not a directory`);
    expect(volumes.all.map((volume) => volume.list('done').length)).toEqual([3, 3]);
  });

  test('is alive on all of its volumes, and continues with the others when one is gone', async () => {
    await using volumes = new Volumes(2);
    const [lost, kept] = volumes.all as [Fleet, Fleet];
    const dirs = ['--dir', lost.dir];
    const worker = kept.worker('ant', [...dirs, '--watch', '--example-delay', '0']);
    const isThere = (): boolean => volumes.all.every((one) => one.list('workers').length === 1);
    await kept.until('it is on both', isThere);
    const health = ['health', ...volumes.flags, '--name', 'ant', '--json'];
    const well = await run(...health);
    expect([well.status, linesOf(well).map(({ alive }) => alive)]).toEqual([0, [true, true]]);

    rmSync(join(lost.dir, '.flockwork', 'volume.json'));
    await kept.until('it has noticed', () => worker.stderr.includes('is not the volume it was'));
    kept.put('late.state', { state: 'simple', payload: { target: 'late' } });
    await kept.until('the other goes on', () => kept.list('done').length === 1);
    worker.kill('SIGTERM');
    expect((await worker.ended).status).toBe(2);
  });

  test.each<[string, (root: string) => string[], string]>([
    ['a pattern', (root) => ['--dir', join(root, 'vol-*')], 'patterns are not expanded'],
    ['one twice', (root) => ['--dir', root, '--dir', `${root}/`], 'is given twice'],
    [
      'fewer ticks than volumes',
      (root) =>
        ['vol-1', 'vol-2']
          .flatMap((name) => ['--dir', join(root, name)])
          .concat('--concurrency', '1'),
      'one for each volume, got 1',
    ],
  ])('refuses %s', async (_what, flags, words) => {
    await using volumes = new Volumes(2);
    for (const command of ['worker', 'up']) {
      const ran = await run(command, ...flags(volumes.fleet.dir));
      expect([command, ran.status, ran.stderr.includes(words)]).toEqual([command, 2, true]);
    }
    expect(volumes.all.map((volume) => volume.list('.'))).toEqual([[], []]);
  });
});

test('commands that read continue with the others when one of several volumes cannot be used', async () => {
  await using volumes = new Volumes(2);
  const none = join(volumes.fleet.dir, 'none');
  for (const volume of volumes.all) volume.put('a.state', { state: 'simple' });
  const status = await run('status', '--dir', none, ...volumes.flags);
  expect([status.status, status.stderr.includes('there is no directory')]).toEqual([3, true]);
  for (const { dir } of volumes.all) expect(status.stdout).toContain(`${dir}:`);
});
