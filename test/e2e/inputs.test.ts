/** A directory with everything that people and systems leave in one. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet, run } from '../fleet.ts';

const LONG = `${'x'.repeat(210)}.state`;

/** State file → what its reason says. */
const BAD: Readonly<Record<string, string>> = {
  'empty.state': 'empty',
  'half.state': 'not JSON',
  'comma.state': 'not JSON',
  'utf16.state': 'not UTF-8',
  'list.state': 'object',
  'typo.state': 'unknown key "paylod"',
  'nostate.state': 'required',
  'deep.state': '200 levels',
  'large.state': '1048576 are allowed',
  'fifo.state': 'regular files',
  'link.state': 'regular files',
  'folder.state': 'regular files',
  'machine.state':
    'no worker here knows machine sorcery; they know countdown, simple, slow-countdown',
  'unknown.state': 'has no activity in state "flying"',
  'payload.state': 'whole number',
  [LONG]: '216 bytes',
};

const GOOD = ['good.state', 'bom.state', 'proto.state', 'größe.state'];
const IGNORED = [
  '.hidden.state',
  'copy.state~',
  'copy.state.part',
  'x.state-02',
  'notes.txt',
  '.nfs000012',
];

function fill(fleet: Fleet): void {
  const hello = JSON.stringify({ state: 'simple', payload: { target: 'hello' } });
  for (const name of GOOD) fleet.put(name, hello);
  fleet.put('bom.state', `\ufeff${hello}`);
  fleet.put(
    'proto.state',
    '{"state": "simple", "payload": {"target": "x", "__proto__": {"polluted": true}}}',
  );
  for (const name of IGNORED) fleet.put(name, '{');
  fleet.put('empty.state', '');
  fleet.put('half.state', '{"state": "sim');
  fleet.put('comma.state', '{"state": "simple",\n "payload": {},}');
  writeFileSync(join(fleet.dir, 'utf16.state'), Buffer.from(`\ufeff${hello}`, 'utf16le'));
  fleet.put('list.state', '[]');
  fleet.put('typo.state', { state: 'simple', paylod: {} });
  fleet.put('nostate.state', {});
  fleet.put('deep.state', '['.repeat(100_000));
  fleet.put('large.state', ' '.repeat(1024 * 1024 + 1));
  execFileSync('mkfifo', [join(fleet.dir, 'fifo.state')]);
  symlinkSync('/dev/zero', join(fleet.dir, 'link.state'));
  mkdirSync(join(fleet.dir, 'folder.state'));
  fleet.put('machine.state', { state: 'sorcery' });
  fleet.put('unknown.state', { state: 'flying', machine: 'simple' });
  fleet.put('payload.state', { state: 'countdown', payload: { count: 'five' } });
  fleet.put(LONG, hello);
  // A name that is not UTF-8 is ignored.
  writeFileSync(
    Buffer.concat([Buffer.from(`${fleet.dir}/`), Buffer.from([0xff, 0xfe]), Buffer.from('.state')]),
    hello,
  );
}

test('every bad input fails with its reason, and all other states are done', async () => {
  await using fleet = new Fleet();
  fill(fleet);
  const workers = ['ant', 'bee'].map((name) => fleet.worker(name, ['--example-delay', '0']));
  const ended = await Promise.all(workers.map((worker) => worker.ended));
  expect(ended.map(({ status }) => status)).not.toContain(2);
  expect(ended.some(({ status }) => status === 1)).toBe(true);

  expect(fleet.list('done')).toEqual([...GOOD].sort());
  expect(fleet.list('failed')).toEqual(Object.keys(BAD).sort());
  expect(fleet.list('in_progress')).toEqual([]);
  for (const name of IGNORED) expect(fleet.list('.')).toContain(name);

  const text = await run('status', '--dir', fleet.dir);
  expect(text.status).toBe(1);
  const json = await run('status', '--dir', fleet.dir, '--json');
  const { failed } = JSON.parse(json.stdout) as {
    failed: { state: string; reason: string; line?: number }[];
  };
  for (const [name, words] of Object.entries(BAD)) {
    expect(failed.find(({ state }) => state === name)?.reason, name).toContain(words);
    expect(text.stdout).toContain(name);
  }
  expect(failed.find(({ state }) => state === 'comma.state')).toMatchObject({
    line: 2,
    column: 16,
  });
});

test('a file that is being copied is not run until it is complete', async () => {
  await using fleet = new Fleet();
  const hello = JSON.stringify({ state: 'simple', payload: { target: 'whole' } });
  const worker = fleet.worker('ant', ['--watch', '--example-delay', '0']);
  await fleet.until('the worker is there', () => fleet.list('workers').length === 1);
  // Each cycle finds more of it: never the same twice.
  for (let length = 1; length < hello.length; length += 8) {
    fleet.put('slow.state', hello.slice(0, length));
    const claimed = (): boolean => fleet.list('in_progress').includes('slow.state');
    await fleet.until('it is claimed', claimed);
    expect(fleet.list('failed')).toEqual([]);
  }
  fleet.put('slow.state', hello);
  await fleet.until('it is done', () => fleet.list('done').includes('slow.state'));
  worker.kill('SIGTERM');
  expect((await worker.ended).status).toBe(0);
  expect(fleet.list('failed')).toEqual([]);
});

test('a corrected file runs again after retry', async () => {
  await using fleet = new Fleet();
  fleet.put('x.state', '{');
  expect((await fleet.worker('ant').ended).status).toBe(1);
  expect((await run('retry', 'y', '--dir', fleet.dir)).stderr).toContain('x.state');
  fleet.put('x.state', { state: 'simple', payload: { target: 'mended' } });
  expect((await run('retry', 'x', '--dir', fleet.dir)).stdout).toContain('x.state');
  const again = await fleet.worker('ant', ['--example-delay', '0']).ended;
  expect(again).toMatchObject({ status: 0, stdout: 'mended\n' });
  expect(fleet.list('done')).toEqual(['x.state']);
  chmodSync(fleet.dir, 0o755);
});
