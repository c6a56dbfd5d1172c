import { describe, expect, test } from 'vitest';
import {
  applyEvents,
  type PendingEvent,
  type EventBatch,
  type EventBatchInput,
} from '../../src/machine/event-batch.ts';
import type { Json } from '../../src/machine/definition.ts';
import {
  eventIdOf,
  formatEvent,
  formatEventName,
  parseEvent,
  parseEventName,
  type EventFile,
} from '../../src/machine/event.ts';
import { machine } from '../../src/machine/machine.ts';
import { MAX_KEPT_DETAILS_BYTES } from '../../src/machine/record.ts';
import { MAX_STATE_BYTES, parseStateFile, type StateFile } from '../../src/machine/state-file.ts';
import { choose, impossible, same, type InstanceSnapshot } from '../../src/machine/table.ts';

/** `after` emits the events that are in the details under `emit`. */
const DOOR = machine({
  name: 'door',
  states: ['closed', 'opening', 'open', 'scrap'],
  events: ['ask', 'done', 'look', 'break'],
  initial: 'closed',
  sensors: ['lamp'],
  goals: { ask: 'through' },
  table: {
    closed: {
      ask: 'opening',
      done: impossible,
      look: choose('the lamp is on', ['open', same], ({ sensor }) =>
        sensor('lamp')?.state === 'on' ? 'open' : same,
      ),
      break: 'scrap',
    },
    opening: { ask: same, done: 'open', look: same, break: 'scrap' },
    open: { ask: 'opening', done: impossible, look: same, break: 'scrap' },
    scrap: { ask: impossible, done: impossible, look: impossible, break: same },
  },
  after: { opening: { '3s': 'done', '1m': 'break' } },
  hooks: {
    before: ({ details }) => (details as { veto?: string } | null)?.veto,
    after: ({ details }) => (details as { emit?: never[] } | null)?.emit ?? [],
  },
});

const FINISHED = '2026-11-25T23:49:16.007Z';
let count = 0;

function pending(event: string | Partial<EventFile>, id = `e${(count += 1)}`): PendingEvent {
  const content = JSON.stringify(typeof event === 'string' ? { event } : event);
  return { file: `20261125T234916.007Z~${id}@door`, id, content };
}

function batch(events: readonly PendingEvent[], more: Partial<EventBatchInput> = {}): EventBatch {
  return applyEvents({
    machine: DOOR,
    instance: 'door',
    name: 'door.state-4',
    file: { state: 'closed', machine: 'door', payload: {} },
    state: 'closed',
    events,
    sensor: () => undefined,
    finished: FINISHED,
    ...more,
  });
}

function nextOf({ next }: EventBatch): StateFile {
  const parsed = parseStateFile(new TextEncoder().encode(next.content));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.file;
}

const emittedEvents = ({ emit }: EventBatch): unknown[] =>
  emit.map(({ name, content }) => {
    const { time, isDelayed, to } = parseEventName(name)!;
    const { event, details, delay, since } = parseEvent(content) as EventFile;
    return { time, isDelayed, to, event, details, delay, since };
  });

const OPENING: Partial<EventBatchInput> = {
  state: 'opening',
  file: { state: 'opening', machine: 'door', payload: {}, since: 'door.state-2' },
};

const OPENED: Partial<EventBatchInput> = {
  state: 'open',
  file: { state: 'open', machine: 'door', payload: {} },
};

describe('applyEvents', () => {
  test('applies all pending events in one step, with each outcome', () => {
    const all = [pending('ask', 'a'), pending({ event: 'done', originator: 'me' }, 'b')];
    const step = batch(all);
    expect(nextOf(step).state).toBe('open');
    expect(step.next.name).toBe('door.state-5');
    expect(step.events).toEqual([
      { file: all[0]!.file, id: 'a', event: 'ask', outcome: 'Ok', from: 'closed', to: 'opening' },
      {
        file: all[1]!.file,
        id: 'b',
        event: 'done',
        originator: 'me',
        outcome: 'Ok',
        from: 'opening',
        to: 'open',
      },
    ]);
  });

  test('records originator, timestamp and details, up to a limit', () => {
    const sent = { event: 'look', originator: 'me', timestamp: 'noon' };
    const details = { text: 'x'.repeat(5000) };
    const bytes = JSON.stringify(details).length;
    const limit = { text: 'x'.repeat(MAX_KEPT_DETAILS_BYTES - '{"text":""}'.length) };
    const all = [
      pending({ ...sent, details: { by: ['hand', null] } }),
      pending({ ...sent, details }),
      pending({ ...sent, details: limit }),
      pending({ ...sent, details: null }),
    ];
    expect(batch(all, OPENED).events).toMatchObject([
      { ...sent, details: { by: ['hand', null] } },
      { ...sent, detailsBytes: bytes },
      { ...sent, details: limit },
      { ...sent, details: null },
    ]);
    expect(batch(all, OPENED).events[1]).not.toHaveProperty('details');
  });

  test('skips a second event with the same id, even with other content', () => {
    const step = batch([pending('ask', 'a'), pending('done', 'a'), pending('look', 'b')]);
    expect(step.events.map(({ id, event }) => [id, event])).toEqual([
      ['a', 'ask'],
      ['b', 'look'],
    ]);
    expect(nextOf(step).state).toBe('opening');
  });

  test('skips a second file of an event with a long id, of which one file has lost its content', () => {
    const id = 'x'.repeat(60);
    const files = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:01.000Z'].map((time) =>
      formatEventName({ time, isDelayed: false, id, to: 'door' }),
    );
    const contents = ['', formatEvent({ event: 'ask' }, id)];
    const all = files.map((file, index): PendingEvent => {
      const content = contents[index]!;
      return { file, content, id: eventIdOf(parseEventName(file)!.key, content) };
    });
    expect(batch(all).events.map(({ file }) => file)).toEqual([files[0]]);
  });

  test('records a refused event and goes on with the next', () => {
    const step = batch([
      pending('done'),
      pending({ event: 'ask', details: { veto: 'not today' } }),
      pending('sing'),
      { ...pending('ask', 'bad'), content: '{"event":' },
      pending('break'),
    ]);
    expect(step.events.map(({ outcome, from, to }) => [outcome, from, to])).toEqual([
      ['EventNotAllowed', 'closed', undefined],
      ['TransitionNotAllowed', 'closed', undefined],
      ['EventNotAllowed', 'closed', undefined],
      ['GenericError', 'closed', undefined],
      ['Ok', 'closed', 'scrap'],
    ]);
    expect(step.events.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('impossible'),
      'not today',
      expect.stringContaining('sing'),
      expect.stringContaining('not JSON'),
      undefined,
    ]);
    expect(step.events[3]).not.toHaveProperty('event');
    expect(nextOf(step)).toEqual({ state: 'scrap', payload: {}, machine: 'door' });
  });

  test('records events that are all refused, in a step to the same state', () => {
    const step = batch([pending('done')]);
    expect(nextOf(step)).toEqual({ state: 'closed', payload: {}, machine: 'door' });
    expect(step.emit).toEqual([]);
  });

  test('adds the goal to the payload', () => {
    const file = { state: 'closed', payload: { n: 1 }, machine: 'door', 'x-mine': 2, priority: 3 };
    const step = batch([pending('ask')], { file });
    expect(nextOf(step)).toEqual({
      state: 'opening',
      payload: { n: 1, goal: 'through' },
      machine: 'door',
      'x-mine': 2,
      priority: 3,
      since: 'door.state-5',
    });
  });

  test('keeps any payload unchanged without a goal', () => {
    for (const payload of [null, 3, [1], { __proto__: null, a: 'b' }] as Json[]) {
      const file = { state: 'closed', payload, machine: 'door' };
      expect(nextOf(batch([pending('break')], { file })).payload).toEqual(payload);
    }
  });

  test('adds the machine to a successor whose state is not the machine', () => {
    const step = batch([pending('ask')], { file: { state: 'door', payload: {} } });
    expect(nextOf(step)).toMatchObject({ state: 'opening', machine: 'door' });
  });
});

describe('timers', () => {
  test('are set on entry, the soonest first, and lapse when the state is left', () => {
    expect(emittedEvents(batch([pending('ask')]))).toEqual([
      {
        time: '2026-11-25T23:49:19.007Z',
        isDelayed: true,
        to: 'door',
        event: 'done',
        delay: 3000,
        since: 'door.state-5',
      },
      {
        time: '2026-11-25T23:50:16.007Z',
        isDelayed: true,
        to: 'door',
        event: 'break',
        delay: 60_000,
        since: 'door.state-5',
      },
    ]);
  });

  test('are not set for a state that the same step leaves', () => {
    const step = batch([pending('ask'), pending('done')]);
    expect(step.emit).toEqual([]);
    expect(nextOf(step)).not.toHaveProperty('since');
  });

  test('are set once in a state that was not entered by an event', () => {
    const step = batch([], { state: 'opening', file: { state: 'opening', payload: {} } });
    expect(step.events).toEqual([]);
    expect(step.emit).toHaveLength(2);
    expect(nextOf(step)).toMatchObject({ state: 'opening', since: 'door.state-5' });
  });

  test('continue when an event does not move the instance', () => {
    const step = batch([pending('look'), pending('sing')], OPENING);
    expect(step.emit).toEqual([]);
    expect(nextOf(step)).toMatchObject({ state: 'opening', since: 'door.state-2' });
  });

  test('start again when the instance returns', () => {
    const step = batch([pending('done'), pending('ask')], OPENING);
    expect(step.emit).toHaveLength(2);
    expect(nextOf(step)).toMatchObject({ state: 'opening', since: 'door.state-5' });
  });

  test('are refused after the instance has moved', () => {
    const due = (since: string): PendingEvent => pending({ event: 'done', since });
    const inTime = batch([due('door.state-2')], OPENING);
    expect(inTime.events).toMatchObject([{ outcome: 'Ok', to: 'open' }]);
    const late = batch([pending('done'), pending('ask'), due('door.state-2')], OPENING);
    expect(late.events[2]).toMatchObject({
      outcome: 'EventNotAllowed',
      from: 'opening',
      reason: expect.stringContaining('door.state-2'),
    });
    expect(nextOf(late).state).toBe('opening');
    const other = batch([due('door.state-1')], OPENING);
    expect(other.events).toMatchObject([{ outcome: 'EventNotAllowed' }]);
    const none = batch([due('door.state-2')], {
      state: 'opening',
      file: { state: 'opening', payload: {} },
    });
    expect(none.events).toMatchObject([{ outcome: 'EventNotAllowed' }]);
  });
});

describe('a vetoed timer', () => {
  const vetoed = (more: Partial<EventFile> = {}): Partial<EventFile> => ({
    event: 'done',
    details: { veto: 'not now' },
    since: 'door.state-2',
    delay: 3000,
    ...more,
  });

  test('is rescheduled with the same delay', () => {
    const step = batch([pending(vetoed())], OPENING);
    expect(step.events).toMatchObject([{ outcome: 'TransitionNotAllowed', reason: 'not now' }]);
    expect(nextOf(step)).toMatchObject({ state: 'opening', since: 'door.state-2' });
    expect(emittedEvents(step)).toMatchObject([
      { to: 'door', event: 'done', delay: 3000, since: 'door.state-2', isDelayed: true },
    ]);
  });

  test('is rescheduled only for an event of the current timers', () => {
    const { since: _since, ...sent } = vetoed();
    expect(batch([pending(sent)], OPENING).emit).toEqual([]);
    expect(batch([pending(vetoed({ since: 'door.state-1' }))], OPENING).emit).toEqual([]);
  });
});

describe('an event whose decision reads another instance', () => {
  const ON: InstanceSnapshot = { state: 'on', payload: {} };

  test('gets the snapshot, and marks the step as having looked', () => {
    const asked: string[] = [];
    const sensor = (instance: string): InstanceSnapshot => (asked.push(instance), ON);
    const step = batch([pending('look', 'a'), pending('break', 'b')], { sensor });
    expect(asked).toEqual(['lamp']);
    expect(step.hasLooked).toBe(true);
    expect(nextOf(step).state).toBe('scrap');
    expect(step.events.map(({ id, to }) => [id, to])).toEqual([
      ['a', 'open'],
      ['b', 'scrap'],
    ]);
    expect(batch([pending('ask')])).toMatchObject({ hasLooked: false });
  });

  test('is left for the next cycle with all that follow, unless it is the first', () => {
    const events = [pending('sing', 'a'), pending('look', 'b'), pending('break', 'c')];
    const step = batch(events, { sensor: () => ON });
    expect(step.hasLooked).toBe(false);
    expect(nextOf(step).state).toBe('closed');
    expect(step.events.map(({ id }) => id)).toEqual(['a']);
  });

  test('is an InternalError if it may not read that instance', () => {
    const sensor = (): never => {
      throw new Error('lamp is not a sensor');
    };
    const step = batch([pending('look')], { sensor });
    expect(step.hasLooked).toBe(true);
    expect(nextOf(step).state).toBe('closed');
    expect(step.events).toMatchObject([
      { outcome: 'InternalError', reason: 'lamp is not a sensor' },
    ]);
  });

  test('is applied at once in a state in which it reads nothing', () => {
    const step = batch([pending('look'), pending('look'), pending('done')], OPENING);
    expect(step.events).toHaveLength(3);
  });
});

describe('the events that a step sends', () => {
  const asking = (...emit: unknown[]): PendingEvent =>
    pending({ event: 'ask', details: { emit } as unknown as Json });

  test('are in the order in which they were emitted, timers last', () => {
    const step = batch([
      asking({ to: 'lamp', event: 'on', details: 1 }, { to: 'bell', event: 'ring' }),
      pending('look'),
    ]);
    const names = step.emit.map(({ name }) => name);
    expect(names.slice(0, 2)).toEqual(names.slice(0, 2).toSorted());
    expect(emittedEvents(step)).toMatchObject([
      { to: 'lamp', event: 'on', details: 1, isDelayed: false, time: FINISHED },
      { to: 'bell', event: 'ring' },
      { to: 'door', event: 'done', isDelayed: true },
      { to: 'door', event: 'break', isDelayed: true },
    ]);
  });

  test('come from the first event of a batch; a later one that emits is left for the next cycle', () => {
    const events = [pending('look', 'a'), asking({ to: 'lamp', event: 'on' }), pending('break')];
    const step = batch(events, OPENED);
    expect(step.events.map(({ id }) => id)).toEqual(['a']);
    expect(nextOf(step).state).toBe('open');
    expect(step.emit).toEqual([]);
  });

  test.each([
    '',
    '.hidden',
    'a/b',
    '../a',
    'a\nb',
    'a\u0000b',
    '\ud800',
    '\ufffd',
    'x'.repeat(195),
  ])('refuse the event that emits to the invalid instance %j', (to) => {
    const step = batch([
      asking({ to: 'lamp', event: 'on' }, { to, event: 'on' }),
      pending('break'),
    ]);
    expect(step.events).toMatchObject([
      {
        outcome: 'MissingDestination',
        from: 'closed',
        reason: expect.stringContaining('not a valid instance'),
      },
      { outcome: 'Ok', from: 'closed', to: 'scrap' },
    ]);
    expect(step.emit).toEqual([]);
  });

  test.each(['x'.repeat(194), 'a~b@c+d', 'größe', 'x.state-1', '-'])('may go to %j', (to) => {
    const step = batch([asking({ to, event: 'on' })]);
    expect(emittedEvents(step)[0]).toMatchObject({ to, event: 'on' });
  });

  const loop: { self?: object } = {};
  loop.self = loop;
  test.each([
    ['a BigInt', 1n, 'bigint'],
    ['what contains itself', loop, 'self contains itself'],
    ['a function', () => 1, 'function'],
    ['what is not finite', { n: Number.NaN }, '.n is NaN'],
    ['more than fits', 'x'.repeat(MAX_STATE_BYTES), 'larger than'],
  ])('refuse the event that emits %s in the details', (_, details, words) => {
    const rash = machine({
      name: 'rash',
      states: ['a', 'b'],
      events: ['go'],
      initial: 'a',
      table: { a: { go: 'b' }, b: { go: same } },
      hooks: { after: () => [{ to: 'lamp', event: 'on', details: details as Json }] },
    });
    const file = { state: 'a', machine: 'rash', payload: {} };
    const step = batch([pending('go')], { machine: rash, state: 'a', file });
    expect(step.events).toMatchObject([
      { outcome: 'InternalError', from: 'a', reason: expect.stringContaining(words) },
    ]);
    expect(nextOf(step).state).toBe('a');
    expect(step.emit).toEqual([]);
  });

  test('are the same for the same step', () => {
    const events = [asking({ to: 'lamp', event: 'on' })];
    expect(batch(events)).toEqual(batch(events));
    const later = batch(events, { finished: '2026-11-25T23:49:16.008Z' });
    expect(later.emit.map(({ name }) => parseEventName(name)!.key)).not.toEqual(
      batch(events).emit.map(({ name }) => parseEventName(name)!.key),
    );
  });
});

describe('an instance whose tick has answered wait', () => {
  const WAITING: Partial<EventBatchInput> = {
    state: 'opening',
    file: { state: 'opening', machine: 'door', payload: {}, waits: true, since: 'door.state-2' },
  };

  test('waits until an event moves it', () => {
    const stays = batch([pending('ask')], WAITING);
    expect(stays.rests).toBe(true);
    expect(nextOf(stays)).toMatchObject({ waits: true, since: 'door.state-2' });
    const refused = batch([pending('unheard of')], WAITING);
    expect(nextOf(refused)).toMatchObject({ waits: true });
    const moves = batch([pending('done')], WAITING);
    expect(nextOf(moves)).toEqual({ state: 'open', machine: 'door', payload: {} });
  });

  test('runs once an event has moved it to a state with an activity', () => {
    const machines = machine({
      name: 'busy',
      states: ['work'],
      events: ['again', 'no'],
      initial: 'work',
      table: { work: { again: 'work', no: same } },
      activities: { work: () => ({ kind: 'done' }) },
    });
    const file: StateFile = { state: 'work', machine: 'busy', payload: {}, waits: true };
    const again = batch([pending('again')], { machine: machines, state: 'work', file });
    expect(again.rests).toBe(false);
    expect(nextOf(again).waits).toBeUndefined();
    const no = batch([pending('no')], { machine: machines, state: 'work', file });
    expect(no.rests).toBe(true);
  });
});
