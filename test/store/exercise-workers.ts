/** The worker itself on a store, as the command line builds it: several at once, until nothing is left. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createExecute } from '../../src/worker/executor.ts';
import type { Clock } from '../../src/engine/ports.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { Summary, TickResult, TickTask } from '../../src/worker/ports.ts';
import { ConcurrencyLimit } from '../../src/worker/concurrency-limit.ts';
import { Worker } from '../../src/volume/cycle-loop.ts';
import type { VolumeOperations } from '../../src/volume/operations.ts';
import { Bench, CYCLE_LENGTH, LAMP, LEASE, type MakeStore } from './bench.ts';
import { REGISTRY } from './machines.ts';

const MINUTE = 60_000;
const CONCURRENCY = 2;

interface Running {
  readonly name: string;
  readonly summary: Promise<Summary>;
  readonly stop: () => void;
  /** As by kill -9: nothing of it goes on. */
  readonly kill: () => void;
}

interface Options {
  readonly watch?: boolean;
  /** Called when a tick begins. */
  readonly onTick?: (worker: string, task: TickTask) => void;
  /** Milliseconds from when a tick is told to end until it has ended. */
  readonly lingers?: number;
  /** Its first session is taken for dead; the store refuses it so many others after that. */
  readonly refusals?: number;
  readonly onWarning?: (text: string) => void;
}

function start(
  bench: Bench,
  name: string,
  { watch = false, onTick, lingers, refusals, onWarning }: Options = {},
): Running {
  const { clock } = bench.time;
  const silent: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_fields, text) => onWarning?.(text),
    error: () => undefined,
  };
  const execute = createExecute({ clock, log: silent, print: () => undefined, pauseScale: 1 });
  let isDead = false;
  let refused = 0;
  const sessions: VolumeOperations[] = [];
  const stopping = new AbortController();
  const worker = new Worker(
    {
      clock,
      random: () => 0.5,
      openSession: async () => {
        if (sessions.length > 0 && refused < (refusals ?? 0)) {
          refused += 1;
          throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        }
        const session = await bench.open(name, { concurrency: CONCURRENCY });
        sessions.push(session);
        if (refusals !== undefined && sessions.length === 1) session.check = async () => 'broken';
        return mortal(session, () => isDead);
      },
      execute: (task, signal) => {
        onTick?.(name, task);
        if (lingers !== undefined) return linger(signal, clock, lingers);
        return isDead ? new Promise(() => undefined) : execute(task, signal);
      },
      log: silent,
      slots: new ConcurrencyLimit(CONCURRENCY),
      watch: undefined,
    },
    {
      registry: REGISTRY,
      volumeId: bench.store.work.id,
      assign: 'slices',
      follow: true,
      watch,
      eager: false,
      gathering: { expect: undefined, quietMs: 0 },
      freshListings: true,
      drain: LEASE,
    },
  );
  return {
    name,
    summary: worker.run(stopping.signal),
    stop: () => stopping.abort(),
    kill: () => {
      isDead = true;
      for (const session of sessions) bench.made.kill(session);
    },
  };
}

/** As a command that does not go at once when its group is told to. */
async function linger(signal: AbortSignal, clock: Clock, ms: number): Promise<TickResult> {
  if (!signal.aborted) await once(signal, 'abort');
  await clock.sleep(ms);
  return { kind: 'aborted' };
}

/** What it can still ask once it is dead: nothing comes back from a store. */
const AT_ONCE = ['time', 'uncertainty', 'stamp', 'sensor', 'setDeadline'];

function mortal(session: VolumeOperations, isDead: () => boolean): VolumeOperations {
  return new Proxy(session, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      if (isDead() && !AT_ONCE.includes(String(property)))
        return () => new Promise(() => undefined);
      return (value as (...all: unknown[]) => unknown).bind(target);
    },
  });
}

const NAMES = ['ant', 'bee', 'cat'];

/** Until each of them finds nothing left to do. */
function finish(bench: Bench, workers: readonly Running[]): Promise<Summary[]> {
  return bench.time.until(Promise.all(workers.map(({ summary }) => summary)), 10 * MINUTE);
}

export function exerciseWorkers(make: MakeStore): void {
  test('one that was taken for dead says so once, however often a new session is refused', async () => {
    const bench = await Bench.of(make);
    await bench.submit('x', { state: 'count', payload: { left: 0 } });
    const warnings: string[] = [];
    const ant = start(bench, 'ant', { refusals: 5, onWarning: (text) => warnings.push(text) });
    expect(await finish(bench, [ant])).toMatchObject([{ done: 1, end: 'empty' }]);
    expect(warnings.filter((text) => text.includes('took this worker for dead'))).toHaveLength(1);
    expect(warnings.filter((text) => text.includes('did not do as asked'))).toHaveLength(5);
  });

  test.each([1, 2, 3])('%s of them tick chains to their ends, each step once', async (many) => {
    const bench = await Bench.of(make);
    for (let index = 0; index < 12; index += 1) {
      await bench.submit(`i${index}`, { state: 'count', payload: { left: index % 4 } });
    }
    const ticked: string[] = [];
    const onTick = (_: string, { name }: TickTask): void => void ticked.push(name);
    const workers = NAMES.slice(0, many).map((name) => start(bench, name, { onTick }));
    const summaries = await finish(bench, workers);
    expect(summaries.map(({ end }) => end)).toEqual(workers.map(() => 'empty'));
    let steps = 0;
    for (let index = 0; index < 12; index += 1) {
      const chain = await bench.store.history.steps(`i${index}`);
      expect(chain.map(({ flag }) => flag)).toEqual(
        Array.from({ length: 1 + (index % 4) }, () => 'done'),
      );
      expect(chain.at(-1)).toMatchObject({ output: 'counted', payload: { left: 0 } });
      steps += chain.length;
    }
    expect(summaries.reduce((sum, { done }) => sum + done, 0)).toBe(steps);
    expect(ticked).toHaveLength(steps);
    expect(new Set(ticked).size).toBe(steps);
    const idle = summaries.filter(({ done }) => done === 0);
    expect(idle).toEqual([]);
  });

  test('told to stop, one releases what takes its time to end, beyond its drain and two cycles', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('slow', { state: 'count', payload: { left: 0 } });
    const begun: string[] = [];
    const onTick = (worker: string): void => void begun.push(worker);
    const ant = start(bench, 'ant', { onTick, lingers: 3 * LEASE });
    while (begun.length === 0) await bench.pass(CYCLE_LENGTH);
    ant.stop();
    const [{ end }] = (await finish(bench, [ant])) as [Summary];
    expect(end).toBe('stopped');
    expect(await bench.store.instances.now('slow')).toMatchObject({ name, flag: 'available' });
  });

  test('what fails is tried again, or put aside', async () => {
    const bench = await Bench.of(make);
    await bench.submit('twice', { state: 'shaky', payload: 2 });
    await bench.submit('always', { state: 'shaky', payload: 9 });
    await bench.submit('doomed', { state: 'doomed' });
    await bench.submit('unknown', { state: 'nobody-knows' });
    const summaries = await finish(bench, [start(bench, 'ant'), start(bench, 'bee')]);
    expect(summaries.reduce((sum, { failed }) => sum + failed, 0)).toBe(3);
    const { instances } = bench.store;
    const [twice, always] = [await instances.now('twice'), await instances.now('always')];
    expect(twice).toMatchObject({ flag: 'done' });
    expect(twice?.attempts.map(({ error }) => error?.message)).toEqual(['attempt 1', 'attempt 2']);
    expect(always).toMatchObject({ flag: 'failed' });
    expect(always?.attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(await instances.now('doomed')).toMatchObject({ flag: 'failed' });
    expect((await instances.now('unknown'))?.reason).toContain('nobody-knows');
    expect((await instances.failed()).sort()).toEqual([
      'always.state',
      'doomed.state',
      'unknown.state',
    ]);
  });

  test('what forks is joined once, with what came of each branch, also where one is killed', async () => {
    const bench = await Bench.of(make);
    const teams = Array.from({ length: 6 }, (_, index) => `team${index}`);
    for (const name of teams) await bench.submit(name, { state: 'team' });
    const joined: string[] = [];
    let left = 8;
    const onTick = (worker: string, { name, state }: TickTask): void => {
      if (worker === 'ant' && (left -= 1) === 0) return workers[0]!.kill();
      if (state === 'joined') joined.push(name);
    };
    const workers = NAMES.map((name) => start(bench, name, { onTick }));
    await finish(bench, workers.slice(1));
    for (const name of teams) {
      const outputs = { left: 'worked 0', right: 'worked 1', other: 'counted' };
      expect(await bench.store.instances.now(name)).toMatchObject({
        flag: 'done',
        output: outputs,
      });
    }
    expect(new Set(joined).size).toBe(joined.length);
    expect(await bench.store.instances.failed()).toEqual([]);
  });

  test('what has a time is not run before it', async () => {
    const bench = await Bench.of(make);
    const due = bench.time.agenda.now + 20_000;
    const notBefore = new Date(due).toISOString();
    await bench.submit('later', { state: 'count', payload: { left: 0 }, notBefore });
    let began = 0;
    const onTick = (): void => void (began = bench.time.agenda.now);
    await finish(bench, [start(bench, 'ant', { onTick }), start(bench, 'bee', { onTick })]);
    expect(began).toBeGreaterThanOrEqual(due);
    expect(await bench.chain('later')).toEqual(['count done']);
  });

  test('events, timers, what they cause, what others see, and ticks after them', async () => {
    const bench = await Bench.of(make);
    for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
    await bench.submit('eye', { state: 'eye' });
    await bench.submit('bell', { state: 'bell' });
    const workers = NAMES.map((name) => start(bench, name, { watch: true }));
    await bench.time.pass(2000);
    await bench.sent('eye', 'shut', { event: 'look' });
    await bench.time.pass(2000);
    await bench.sent('lamp', 'a', { details: { tell: ['other', 'other'] } });
    await bench.sent('lamp', 'b', { event: 'fade', delay: 8000 });
    await bench.time.pass(4000);
    await bench.sent('eye', 'open', { event: 'look' });
    await bench.sent('bell', 'c', { event: 'ring' });
    await bench.sent('nobody', 'd', { grace: 1000 });
    await bench.time.pass(10_000);
    expect(await bench.chain('lamp')).toEqual([
      'lamp done',
      'on done',
      'dying done',
      ...(await bench.chain('lamp')).slice(3, -1),
      'off waiting',
    ]);
    expect(await bench.applied('lamp')).toHaveLength(3);
    expect(await bench.applied('other')).toHaveLength(2);
    expect((await bench.store.instances.now('other'))?.state).toBe('off');
    expect((await bench.store.outcomes.of('shut'))?.outcome).toMatchObject({ to: 'shut' });
    expect((await bench.store.outcomes.of('open'))?.outcome).toMatchObject({ to: 'open' });
    expect(await bench.store.instances.now('bell')).toMatchObject({ flag: 'done', output: 'rung' });
    expect(await bench.outcome('d')).toBe('FsmNotFound');
    for (const one of workers) one.stop();
    const summaries = await finish(bench, workers);
    expect(summaries.map(({ end }) => end)).toEqual(['stopped', 'stopped', 'stopped']);
  });

  describe('one is killed in the middle, and the others finish', () => {
    test.each([1, 4, 9, 15])('after %s ticks of it', async (ticks) => {
      const bench = await Bench.of(make);
      const counts = Array.from({ length: 20 }, (_, index) => `i${index}`);
      for (const name of counts) {
        await bench.submit(name, { state: 'count', payload: { left: 3 } });
      }
      for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
      for (let index = 0; index < 9; index += 1) {
        await bench.sent('lamp', `e${index}`, { details: { tell: ['other'] } });
        await bench.time.pass(7);
      }
      let left = ticks;
      const onTick = (worker: string): void => {
        if (worker !== 'ant') return;
        left -= 1;
        if (left === 0) workers[0]!.kill();
      };
      const workers = NAMES.map((name) => start(bench, name, { onTick }));
      const summaries = await finish(bench, workers.slice(1));
      expect(left).toBeLessThanOrEqual(0);
      expect(summaries.map(({ end }) => end)).toEqual(['empty', 'empty']);
      for (const name of counts) {
        expect(await bench.chain(name)).toEqual(Array.from({ length: 4 }, () => 'count done'));
      }
      expect(await bench.applied('lamp')).toHaveLength(9);
      expect(await bench.applied('other')).toHaveLength(9);
      const lamps = await Promise.all(
        ['lamp', 'other'].map((name) => bench.store.instances.now(name)),
      );
      expect(lamps.map((lamp) => lamp?.state)).toEqual(['on', 'on']);
      expect(await bench.store.instances.failed()).toEqual([]);
    });
  });
}
