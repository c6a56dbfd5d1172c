/** The machines of a worker: its own, and stored configurations. */
import { describe, expect, test } from 'vitest';
import type { ConfigurationName } from '../../src/engine/engine.ts';
import type { FailureRecord } from '../../src/machine/record.ts';
import { createRegistry, resolveState, type Registry } from '../../src/machine/registry.ts';
import type { StateFile } from '../../src/machine/state-file.ts';
import { machine } from '../../src/machine/machine.ts';
import { done } from '../../src/machine/answer.ts';
import { Library } from '../../src/worker/library.ts';
import { OPEN } from '../volume/guards.ts';
import { QueueBench } from '../volume/queue-bench.ts';
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

const HOOKS = `
name: orders
version: v1
starting_state: start
states: [start, sent]
transitions: [{ from: start, to: sent, event: go, run: tell }]
hooks: { tell: { run: 'true' } }
`;

const emptyRegistry = createRegistry([]);
const own = (version: string): Registry =>
  createRegistry([machine({ name: 'job', version, activities: { job: () => done() } })]);

/** Stores one text, under every name. */
const storing = (content: string): ConstructorParameters<typeof Library>[1] => ({
  list: async () => [{ name: 'orders', version: 'v1' }],
  get: async () => content,
});

async function take(bench: QueueBench, name: string, file: object): Promise<void> {
  bench.session.onRead = () => text(JSON.stringify(file));
  const names = [name];
  await bench.fetch(() => names.shift());
  await bench.queue.settle(OPEN);
}

/** Reads and decides again what is held. */
async function lookAgain(bench: QueueBench, ms: number): Promise<void> {
  await bench.pass(ms);
  await bench.fetch(() => undefined);
  await bench.queue.settle(OPEN);
}

const kindOf = (bench: QueueBench, name: string): string | undefined =>
  bench.session.settled.findLast((step) => step.name === name)?.change.kind;

const failureOf = (bench: QueueBench, name: string): FailureRecord | undefined => {
  const change = bench.session.settled.findLast((step) => step.name === name)?.change;
  return change?.kind === 'fail' ? change.record : undefined;
};

test('runs an instance of a stored configuration, named with and without a version', async () => {
  const bench = new QueueBench();
  bench.session.stored.set('orders:v1', TABLE('v1', 'sent'));
  await take(bench, 'a.state', { state: 'start', machine: 'orders:v1' });
  await take(bench, 'b.state', { state: 'orders' });
  expect([kindOf(bench, 'a.state'), kindOf(bench, 'b.state')]).toEqual(['wait', 'wait']);
});

test('takes the version that a configuration is stored under when its text names none', async () => {
  const bench = new QueueBench();
  bench.session.stored.set('orders:v1', TABLE('v1', 'sent').replace('version: v1\n', ''));
  await take(bench, 'a.state', { state: 'start', machine: 'orders:v1' });
  await take(bench, 'b.state', { state: 'orders' });
  expect([kindOf(bench, 'a.state'), kindOf(bench, 'b.state')]).toEqual(['wait', 'wait']);
});

test('finds what is stored meanwhile, and takes the newest version for a name alone', async () => {
  const bench = new QueueBench();
  bench.queue.when.cycle = 7;
  await take(bench, 'a.state', { state: 'orders' });
  expect(failureOf(bench, 'a.state')).toMatchObject({ code: 'unknown-machine' });
  bench.session.stored.set('orders:v9', TABLE('v9', 'old'));
  await take(bench, 'a.state', { state: 'orders' });
  expect(kindOf(bench, 'a.state')).toBe('wait');
  bench.session.stored.set('orders:v10', TABLE('v10', 'new'));
  bench.queue.when.cycle = 8;
  await take(bench, 'b.state', { state: 'new', machine: 'orders' });
  // The end of it: in v9 there is no such state.
  expect(kindOf(bench, 'b.state')).toBe('commit');
  await take(bench, 'c.state', { state: 'old', machine: 'orders:v9' });
  expect(kindOf(bench, 'c.state')).toBe('commit');
});

describe('fails a state, and records why, when its stored configuration cannot be used', () => {
  test.each([
    ['not YAML', 'a: [', /orders:v1, stored on the volume, cannot be used/],
    ['empty', '', /cannot be used/],
    ['torn', TABLE('v1', 'sent').slice(0, 60), /cannot be used/],
    ['another version', TABLE('v2', 'sent'), /it says that it is orders:v2/],
    ['commands', COMMANDS.replace('build', 'orders'), /runs commands.*--trust-volume/],
    ['commands of hooks', HOOKS, /runs commands.*--trust-volume/],
  ])('%s', async (_what, content, reason) => {
    const bench = new QueueBench();
    bench.session.stored.set('orders:v1', content);
    for (const name of ['orders', 'orders:v1']) {
      await take(bench, 'a.state', { state: 'start', machine: name });
      expect(failureOf(bench, 'a.state')?.reason).toMatch(reason);
    }
  });

  test.each(['orders:../v1', '../orders:v1', 'orders:', '.x:v1', 'orders:v1:v2'])(
    'does not look for %s, which cannot be the name of a file',
    async (name) => {
      const asked: string[] = [];
      const stored = {
        list: async () => [],
        get: async (key: ConfigurationName) => void asked.push(`${key.name}@${key.version}`),
      };
      const missing = await new Library(() => emptyRegistry, stored, true).learn(name);
      expect(missing).toBeDefined();
      expect(asked).toEqual(name === 'orders:v1:v2' ? ['orders@v1'] : []);
    },
  );
});

test('runs commands of stored configurations when the worker trusts them', async () => {
  const bench = new QueueBench(4, 10, undefined, { trustVolume: true });
  bench.session.stored.set('build:v1', COMMANDS);
  await take(bench, 'a.state', { state: 'make', machine: 'build' });
  await bench.pass(1);
  expect(bench.begun).toEqual(['a.state']);
});

test('looks for an unknown machine for a while when listings are stale (I8)', async () => {
  const bench = new QueueBench(4, 10, undefined, { freshListings: false });
  await take(bench, 'a.state', { state: 'orders' });
  expect(kindOf(bench, 'a.state')).toBeUndefined();
  bench.session.stored.set('orders:v1', TABLE('v1', 'sent'));
  await lookAgain(bench, 1000);
  expect(kindOf(bench, 'a.state')).toBe('wait');
  await take(bench, 'b.state', { state: 'unknown' });
  await lookAgain(bench, 1999);
  expect(kindOf(bench, 'b.state')).toBeUndefined();
  await lookAgain(bench, 1);
  expect(failureOf(bench, 'b.state')).toMatchObject({ code: 'unknown-machine' });
});

describe('look', () => {
  test('learns the machine of an observed instance, though it has no such state', async () => {
    const watching = machine({
      name: 'job',
      sensors: ['light'],
      activities: { job: () => done() },
    });
    const registry = createRegistry([watching]);
    const library = new Library(() => registry, storing(TABLE('v1', 'sent')), false);
    const observe = (): StateFile => ({ state: 'bogus', machine: 'orders', payload: {} });
    for (const asOf of [1, 2, 3]) await library.look({ asOf, observe });
    expect([...library.registry.keys()].sort()).toEqual(['job', 'orders']);
  });

  test('lists the stored configurations once for all tasks of one look at the store', async () => {
    let lists = 0;
    const stored = { list: async () => ((lists += 1), []), get: async () => undefined };
    const library = new Library(() => emptyRegistry, stored, false);
    const looked = async (asOf: number): Promise<void> =>
      library.look({ asOf, observe: () => undefined });
    expect(library.hasLooked({ asOf: 1 })).toBe(false);
    await Promise.all([looked(1), looked(1)]);
    await looked(1);
    expect({ lists, hasLooked: library.hasLooked({ asOf: 1 }) }).toEqual({
      lists: 1,
      hasLooked: true,
    });
    await looked(2);
    expect({ lists, hasLooked: library.hasLooked({ asOf: 1 }) }).toEqual({
      lists: 2,
      hasLooked: false,
    });
  });

  test('has not looked for a task before the look of that task has ended', async () => {
    const lists: PromiseWithResolvers<void>[] = [];
    const stored = {
      list: async () => {
        const listing = Promise.withResolvers<void>();
        lists.push(listing);
        await listing.promise;
        return [];
      },
      get: async () => undefined,
    };
    const library = new Library(() => emptyRegistry, stored, false);
    const taskOf = (asOf: number): Parameters<Library['look']>[0] => ({
      asOf,
      observe: () => undefined,
    });
    const first = library.look(taskOf(1));
    const second = library.look(taskOf(2));
    lists[0]!.resolve();
    await first;
    expect(library.hasLooked(taskOf(2))).toBe(false);
    lists[1]!.resolve();
    await second;
    expect(library.hasLooked(taskOf(2))).toBe(true);
  });

  test('keeps a look that is under way when an earlier one fails', async () => {
    const lists: PromiseWithResolvers<never[]>[] = [];
    const stored = {
      list: () => {
        const listing = Promise.withResolvers<never[]>();
        lists.push(listing);
        return listing.promise;
      },
      get: async () => undefined,
    };
    const library = new Library(() => emptyRegistry, stored, false);
    const looks = [1, 2].map((asOf) => library.look({ asOf, observe: () => undefined }));
    lists[0]!.reject(new Error('EIO'));
    await expect(looks[0]).rejects.toThrow('EIO');
    lists[1]!.resolve([]);
    await looks[1];
    expect(library.hasLooked({ asOf: 2 })).toBe(true);
  });

  test('rejects when the configurations cannot be listed, and looks again then', async () => {
    let isBroken = true;
    const stored = {
      list: async () => (isBroken ? Promise.reject(new Error('EIO')) : []),
      get: async () => undefined,
    };
    const library = new Library(() => emptyRegistry, stored, false);
    const task = { asOf: 1, observe: () => undefined };
    await expect(library.look(task)).rejects.toThrow('EIO');
    expect(library.hasLooked(task)).toBe(false);
    isBroken = false;
    await library.look(task);
    expect(library.hasLooked(task)).toBe(true);
  });

  test('prefers the worker’s own machine to a stored one of the same name and version', async () => {
    const orders = machine({ name: 'orders', version: 'v1', activities: { start: () => done() } });
    const registry = createRegistry([orders]);
    const library = new Library(() => registry, storing(TABLE('v1', 'sent')), true);
    await library.look({ asOf: 1, observe: () => undefined });
    for (const name of ['orders', 'orders:v1']) {
      const file = { state: 'start', payload: {}, machine: name };
      const resolved = resolveState(library.registry, file, library.newest);
      expect(resolved).toMatchObject({ machine: orders });
    }
  });
});

describe('known', () => {
  test('names the states of as many machines as fit into a token', () => {
    const large = (name: string): ReturnType<typeof machine> =>
      machine({
        name,
        activities: Object.fromEntries(
          Array.from({ length: 100 }, (_, index) => [`state-${index}`, () => done()]),
        ),
      });
    const job = machine({ name: 'job', activities: { job: () => done() } });
    const registry = createRegistry([job, large('one'), large('two')]);
    const { machines, states } = new Library(() => registry, storing(''), false).known;
    expect(machines).toEqual(['job', 'one', 'two']);
    expect(Object.keys(states!)).toEqual(['job', 'one']);
    expect(states!['job']).toEqual(['job']);
  });

  test('names own machines that were reloaded, which are used beside stored ones', async () => {
    let current = own('v1');
    const library = new Library(() => current, storing(TABLE('v1', 'sent')), true);
    const before = library.known;
    expect(before.machines).toEqual(['job:v1', '*']);
    await library.learn('orders');
    expect(library.known).toBe(before);
    current = own('v2');
    const after = library.known;
    expect(after.machines).toEqual(['job:v2', '*']);
    expect(library.known).toBe(after);
    expect([...library.registry.keys()].sort()).toEqual(['job', 'orders']);
    expect(library.registry.get('job')!.map(({ version }) => version)).toEqual(['v2']);
  });

  test('changes with the next look too', async () => {
    let current = own('v1');
    const library = new Library(() => current, storing(''), false);
    current = own('v2');
    await library.look({ asOf: 1, observe: () => undefined });
    expect(library.registry.get('job')!.map(({ version }) => version)).toEqual(['v2']);
  });
});

test('runs a failed state when its machine, or a newer version of it, has been stored since', async () => {
  const { session } = new QueueBench();
  const library = new Library(() => emptyRegistry, session.configurations, false);
  const file = { state: 'new', machine: 'orders', payload: {} };
  expect(await library.runs(file, 1000)).toBe(false);
  session.stored.set('orders:v1', TABLE('v1', 'old'));
  expect(await library.runs(file, 1999)).toBe(false);
  // Known now, and without such a state.
  expect(await library.runs(file, 2000)).toBe(false);
  session.stored.set('orders:v2', TABLE('v2', 'new'));
  expect(await library.runs(file, 2999)).toBe(false);
  expect(await library.runs(file, 3000)).toBe(true);
});

test('looks for the machine of failed states once a second', async () => {
  const { session } = new QueueBench();
  const library = new Library(() => emptyRegistry, session.configurations, false);
  const file = { state: 'new', machine: 'orders', payload: {} };
  expect(await library.runs(file, 1000)).toBe(false);
  session.stored.set('orders:v1', TABLE('v1', 'new'));
  expect(await library.runs(file, 1999)).toBe(false);
  expect(await library.runs(file, 2000)).toBe(true);
});
