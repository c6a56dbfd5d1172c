/** `flockwork doctor`, and what a first worker makes sure of. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet, run } from '../fleet.ts';

/** A directory in which not even root can create a file. */
const READ_ONLY = '/sys';

interface Result {
  usable: boolean;
  judgements: { property: string; verdict: string; measured: string; sentence: string }[];
  recommended: { phases: object; lease: number; flags: string };
  measured: Record<string, unknown>;
}

test('a fit directory: exit 0, JSON, and no files left behind', async () => {
  await using fleet = new Fleet();
  const ran = await run('doctor', fleet.dir, '--json');
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  const result = JSON.parse(ran.stdout) as Result;
  expect(result).toMatchObject({
    directory: fleet.dir,
    usable: true,
    measured: { race: { processes: 6, mounts: 1, twoWinners: 0, noWinner: 0 } },
  });
  expect(result.judgements.filter(({ verdict }) => verdict === 'bad')).toEqual([]);
  expect(result.judgements.length).toBeGreaterThan(15);
  for (const judgement of result.judgements) {
    for (const text of Object.values(judgement)) expect(text).toMatch(/\S/);
  }
  expect(result.recommended.flags).toMatch(/^--assignment \S+ --commitment \S+ --update/);
  expect(readdirSync(fleet.dir)).toEqual([]);
});

test('examines a volume in use, and recommends flags that a worker accepts', async () => {
  await using fleet = new Fleet();
  const first = await run('doctor', '--dir', fleet.dir, '--json');
  const flags = (JSON.parse(first.stdout) as Result).recommended.flags.split(' ');
  fleet.put('hello.state', { state: 'simple', payload: { target: 'hello' } });
  const worker = fleet.worker('ant', ['--watch', ...flags]);
  await fleet.until('it is done', () => fleet.list('done').length === 1);
  const again = await run('doctor', fleet.dir);
  expect(again.status).toBe(0);
  expect(again.stdout).toContain('phases in use');
  expect(again.stdout).toMatch(/^✓ {2}hard links/m);
  expect(again.stdout).not.toContain('\u001b[');
  worker.kill('SIGTERM');
  expect((await worker.ended).status).toBe(0);
  expect(readdirSync(fleet.dir).sort()).toEqual([
    '.flockwork',
    'done',
    'events',
    'failed',
    'hello.state',
    'in_progress',
    'outcomes',
    'waiting',
    'workers',
  ]);
});

test('Ctrl-C: exit 130, and no files left behind', async () => {
  await using fleet = new Fleet();
  const examination = fleet.command('doctor');
  await fleet.until('it is at it', () => readdirSync(fleet.dir).length > 0);
  examination.kill('SIGINT');
  expect(await examination.ended).toMatchObject({ status: 130, stdout: '' });
  expect(readdirSync(fleet.dir)).toEqual([]);
});

test('refuses a path that is not a directory', async () => {
  await using fleet = new Fleet();
  const file = join(fleet.dir, 'file');
  writeFileSync(file, '');
  const refused = [
    [['/nowhere'], 'there is no directory /nowhere'],
    [[file], 'is not a directory'],
    [[fleet.dir, '--through', '/nowhere'], 'there is no directory /nowhere'],
  ] as const;
  for (const [args, words] of refused) {
    const ran = await run('doctor', ...args);
    expect(ran).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(words) });
  }
});

test('a read-only directory: exit 2 with the reason, and workers refuse it', async () => {
  const ran = await run('doctor', READ_ONLY);
  expect(ran.status).toBe(2);
  expect(ran.stdout).toMatch(/^✗ {2}writable/m);
  expect(ran.stdout).toContain(`${READ_ONLY} cannot be used as a volume: writable.`);
  const json = JSON.parse((await run('doctor', READ_ONLY, '--json')).stdout) as Result;
  expect(json).toMatchObject({ usable: false });
  expect(json.recommended).toBeUndefined();
  expect(await run('worker', '--dir', READ_ONLY, '--name', 'ant')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(`cannot use ${READ_ONLY} as a volume: writable: E`),
  });
});
