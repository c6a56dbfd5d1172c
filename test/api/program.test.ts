/** A program with an engine in memory, workers and a client, as docs/embedding.md teaches it: in real time. */
import { describe, expect, test, vi } from 'vitest';
import {
  choose,
  createClient,
  createWorker,
  done,
  machine,
  memoryEngine,
  openEngine,
  same,
  transition,
  UserError,
  type ChangeHint,
  type InstanceStep,
  type SettledStep,
} from '../../src/index.ts';

const greet = machine({
  name: 'greet',
  activities: { greet: ({ payload }) => done(`hello ${(payload as { name: string }).name}`) },
});
const door = machine({
  name: 'door',
  states: ['shut', 'open'],
  events: ['open', 'close'],
  initial: 'shut',
  sensors: ['lamp'],
  table: {
    shut: {
      open: choose('lamp', ['open', same], ({ sensor }) =>
        sensor('lamp')?.state === 'on' ? 'open' : same,
      ),
      close: same,
    },
    open: { open: same, close: 'shut' },
  },
});
const forever = machine({
  name: 'forever',
  activities: {
    forever: async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return done();
    },
  },
});
const machines = [greet, door, forever];

describe('a client', () => {
  test.each([Number.NaN, 1n, new Map()])(
    'rejects the payload %s, which JSON cannot hold',
    async (given) => {
      const client = createClient(memoryEngine());
      const instance = { instance: 'a', machine: 'greet', payload: { given } as never };
      const submitting = client.submit('a', instance);
      await expect(submitting).rejects.toMatchObject({ code: 'bad-state' });
      // It rejects, and does not throw.
      const all = client.submitMany([instance]);
      await expect(all).rejects.toMatchObject({ code: 'bad-state' });
      expect(await client.get('a')).toBeUndefined();
    },
  );
});

describe('a worker and a client', () => {
  test('run an instance to its end, and tell of each step', async () => {
    const engine = memoryEngine();
    await using worker = createWorker(engine, { machines });
    const steps: SettledStep[] = [];
    worker.on('step', (step) => steps.push(step));
    await worker.start();
    const client = createClient(engine);
    expect(await client.submit('one', { machine: 'greet', payload: { name: 'Ada' } })).toBe(
      'submitted',
    );
    expect(await client.submit('one', { machine: 'greet', payload: { name: 'Ada' } })).toBe(
      'there already',
    );
    await expect(client.submit('one', { machine: 'greet' })).rejects.toMatchObject({
      code: 'name-taken',
    });
    expect(await client.waitFor('one')).toMatchObject({ flag: 'done', output: 'hello Ada' });
    expect(steps).toMatchObject([{ state: 'one.state', settled: 'settled' }]);
  });

  test('decide events, and tell what became of each', async () => {
    const engine = memoryEngine();
    await using worker = createWorker(engine, { machines });
    await worker.start();
    const client = createClient(engine);
    await client.submit('front', { machine: 'door' });
    const sent = await client.send('front', 'close', { id: 'a', wait: true });
    expect(sent).toMatchObject({ outcome: { outcome: 'Ok', from: 'shut', to: 'shut' } });
    expect(await client.send('front', 'close', { id: 'a' })).toEqual(sent);
    expect(await client.eventResult('a')).toEqual(sent);
    const refused = await client.send('front', 'sing', { wait: true });
    expect(refused?.outcome.outcome).toBe('EventNotAllowed');
    const listed = [];
    for await (const one of client.list({ machine: 'door' })) listed.push(one);
    expect(listed).toMatchObject([{ instance: 'front', state: 'shut' }]);
    for await (const one of client.list({ machine: 'greet' })) throw new Error(one.instance);
  });

  test('end by themselves when nothing is left, if they are not to stay', async () => {
    const engine = memoryEngine();
    const worker = createWorker(engine, { machines, stays: false });
    await createClient(engine).submit('one', { machine: 'greet', payload: { name: 'Ada' } });
    await worker.start();
    expect(await worker.finished).toEqual({ done: 1, failed: 0, end: 'empty' });
  });

  test('stop within their drain: a tick that goes on is aborted and given back', async () => {
    const engine = memoryEngine();
    const worker = createWorker(engine, { machines });
    await worker.start();
    const client = createClient(engine);
    await client.submit('it', { machine: 'forever' });
    while ((await client.get('it'))?.flag !== 'in progress') await new Promise(setImmediate);
    await worker.stop({ drainMs: 1 });
    expect(await worker.finished).toMatchObject({ end: 'stopped' });
    expect(await client.get('it')).toMatchObject({ flag: 'available', attempts: [] });
  });

  test('may be stopped before they are started, and twice', async () => {
    const worker = createWorker(memoryEngine(), { machines });
    await worker.stop();
    await expect(worker.finished).rejects.toThrow('before start()');
    const starting = worker.start();
    await worker.stop();
    await worker.stop();
    await starting;
  });
});

test('a client submits and sends many at a time, and counts and lists what became of them', async () => {
  const engine = memoryEngine();
  await using worker = createWorker(engine, { machines, name: 'ant' });
  await worker.start();
  const client = createClient(engine);
  const doors = ['a', 'b', 'c'].map((instance) => ({
    instance,
    machine: 'door',
    state: 'shut',
  }));
  expect(await client.submitMany(doors)).toEqual(['submitted', 'submitted', 'submitted']);
  const events = ['open', 'close', 'sing'].map((event, index) => ({
    instance: 'a',
    event,
    id: `${3 - index}`,
  }));
  expect(await client.sendMany(events)).toEqual([undefined, undefined, undefined]);
  await client.send('b', 'close', { wait: true });
  const results = await Promise.all(['3', '2', '1'].map((id) => client.eventResult(id)));
  expect(results.map((result) => result?.outcome.outcome)).toEqual(['Ok', 'Ok', 'EventNotAllowed']);
  expect(await client.counts()).toMatchObject({
    statuses: { waiting: 3 },
    places: [{ machine: 'door', state: 'shut', status: 'waiting', count: 3 }],
  });
  expect(await client.workers()).toMatchObject([{ worker: 'ant', isAlive: true, holds: [] }]);
});

test('a client lists more instances than one page has', async () => {
  const client = createClient(memoryEngine());
  const names = Array.from({ length: 450 }, (_, index) => `i${1000 + index}`);
  await client.submitMany(names.map((instance) => ({ instance, machine: 'door' })));
  const listed = [];
  for await (const { instance } of client.list()) listed.push(instance);
  expect(listed).toEqual(names);
});

describe('waiting for an instance', () => {
  test('ends at the hint of its end, and leaves no watch behind', async () => {
    const engine = memoryEngine();
    const watches = new Set<AbortSignal>();
    const watch = async function* (signal: AbortSignal): AsyncGenerator<ChangeHint, void> {
      watches.add(signal);
      try {
        yield* engine.watch(signal);
      } finally {
        watches.delete(signal);
      }
    };
    const client = createClient({ ...engine, watch });
    const waits = ['one', 'two'].map((instance) => client.waitFor(instance));
    while (watches.size === 0) await new Promise(setImmediate);
    expect(watches.size).toBe(1);
    await using worker = createWorker(engine, { machines });
    await worker.start();
    for (const instance of ['one', 'two'])
      await client.submit(instance, { machine: 'greet', payload: { name: instance } });
    const outputs = (await Promise.all(waits)).map(({ output }) => output);
    expect(outputs).toEqual(['hello one', 'hello two']);
    while (watches.size > 0) await new Promise(setImmediate);
  });

  test('looks again at once when the engine hints at the instance', async () => {
    // No timer ends: only the hint can.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const hinted = Promise.withResolvers<void>();
      let step: InstanceStep | undefined;
      const watch = async function* (): AsyncGenerator<ChangeHint, void> {
        await hinted.promise;
        yield { instance: 'one' };
      };
      const client = createClient({ ...memoryEngine(), get: async () => step, watch });
      const waiting = client.waitFor('one');
      await new Promise(setImmediate);
      step = { flag: 'done' } as InstanceStep;
      hinted.resolve();
      expect(await waiting).toBe(step);
    } finally {
      vi.useRealTimers();
    }
  });

  test('goes on by looking if the engine cannot watch', async () => {
    const engine = memoryEngine();
    const watch = (): AsyncIterable<ChangeHint> => {
      throw new Error('no watches left');
    };
    const client = createClient({ ...engine, watch });
    await using worker = createWorker(engine, { machines });
    await worker.start();
    await client.submit('one', { machine: 'greet', payload: { name: 'Ada' } });
    expect(await client.waitFor('one')).toMatchObject({ output: 'hello Ada' });
  });
});

test('waiting ends with its signal', async () => {
  const client = createClient(memoryEngine());
  const waiting = client.waitFor('nothing', { signal: AbortSignal.abort(new Error('enough')) });
  await expect(waiting).rejects.toThrow('enough');
});

test.each([
  '',
  'memory',
  'memory:x',
  'volume:',
  'postgres:',
  'postgres://a:b:c/',
  'mongodb://a/',
  '/tmp',
])('no engine has the URL "%s"', async (url) => {
  const opening = openEngine(url);
  await expect(opening).rejects.toThrow(UserError);
  await expect(opening).rejects.toMatchObject({ code: 'bad-engine' });
});

describe('transition', () => {
  test('decides by table and guards, without an engine', () => {
    const at = { state: 'shut' };
    const lit = (): { state: string; payload: null } => ({ state: 'on', payload: null });
    expect(transition(door, at, 'open', lit)).toMatchObject({
      outcome: 'Ok',
      state: 'open',
      moved: true,
    });
    expect(transition(door, at, 'open')).toMatchObject({
      outcome: 'Ok',
      state: 'shut',
      moved: false,
    });
    expect(transition(door, at, 'sing')).toMatchObject({ outcome: 'EventNotAllowed' });
  });
});
