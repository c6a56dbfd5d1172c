/** Exercise with real workers, several at once, until nothing is left. */
import { createExecute } from '../worker/executor.ts';
import { ConcurrencyLimit } from '../worker/concurrency-limit.ts';
import type { Summary, TickTask } from '../worker/ports.ts';
import { Worker } from '../worker/worker.ts';
import { Exercise, type MakeEngine, type TestFramework } from './bench.ts';
import { REGISTRY } from './machines.ts';

const CONCURRENCY = 2;
const DRAIN_MS = 1000;
const silent = (): undefined => undefined;
const SILENT = { debug: silent, info: silent, warn: silent, error: silent };

interface Running {
  readonly summary: Promise<Summary>;
  readonly stop: () => void;
}

interface StartOptions {
  readonly stays?: boolean;
  readonly onTick?: (task: TickTask) => void;
}

function start(
  { engine, bench }: Exercise,
  name: string,
  { stays = false, onTick }: StartOptions = {},
): Running {
  const { clock } = bench;
  const execute = createExecute({ clock, log: SILENT, print: silent, pauseScale: 1 });
  const stopping = new AbortController();
  const worker = new Worker(
    engine,
    {
      clock,
      random: () => 0.5,
      execute: (task, source) => {
        onTick?.(task);
        return execute(task, source);
      },
      log: SILENT,
      slots: new ConcurrencyLimit(CONCURRENCY),
      machines: () => REGISTRY,
    },
    { name, concurrency: CONCURRENCY, capacity: 10, stays, trustsStored: false, drainMs: DRAIN_MS },
  );
  return { summary: worker.run(stopping.signal), stop: () => stopping.abort() };
}

/** No file can have most of these names. */
const ODD_IDS: readonly string[] = [
  '.',
  '..',
  '../../etc/passwd',
  '.hidden',
  '-',
  'a/b',
  'trailing ',
  ' leading',
  'line\nbreak\t',
  '\u0001\u007f\u2028"\\\'',
  '100%',
  'a%2Fb',
  '%',
  'TIME~id+1@lamp',
  'Case',
  'case',
  '\u00e9',
  'e\u0301',
  '\ufffd',
  '😀🏳️‍🌈',
  '😀'.repeat(200),
  'x'.repeat(36),
  'x'.repeat(37),
  'x'.repeat(199),
  'x'.repeat(200),
  `%-${'0'.repeat(34)}`,
];

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code;

const endsOf = (summaries: readonly Summary[]): string[] => summaries.map(({ end }) => end);

export function exerciseWorkers({ test, expect }: TestFramework, make: MakeEngine): void {
  for (const workers of [1, 3]) {
    test(`${workers} workers tick each step of several chains once`, async () => {
      const exercise = new Exercise(await make());
      const chains = Array.from({ length: 8 }, (_, index) => index);
      for (const left of chains)
        await exercise.submit(`chain${left}`, { state: 'count', payload: { left } });
      const ticked: string[] = [];
      const running = Array.from({ length: workers }, (_, index) =>
        start(exercise, `w${index}`, { onTick: ({ name }) => void ticked.push(name) }),
      );
      const summaries = await exercise.until(Promise.all(running.map(({ summary }) => summary)));
      const steps = chains.reduce((sum, left) => sum + left + 1, 0);
      expect({ ticked: ticked.length, distinct: new Set(ticked).size }).toEqual({
        ticked: steps,
        distinct: steps,
      });
      expect(summaries.reduce((sum, { done }) => sum + done, 0)).toBe(steps);
      expect(endsOf(summaries)).toEqual(running.map(() => 'empty'));
      for (const left of chains) {
        const last = await exercise.engine.get(`chain${left}`);
        expect(last).toMatchObject({ flag: 'done', output: 'counted' });
      }
    });
  }

  test('retries failed ticks, or fails the state with its attempts and reason', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('soon', { state: 'shaky', payload: 2 });
    await exercise.submit('never', { state: 'shaky', payload: 9 });
    await exercise.submit('doomed', { state: 'doomed' });
    await exercise.submit('stranger', { state: 'nothing-here' });
    const summary = await exercise.until(start(exercise, 'ant').summary);
    expect(summary).toEqual({ done: 1, failed: 3, end: 'empty' });
    expect(await exercise.engine.get('soon')).toMatchObject({ flag: 'done', attempts: [{}, {}] });
    expect(await exercise.engine.get('never')).toMatchObject({
      flag: 'failed',
      attempts: [{}, {}, {}],
    });
    expect(await exercise.engine.get('doomed')).toMatchObject({ flag: 'failed', attempts: [{}] });
    const { reason = '' } = (await exercise.engine.get('stranger'))!;
    expect(reason.includes('no worker here knows machine nothing-here; they know')).toBe(true);
  });

  test('joins a fork once, with the output of each branch', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('trip', { state: 'team' });
    const running = ['ant', 'bee'].map((name) => start(exercise, name));
    await exercise.until(Promise.all(running.map(({ summary }) => summary)));
    expect(await exercise.failed()).toEqual([]);
    expect(await exercise.engine.get('trip')).toMatchObject({
      flag: 'done',
      output: { left: 'worked 0', right: 'worked 1', other: 'counted' },
    });
  });

  test('does not tick a delayed state before it is due, and waits for it', async () => {
    const exercise = new Exercise(await make());
    const due = exercise.bench.clock.now() + 9000;
    const notBefore = new Date(due).toISOString();
    await exercise.submit('later', { state: 'count', payload: { left: 0 }, notBefore });
    let ticked = 0;
    const onTick = (): void => void (ticked = exercise.bench.clock.now());
    await exercise.until(start(exercise, 'ant', { onTick }).summary);
    expect(ticked >= due).toBe(true);
  });

  test('applies events and timers with their guards, emitted events and following ticks', async () => {
    const exercise = new Exercise(await make());
    for (const name of ['lamp', 'other']) await exercise.submit(name, { state: 'lamp' });
    await exercise.submit('eye', { state: 'eye' });
    await exercise.submit('bell', { state: 'bell' });
    const running = ['ant', 'bee', 'cow'].map((name) => start(exercise, name, { stays: true }));
    const resultOf = async (id: string): Promise<unknown> => {
      for (let look = 0; look < 200; look += 1) {
        const result = await exercise.engine.eventResult(id);
        if (result !== undefined) return result.outcome.outcome;
        await exercise.bench.pass(100);
      }
      return undefined;
    };
    await exercise.send('lamp', 'on', { details: { tell: ['other'] } });
    expect(await resultOf('on')).toBe('Ok');
    await exercise.bench.pass(3000);
    await exercise.send('eye', 'look', { event: 'look' });
    expect(await resultOf('look')).toBe('Ok');
    await exercise.send('bell', 'ring', { event: 'ring' });
    expect(await resultOf('ring')).toBe('Ok');
    await exercise.send('lamp', 'fade', { event: 'fade' });
    expect(await resultOf('fade')).toBe('Ok');
    await exercise.bench.pass(8000);
    const stateOf = async (name: string): Promise<unknown> =>
      (await exercise.engine.get(name))?.state;
    expect({
      lamp: await stateOf('lamp'),
      other: await stateOf('other'),
      eye: await stateOf('eye'),
    }).toEqual({ lamp: 'off', other: 'on', eye: 'open' });
    expect(await exercise.engine.get('bell')).toMatchObject({ flag: 'done', output: 'rung' });
    for (const { stop } of running) stop();
    const summaries = await exercise.until(Promise.all(running.map(({ summary }) => summary)));
    expect(endsOf(summaries)).toEqual(['stopped', 'stopped', 'stopped']);
  });

  test('keeps the id, time, details and originator of each event in the history', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('lamp', { state: 'lamp' });
    const sent = { timestamp: '2026-01-01T00:00:00.000Z', details: { by: [1] }, originator: 'me' };
    await exercise.send('lamp', 'good', sent);
    await exercise.bench.pass(1);
    await exercise.send('lamp', 'bad', { ...sent, event: 'fly' });
    const worker = start(exercise, 'ant');
    await exercise.until(worker.summary);
    const history = await exercise.engine.history('lamp');
    const events = history.flatMap((step) => [...step.events]);
    expect(events.length).toBe(2);
    expect(events[0]).toMatchObject({ ...sent, id: 'good', event: 'press', outcome: 'Ok' });
    expect(events[1]).toMatchObject({ ...sent, id: 'bad', outcome: 'EventNotAllowed' });
  });

  test('runs the activity of a hook once, before the next event of its instance', async () => {
    const exercise = new Exercise(await make());
    const { engine, bench } = exercise;
    for (const name of ['gate', 'stuck']) await exercise.submit(name, { state: 'gate' });
    await exercise.submit('bell', { state: 'bell' });
    const running = ['ant', 'bee'].map((name) => start(exercise, name, { stays: true }));
    await exercise.send('gate', 'one', { event: 'open' });
    await exercise.send('stuck', 'two', { event: 'open', details: 'never' });
    await bench.pass(1);
    await exercise.send('gate', 'three', { event: 'shut' });
    await exercise.send('stuck', 'four', { event: 'shut' });
    const until = async (isOver: () => Promise<boolean>): Promise<void> => {
      for (let look = 0; look < 200 && !(await isOver()); look += 1) await bench.pass(100);
    };
    await until(async () => (await engine.eventResult('three')) !== undefined);
    await until(async () => (await engine.get('bell'))?.flag === 'done');
    await until(async () => (await exercise.failed()).length > 0);
    // The event for the failed state waits until a user retries that.
    expect(await engine.eventResult('four')).toBe(undefined);
    expect(await exercise.chain('stuck')).toEqual(['gate done', 'open failed']);
    const steps = await engine.history('gate');
    const told = steps.map(({ state, hook, payload, attempts, events }) => {
      const ids = events.map(({ id }) => id);
      return {
        state,
        ...(hook !== undefined && { hook }),
        payload,
        attempts: attempts.length,
        ids,
      };
    });
    const opened = { opened: 1 };
    expect(told.slice(0, 4)).toEqual([
      { state: 'gate', payload: {}, attempts: 0, ids: ['one'] },
      { state: 'open', hook: 'count', payload: {}, attempts: 1, ids: [] },
      { state: 'open', payload: opened, attempts: 0, ids: ['three'] },
      { state: 'shut', payload: opened, attempts: 0, ids: [] },
    ]);
    expect(await engine.get('bell')).toMatchObject({ flag: 'done', output: 'rung' });
    for (const { stop } of running) stop();
    await exercise.until(Promise.all(running.map(({ summary }) => summary)));
  });

  test('applies an event of any id once, and gives the id back', async () => {
    const exercise = new Exercise(await make());
    const { engine, bench } = exercise;
    await exercise.submit('lamp', { state: 'lamp' });
    const refused = ['', 'x'.repeat(201), 'a\0', '\ud800'];
    for (const id of refused) {
      const sending = engine.send([{ to: 'lamp', id, file: { event: 'press' } }]);
      const code = await exercise.until(sending.then(() => undefined, codeOf));
      expect({ id, code }).toEqual({ id, code: 'bad-event' });
      expect(await engine.eventResult(id)).toBe(undefined);
    }
    const running = ['ant', 'bee'].map((name) => start(exercise, name, { stays: true }));
    for (let copy = 0; copy < 2; copy += 1) {
      for (const id of ODD_IDS) {
        await exercise.send('lamp', id);
        await exercise.send('nowhere', `${id.slice(0, 190)} lost`, { grace: 0 });
        await bench.pass(1);
      }
    }
    const idOf = async (id: string): Promise<unknown> => (await engine.eventResult(id))?.outcome.id;
    const last = `${ODD_IDS.at(-1)!.slice(0, 190)} lost`;
    for (let look = 0; look < 200 && (await idOf(last)) === undefined; look += 1) {
      await bench.pass(100);
    }
    for (const { stop } of running) stop();
    await exercise.until(Promise.all(running.map(({ summary }) => summary)));
    for (const id of ODD_IDS) {
      const lost = `${id.slice(0, 190)} lost`;
      expect([await idOf(id), await idOf(lost)]).toEqual([id, lost]);
      expect((await exercise.send('lamp', id)).kind).toBe('over');
    }
    const history = await engine.history('lamp');
    const applied = history.flatMap(({ events }) => events.map((event) => event.id));
    expect(applied.toSorted()).toEqual(ODD_IDS.toSorted());
  });

  test('a stopped worker gives back a state whose tick takes longer than its drain', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('slow', { state: 'slow', payload: 60_000 });
    const ticked: string[] = [];
    const worker = start(exercise, 'ant', { onTick: ({ name }) => void ticked.push(name) });
    while (ticked.length === 0) await exercise.bench.pass(50);
    worker.stop();
    expect((await exercise.until(worker.summary)).end).toBe('stopped');
    expect(await exercise.engine.get('slow')).toMatchObject({ flag: 'available', attempts: [] });
  });
}
