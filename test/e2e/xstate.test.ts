/** XState machines on a volume, with real workers. */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseCommitRecord, type CommitRecord } from '../../src/machine/record.ts';
import { Fleet, run } from '../fleet.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Where it says "slow" the promise never comes back; each run of it leaves a line. */
const crossing = (folder: string, more = ''): string => `
import { appendFileSync, existsSync } from 'node:fs';
import { assign, fromPromise, setup } from 'xstate';
import { fromXState } from '${ROOT}/src/xstate/index.ts';
const count = fromPromise(({ input, signal }) => {
  appendFileSync('${folder}/runs', process.pid + '\\n');
  if (!existsSync('${folder}/slow')) return Promise.resolve(input + 1);
  return new Promise((_, reject) => signal.addEventListener('abort', reject));
});
export default fromXState(setup({ actors: { count } }).createMachine({
  context: ({ input }) => ({ people: input.people ?? 0 }),
  initial: 'green',
  output: ({ context }) => context.people,
  states: {
    green: { on: { button: 'yellow' } },
    yellow: { after: { 100: 'red' } },
    red: {
      after: { 1500: 'counting' },
      initial: 'walk',
      states: { walk: { after: { 200: 'wait' } }, wait: { ${more} } },
    },
    counting: {
      invoke: {
        src: 'count',
        input: ({ context }) => context.people,
        onDone: { target: 'over', actions: assign({ people: ({ event }) => event.output }) },
      },
    },
    over: { type: 'final' },
  },
}), { name: 'crossing' });`;

function put(fleet: Fleet, more?: string): string[] {
  const folder = join(fleet.dir, '.machines');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'crossing.ts'), crossing(folder, more));
  return ['--machines', join(folder, 'crossing.ts')];
}

const recordsOf = (fleet: Fleet): CommitRecord[] =>
  fleet
    .list('done')
    .flatMap((name) => parseCommitRecord(fleet.read('done', name), name) ?? [])
    .sort((a, b) => a.finished.localeCompare(b.finished));

const outputsOf = (fleet: Fleet): unknown[] =>
  recordsOf(fleet).flatMap(({ output }) => output ?? []);

const movesOf = (fleet: Fleet): string[] =>
  recordsOf(fleet)
    .flatMap(({ events = [] }) => events)
    .filter(({ outcome }) => outcome === 'Ok')
    .map(({ from, to }) => `${from} → ${to}`);

const runsOf = (fleet: Fleet): string[] => fleet.read('.machines', 'runs').trim().split('\n');

const begin = { state: 'crossing', payload: { people: 6 } };

test('runs events, timers of parents and children, and a promise to the end while workers are killed', async () => {
  await using fleet = new Fleet();
  const flags = ['--watch', ...put(fleet)];
  fleet.put('a.state', begin);
  const ant = fleet.worker('ant', flags);
  await fleet.until('it waits', () => fleet.list('waiting').length === 1);
  ant.kill('SIGKILL');
  await ant.ended;
  const bee = fleet.worker('bee', flags);
  const dir = ['--dir', fleet.dir, '--wait'];
  expect((await run('send', 'a', 'nonsense', ...dir)).stdout).toContain(
    'EventNotAllowed: no transition takes nonsense in state green',
  );
  expect((await run('send', 'a', 'button', ...dir)).stdout).toContain('Ok: green → yellow');
  await fleet.until('it is red', () =>
    recordsOf(fleet).some((one) => /red\./.test(JSON.stringify(one.next))),
  );
  bee.kill('SIGKILL');
  await bee.ended;
  const cat = fleet.worker('cat', flags);
  await fleet.until('it is over', () => outputsOf(fleet).length === 1);
  expect(outputsOf(fleet)).toEqual([7]);
  expect(runsOf(fleet)).toHaveLength(1);
  expect(movesOf(fleet)).toEqual([
    'green → yellow',
    'yellow → red.walk',
    'red.walk → red.wait',
    'red.wait → counting',
  ]);
  cat.kill('SIGTERM');
  expect((await cat.ended).status).toBe(0);
  expect(fleet.list('failed')).toEqual([]);
});

test('a promise whose worker is killed runs again in a thread; its step is committed once', async () => {
  await using fleet = new Fleet();
  const flags = ['--watch', '--threads', '1', ...put(fleet)];
  fleet.put('.machines/slow', '');
  fleet.put('a.state', begin);
  const ant = fleet.worker('ant', flags);
  await run('send', 'a', 'button', '--dir', fleet.dir);
  await fleet.until('the promise runs', () => existsSync(join(fleet.dir, '.machines/runs')));
  ant.kill('SIGKILL');
  await ant.ended;
  rmSync(join(fleet.dir, '.machines/slow'));
  fleet.worker('bee', flags);
  await fleet.until('it is over', () => outputsOf(fleet).length === 1);
  expect(outputsOf(fleet)).toEqual([7]);
  expect(runsOf(fleet)).toEqual([String(ant.pid), expect.not.stringMatching(`^${ant.pid}$`)]);
  expect(recordsOf(fleet).find(({ output }) => output !== undefined)!.attempts).toMatchObject([
    { result: 'lost', worker: 'ant' },
  ]);
});

test('a snapshot of another definition fails unchanged, and continues with its own definition', async () => {
  await using fleet = new Fleet();
  const flags = put(fleet);
  fleet.put('a.state', begin);
  expect((await run('worker', '--dir', fleet.dir, ...flags)).status).toBe(0);
  const kept = fleet.read('a.state-1');
  put(fleet, "on: { back: 'walk' }");
  const refused = await run('send', 'a', 'button', '--dir', fleet.dir);
  expect(refused.status).toBe(0);
  expect((await run('worker', '--dir', fleet.dir, ...flags)).status).toBe(1);
  const { code, reason } = JSON.parse(fleet.read('failed/a.state-1')) as Record<string, string>;
  expect([code, reason]).toEqual([
    'other-definition',
    expect.stringMatching(/^machine crossing has changed: the snapshot is of definition [0-9a-f]+/),
  ]);
  expect(fleet.read('a.state-1')).toBe(kept);
  put(fleet);
  rmSync(join(fleet.dir, 'failed/a.state-1'));
  const worker = fleet.worker('ant', ['--watch', ...flags]);
  // What was sent meanwhile was kept, too.
  await fleet.until('it has moved', () => movesOf(fleet)[0] === 'green → yellow');
  worker.kill('SIGTERM');
  expect((await worker.ended).status).toBe(0);
});

test('without xstate, names the package to install; commands that need a table refuse the machine', async () => {
  await using fleet = new Fleet();
  const [, file = ''] = put(fleet);
  expect(await run('validate', file)).toMatchObject({ status: 0 });
  for (const [command, words] of [
    ['graph', "its states are XState's own"],
    ['check', 'cannot check machine crossing: it has no table'],
  ] as const) {
    const { status, stderr } = await run(command, file);
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
  }
  rmSync(join(fleet.dir, '.machines/node_modules'));
  for (const [command, code] of [
    ['validate', 1],
    ['graph', 2],
  ] as const) {
    const { status, stdout, stderr } = await run(command, file);
    expect(status).toBe(code);
    expect(stdout + stderr).toContain(
      `${file}: it needs XState, which does not come with Flockwork: npm install xstate@5`,
    );
  }
});
