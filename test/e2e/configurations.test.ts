/** Configurations that a volume keeps, run by workers that have never seen their files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet, run } from '../fleet.ts';

const ORDERS = join(import.meta.dirname, '../../examples/orders/orders.yaml');
const COMMAND = `
name: hello
version: v1
starting_state: greet
activities: { greet: { run: 'echo "\\"$PWD\\""' } }
`;

const HOOKED = `
name: letters
starting_state: written
states: [written, posted, closed]
transitions:
  - { from: written, to: posted, event: post, run: note }
  - { from: posted, to: closed, event: close }
hooks:
  note:
    run: node -e 'process.stdin.on("data", (text) => console.log(JSON.stringify(JSON.parse(text).transition)))'
`;

test('a running worker uses a newly stored configuration, and states that failed without it continue', async () => {
  await using fleet = new Fleet();
  fleet.put('early.state', { state: 'orders' });
  const worker = fleet.worker('ant', ['--watch']);
  await fleet.until('no worker knows it', () => fleet.list('failed').length === 1);
  expect(fleet.read('failed/early.state')).toContain('no worker here knows machine orders');

  const dir = ['--dir', fleet.dir];
  const put = await run('config', 'put', ORDERS, ...dir);
  expect(put.stdout).toBe('orders:v1: stored\navailable again: early.state\n');
  fleet.put('late.state', { state: 'waiting', machine: 'orders:v1' });
  await fleet.until('both wait', () => fleet.list('waiting').length === 2);
  const sent = await run('send', 'early', 'accept', '--wait', ...dir);
  expect(sent.stdout).toBe('Ok: start → pending\n');

  // An invalid file beside it does no harm, and a state that names it fails with a reason.
  const folder = join(fleet.dir, '.flockwork/configurations');
  writeFileSync(join(folder, 'torn@v1'), 'name: torn\nversion: v1\nstar');
  writeFileSync(join(folder, 'README'), 'hello');
  mkdirSync(join(folder, 'folder@v1'));
  fleet.put('torn.state', { state: 'torn' });
  fleet.put('folder.state', { state: 'folder', machine: 'folder:v1' });
  await fleet.until('they are put aside', () => fleet.list('failed').length === 2);
  expect(fleet.read('failed/torn.state')).toContain(
    'torn:v1, stored on the volume, cannot be used',
  );
  expect(fleet.read('failed/folder.state')).toContain('no worker here knows machine folder:v1');

  worker.kill('SIGTERM');
  expect((await worker.ended).status).toBe(1);
});

test('a hook of a stored configuration runs its command after the transition, before the next event', async () => {
  await using fleet = new Fleet();
  const dir = ['--dir', fleet.dir];
  const file = join(fleet.dir, '.letters.yaml');
  writeFileSync(file, HOOKED);
  expect((await run('config', 'put', file, ...dir)).status).toBe(0);
  expect((await run('submit', '--machine', 'letters', '--name', 'one', ...dir)).status).toBe(0);
  const ant = fleet.worker('ant', ['--watch', '--trust-volume']);
  const send = (event: string, details: string): ReturnType<typeof run> =>
    run('send', 'one', event, '--details', details, '--wait', ...dir);
  expect((await send('post', '{"by":"air"}')).stdout).toBe('Ok: written → posted\n');
  // Applied when the command has ended, which has left the payload.
  expect((await send('close', '{}')).stdout).toBe('Ok: posted → closed\n');
  const { payload } = JSON.parse(fleet.read('one.state-3')) as { payload: unknown };
  expect(payload).toEqual({ from: 'written', event: 'post', details: { by: 'air' } });
  const shown = await run('show', 'one', ...dir);
  expect(shown.stdout).toMatch(/one\.state-1 .* posted \(hook note\) /);
  ant.kill('SIGTERM');
  expect((await ant.ended).status).toBe(0);
});

test('only workers with --trust-volume run its commands, in their own working directory', async () => {
  await using fleet = new Fleet();
  expect((await run('submit', '--machine', 'hello', '--dir', fleet.dir)).status).toBe(0);
  const file = join(fleet.dir, '.hello.yaml');
  writeFileSync(file, COMMAND);
  expect((await run('config', 'put', file, '--dir', fleet.dir)).status).toBe(0);
  expect((await fleet.worker('ant').ended).status).toBe(1);
  const [state] = fleet.list('failed');
  expect(fleet.read(`failed/${state}`)).toContain('--trust-volume');
  // Workers without --trust-volume leave it to those with it.
  const ant = fleet.worker('ant', ['--watch']);
  const bee = fleet.worker('bee', ['--watch', '--trust-volume']);
  await fleet.until('they are there', () => fleet.list('workers').length === 2);
  expect((await run('retry', '--all', '--dir', fleet.dir)).status).toBe(0);
  await fleet.until('it is done', () => fleet.list('done').length === 1);
  expect(fleet.read(`done/${state}`)).toContain(JSON.stringify(process.cwd()));
  for (const one of [ant, bee]) one.kill('SIGTERM');
  await Promise.all([ant.ended, bee.ended]);
});
