/** Configurations that the volume keeps, run by a crew that has just these ways to come by them. */
import { describe, expect, test } from 'vitest';
import type { FailureRecord } from '../../src/machine/record.ts';
import { createRegistry, resolveState } from '../../src/machine/registry.ts';
import { machine } from '../../src/machine/machine.ts';
import { done } from '../../src/machine/answer.ts';
import type { KnownMachines } from '../../src/volume/token.ts';
import { Library } from '../../src/worker/library.ts';
import { CrewBench, OPEN } from '../volume/queue-bench.ts';
import { text } from '../volume/fake-operations.ts';

const TABLE = (version: string, to: string): string => `
name: orders
version: ${version}
starting_state: start
states: [start, ${to}]
transitions: [{ from: start, to: ${to}, event: go }]
`;
const COMMANDS = `
name: build
version: v1
starting_state: make
activities: { make: { run: 'true' } }
`;

function benchOf(...more: ConstructorParameters<typeof CrewBench>): CrewBench {
  return new CrewBench(...more);
}

async function take(bench: CrewBench, name: string, file: object): Promise<void> {
  bench.session.onRead = () => text(JSON.stringify(file));
  const names = [name];
  await bench.fetch(() => names.shift());
  await bench.crew.settle(OPEN);
}

const kindOf = (bench: CrewBench, name: string): string | undefined =>
  bench.session.settled.findLast((step) => step.name === name)?.change.kind;

const failureOf = (bench: CrewBench, name: string): FailureRecord | undefined => {
  const change = bench.session.settled.findLast((step) => step.name === name)?.change;
  return change?.kind === 'fail' ? change.record : undefined;
};

test('an instance of one is run, by its name with and without a version', async () => {
  const bench = benchOf();
  bench.session.stored.set('orders:v1', TABLE('v1', 'sent'));
  await take(bench, 'a.state', { state: 'start', machine: 'orders:v1' });
  await take(bench, 'b.state', { state: 'orders' });
  expect([kindOf(bench, 'a.state'), kindOf(bench, 'b.state')]).toEqual(['wait', 'wait']);
});

test('one whose text names no version is of the one that it is stored under', async () => {
  const bench = benchOf();
  bench.session.stored.set('orders:v1', TABLE('v1', 'sent').replace('version: v1\n', ''));
  await take(bench, 'a.state', { state: 'start', machine: 'orders:v1' });
  await take(bench, 'b.state', { state: 'orders' });
  expect([kindOf(bench, 'a.state'), kindOf(bench, 'b.state')]).toEqual(['wait', 'wait']);
});

test('one that is stored meanwhile is found, and the newest one is what a name means', async () => {
  const bench = benchOf();
  await take(bench, 'a.state', { state: 'orders' });
  expect(failureOf(bench, 'a.state')).toMatchObject({ code: 'unknown-machine' });
  bench.session.stored.set('orders:v9', TABLE('v9', 'old'));
  await take(bench, 'a.state', { state: 'orders' });
  expect(kindOf(bench, 'a.state')).toBe('wait');
  bench.session.stored.set('orders:v10', TABLE('v10', 'new'));
  bench.crew.when.cycle = 8;
  await take(bench, 'b.state', { state: 'new', machine: 'orders' });
  // The end of it: in v9 there is no such state.
  expect(kindOf(bench, 'b.state')).toBe('commit');
  await take(bench, 'c.state', { state: 'old', machine: 'orders:v9' });
  expect(kindOf(bench, 'c.state')).toBe('commit');
});

describe('what cannot be used is told, and its state put aside', () => {
  test.each([
    ['no YAML', 'a: [', /orders:v1, stored on the volume, cannot be used/],
    ['nothing', '', /cannot be used/],
    ['torn', TABLE('v1', 'sent').slice(0, 60), /cannot be used/],
    ['another version', TABLE('v2', 'sent'), /it says that it is orders:v2/],
    ['commands', COMMANDS.replace('build', 'orders'), /runs commands.*--trust-volume/],
  ])('%s', async (_what, content, reason) => {
    const bench = benchOf();
    bench.session.stored.set('orders:v1', content);
    for (const name of ['orders', 'orders:v1']) {
      await take(bench, 'a.state', { state: 'start', machine: name });
      expect(failureOf(bench, 'a.state')?.reason).toMatch(reason);
    }
  });

  test.each(['orders:../v1', '../orders:v1', 'orders:', '.x:v1', 'orders:v1:v2'])(
    '%s is no name of a file there',
    async (name) => {
      const asked: string[] = [];
      const library = new Library(createRegistry([]), true);
      const missing = await library.learn(name, {
        configurations: {
          list: async () => [],
          get: async (key) => void asked.push(`${key.name}@${key.version}`),
        },
        sensor: () => undefined,
      });
      expect(missing).toBeDefined();
      expect(asked).toEqual(name === 'orders:v1:v2' ? ['orders@v1'] : []);
    },
  );
});

test('commands are run where the worker trusts the volume', async () => {
  const bench = benchOf(4, 10, undefined, { trustVolume: true });
  bench.session.stored.set('build:v1', COMMANDS);
  await take(bench, 'a.state', { state: 'make', machine: 'build' });
  await bench.pass(1);
  expect(bench.begun).toEqual(['a.state']);
});

test('where listings are stale, what is unknown is looked for a while', async () => {
  const bench = benchOf(4, 10, undefined, { freshListings: false });
  await take(bench, 'a.state', { state: 'orders' });
  expect(kindOf(bench, 'a.state')).toBeUndefined();
  bench.session.stored.set('orders:v1', TABLE('v1', 'sent'));
  await bench.pass(1000);
  await bench.crew.examine(true);
  await bench.crew.settle(OPEN);
  expect(kindOf(bench, 'a.state')).toBe('wait');
  await take(bench, 'b.state', { state: 'nobody' });
  await bench.pass(1999);
  await bench.crew.examine(true);
  await bench.crew.settle(OPEN);
  expect(kindOf(bench, 'b.state')).toBeUndefined();
  await bench.pass(1);
  await bench.crew.examine(true);
  await bench.crew.settle(OPEN);
  expect(failureOf(bench, 'b.state')).toMatchObject({ code: 'unknown-machine' });
});

test('an instance that is looked at may be in a state that its stored machine does not have', async () => {
  const own = machine({ name: 'job', sensors: ['light'], activities: { job: () => done() } });
  const library = new Library(createRegistry([own]), false);
  const source = {
    configurations: {
      list: async () => [{ name: 'orders', version: 'v1' }],
      get: async () => TABLE('v1', 'sent'),
    },
    sensor: () => ({ state: 'bogus', machine: 'orders', payload: {} }),
  };
  for (const cycle of [1, 2, 3]) await library.look(source, cycle);
  expect([...library.registry.keys()].sort()).toEqual(['job', 'orders']);
});

test('of the same name and version the worker’s own goes first', async () => {
  const own = machine({ name: 'orders', version: 'v1', activities: { start: () => done() } });
  const library = new Library(createRegistry([own]), true);
  const stored = TABLE('v1', 'sent');
  await library.look(
    {
      configurations: {
        list: async () => [{ name: 'orders', version: 'v1' }],
        get: async () => stored,
      },
      sensor: () => undefined,
    },
    1,
  );
  for (const name of ['orders', 'orders:v1']) {
    const file = { state: 'start', payload: {}, machine: name };
    expect(resolveState(library.registry, file, library.newest)).toMatchObject({ machine: own });
  }
});

test('own machines that were loaded anew are used and announced, beside those of the volume', async () => {
  const [first, second] = ['v1', 'v2'].map((version) =>
    createRegistry([machine({ name: 'job', version, activities: { job: () => done() } })]),
  );
  let own = first!;
  const library = new Library(() => own, true);
  const announced: (readonly string[])[] = [];
  let isBroken = false;
  const session = {
    configurations: {
      list: async () => [{ name: 'orders', version: 'v1' }],
      get: async () => TABLE('v1', 'sent'),
    },
    sensor: () => undefined,
    announce: async ({ machines }: KnownMachines) => {
      if (isBroken) throw new Error('no space');
      announced.push(machines);
    },
  };
  await library.learn('orders', session);
  await library.renew(session);
  expect(announced).toEqual([]);
  own = second!;
  isBroken = true;
  await expect(library.renew(session)).rejects.toThrow('no space');
  isBroken = false;
  await library.renew(session);
  await library.renew(session);
  expect(announced).toEqual([['job:v2', '*']]);
  expect([...library.registry.keys()].sort()).toEqual(['job', 'orders']);
  expect(library.registry.get('job')!.map(({ version }) => version)).toEqual(['v2']);
});

test('a failed state runs when its machine, or a newer version of it, has been stored since; looked for once a cycle', async () => {
  const bench = benchOf();
  const library = new Library(createRegistry([]), false);
  const { session } = bench;
  const file = { state: 'new', machine: 'orders', payload: {} };
  expect(await library.runs(file, session, 1)).toBe(false);
  session.stored.set('orders:v1', TABLE('v1', 'old'));
  expect(await library.runs(file, session, 1)).toBe(false);
  // Known now, and without such a state.
  expect(await library.runs(file, session, 2)).toBe(false);
  session.stored.set('orders:v2', TABLE('v2', 'new'));
  expect(await library.runs(file, session, 3)).toBe(true);
});
