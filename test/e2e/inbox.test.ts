/** Hot folders, with real workers and chokidar. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fleet } from '../fleet.ts';

const SCAN = `
name: scan
starting_state: read
activities: { read: { run: 'cat' } }
`;

let folder: string;
let inbox: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flockwork-inbox-'));
  inbox = join(folder, 'in');
  mkdirSync(inbox);
  writeFileSync(join(folder, 'scan.yaml'), SCAN);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const drop = (name: string, content: string): void => {
  writeFileSync(join(inbox, `.${name}`), content);
  renameSync(join(inbox, `.${name}`), join(inbox, name));
};

test('two workers share an inbox: each file is one instance, and both end when it is empty', async () => {
  await using fleet = new Fleet();
  const machine = ['--machines', join(folder, 'scan.yaml'), '--machine', 'scan', '--each'];
  for (let index = 0; index < 6; index += 1) drop(`f${index}.csv`, `${index}`);
  drop('half.csv.part', '');
  const workers = ['ant', 'bee'].map((name) => fleet.worker(name, ['--inbox', inbox, ...machine]));
  const ended = await Promise.all(workers.map((worker) => worker.ended));
  expect(ended.map(({ status }) => status)).toEqual([0, 0]);
  const submitted = readdirSync(join(inbox, 'submitted')).sort();
  expect(fleet.list('done')).toEqual(submitted.map((name) => name.replace('.csv', '.state')));
  expect(submitted).toHaveLength(6);
  expect(fleet.journal()).toHaveLength(6);
  expect(readdirSync(inbox).sort()).toEqual(['half.csv.part', 'submitted']);
});

test('files dropped into a watched inbox are submitted, also the same name again', async () => {
  await using fleet = new Fleet();
  const watching = fleet.worker('ant', ['--watch', '--inbox', inbox]);
  await fleet.until('it is registered', () => fleet.list('workers').length === 1);
  drop('hello.state', JSON.stringify({ state: 'simple', payload: { target: 'hello' } }));
  await fleet.until('it is done', () => fleet.list('done').length === 1);
  drop('hello.state', JSON.stringify({ state: 'simple', payload: { target: 'again' } }));
  await fleet.until('both are done', () => fleet.list('done').length === 2);
  watching.kill('SIGTERM');
  const { status, stdout } = await watching.ended;
  expect([status, stdout]).toEqual([0, 'hello\nagain\n']);
});

test('submit --watch submits until stopped, and runs nothing', async () => {
  await using fleet = new Fleet();
  const submit = fleet.command('submit', '--watch', inbox);
  drop('bad.state', '[1, 2]');
  drop('good.state', JSON.stringify({ state: 'simple' }));
  await fleet.until('one is there', () =>
    fleet.list('').some((name) => /^good-\w+\.state$/.test(name)),
  );
  submit.kill('SIGTERM');
  expect((await submit.ended).status).toBe(0);
  expect(fleet.list('done')).toEqual([]);
});
