import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  emittedEvent,
  eventIdProblem,
  formatEvent,
  formatEventName,
  parseEvent,
  parseEventName,
  type EventName,
} from '../../src/machine/event.ts';
import { parseStateName, stateName } from '../../src/machine/name.ts';
import { MAX_STATE_BYTES } from '../../src/machine/state-file.ts';

/** So that a name fits in a file system. */
const MAX_ID = 36;

const NAME: EventName = {
  time: '2026-11-25T23:49:16.007Z',
  isDelayed: false,
  id: 'payment-991',
  to: 'door',
};

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';
const ids = fc
  .tuple(
    fc.constantFrom(...LETTERS),
    fc.string({ unit: fc.constantFrom(...LETTERS, '.'), maxLength: MAX_ID - 1 }),
  )
  .map(([first, rest]) => first + rest);
const times = fc
  .date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
  .map((date) => date.toISOString());
/** Whatever state files may be called. */
const instances = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
    fc.constantFrom('a~b', 'a@b', 'a+b@c~d', 'x.state-1', '__proto__', ' ', '-', 'größe', '@', '~'),
  )
  .filter((to) => parseStateName(stateName(to, 0))?.instance === to);
const names: fc.Arbitrary<EventName> = fc.record({
  time: times,
  isDelayed: fc.boolean(),
  id: ids,
  to: instances,
});

describe('the name of an event’s file', () => {
  test('says when, which, for whom, and whether that is to be waited for', () => {
    expect(formatEventName(NAME)).toBe('20261125T234916.007Z~payment-991@door');
    expect(formatEventName({ ...NAME, isDelayed: true })).toBe(
      '20261125T234916.007Z+payment-991@door',
    );
  });

  test('is read as it was written, whatever the instance is called', () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(parseEventName(formatEventName(name))).toEqual(name);
      }),
    );
  });

  test('orders by time before anything else', () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        fc.pre(one.time !== other.time);
        const [a, b] = [formatEventName(one), formatEventName(other)];
        expect([a, b].toSorted()[0]).toBe(one.time < other.time ? a : b);
      }),
    );
  });

  test('fits in a file system, and so does the longest instance’s', () => {
    const to = 'x'.repeat(200 - '.state'.length);
    const name = formatEventName({ ...NAME, id: 'i'.repeat(MAX_ID), to });
    expect(name.length).toBeLessThanOrEqual(255);
  });

  test.each([
    '',
    'door',
    'notes.txt',
    '.payment-991',
    '20261125T234916.007Z~payment-991@',
    '20261125T234916.007Z~@door',
    '20261125T234916.007Z~payment-991',
    '20261125T234916.007Z-payment-991@door',
    '.20261125T234916.007Z~payment-991@door',
    ' 20261125T234916.007Z~payment-991@door',
    '20261125T234916.007~payment-991@door',
    '20261125T234916Z~payment-991@door',
    '2026-11-25T23:49:16.007Z~payment-991@door',
    '+020261125T234916.007Z~payment-991@door',
    '20261125T234916.007Z~.hidden@door',
    '20261125T234916.007Z~pay ment@door',
    '20261125T234916.007Z~größe@door',
    '20261125T234916.007Z~pay+1@door',
    `20261125T234916.007Z~${'i'.repeat(MAX_ID + 1)}@door`,
    '20261125T234916.007Z~payment-991@do\ufffdr',
  ])('%j is none', (fileName) => {
    expect(parseEventName(fileName)).toBeUndefined();
  });

  test('of anything else, whatever it is, nothing is thrown', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseEventName(text)));
  });
});

describe('an id', () => {
  test('is what can be part of a file’s name, and is told from the rest of it', () => {
    fc.assert(fc.property(ids, (id) => eventIdProblem(id) === undefined));
  });

  test.each(['', '.', '.a', 'a b', 'a/b', 'a~b', 'a+1', 'a@b', 'ä', 'a\n', 'i'.repeat(37)])(
    '%j is refused, and it says what would do',
    (id) => {
      expect(eventIdProblem(id)).toContain('36 letters, digits, dots');
    },
  );
});

describe('what an event says', () => {
  const FULL = {
    event: 'pay',
    details: { amount: [1, null, 'x'] },
    originator: 'till',
    timestamp: '2026-11-25T23:49:16.007Z',
    delay: 3000,
    grace: 0,
    since: 'door.state-4',
  };

  test('is read as it was written', () => {
    expect(parseEvent(formatEvent(FULL))).toEqual(FULL);
    expect(parseEvent('{"event":"pay"}')).toEqual({ event: 'pay' });
  });

  test('whatever the details', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 6 }), (event, details) => {
        const file = { event, details: JSON.parse(JSON.stringify(details)) };
        expect(parseEvent(formatEvent(file))).toEqual(file);
      }),
    );
  });

  test('a __proto__ in the details is data', () => {
    const parsed = parseEvent('{"event":"a","details":{"__proto__":{"polluted":true}}}');
    const { details } = parsed as { details: object };
    expect(Object.hasOwn(details, '__proto__')).toBe(true);
    expect('polluted' in details).toBe(false);
  });

  test.each([
    ['', 'not JSON'],
    ['{', 'not JSON'],
    ['{"event": "a"} {}', 'not JSON'],
    [`{"event":"a","details":${'['.repeat(200)}${']'.repeat(200)}}`, '200 levels'],
    ['[]', 'an event says { "event": …'],
    ['null', 'an event says'],
    ['"pay"', 'an event says'],
    ['{}', '"event": '],
    ['{"event": ""}', '"event": '],
    ['{"event": 5}', '"event": '],
    ['{"event": "a", "evnt": 1}', 'evnt'],
    ['{"event": "a", "__proto__": {}}', '__proto__'],
    ['{"event": "a", "details": {"n": [1e999]}}', '1e999 is larger than any'],
    ['{"event": "a", "details": 9007199254740993}', '9007199254740993 would become'],
    ['{"event": "a", "delay": "3s"}', '"delay": '],
    ['{"event": "a", "delay": -1}', '"delay": '],
    ['{"event": "a", "delay": 1e999}', '1e999'],
    ['{"event": "a", "grace": -1}', '"grace": '],
    ['{"event": "a", "grace": null}', '"grace": '],
    ['{"event": "a", "since": 4}', '"since": '],
    ['{"event": "a", "originator": {}}', '"originator": '],
    ['{"event": "a", "timestamp": 1}', '"timestamp": '],
  ])('%s is none: it says so', (content, reason) => {
    expect(parseEvent(content)).toEqual(expect.stringContaining(reason));
  });

  test('what is wrong is said once', () => {
    expect(parseEvent('{')).toMatch(/^not JSON: (?!not JSON)/);
  });

  test('more than a state file may have is not even parsed', () => {
    const large = formatEvent({ event: 'a', details: 'é'.repeat(MAX_STATE_BYTES / 2) });
    expect(large.length).toBeLessThan(MAX_STATE_BYTES);
    expect(parseEvent(large)).toBe(`larger than ${MAX_STATE_BYTES} bytes`);
    expect(parseEvent('{'.repeat(MAX_STATE_BYTES + 1))).toContain('larger');
  });

  test('whatever the text, it answers', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseEvent(text)));
    fc.assert(fc.property(fc.json(), (text) => void parseEvent(text)));
  });
});

describe('an event that a step causes', () => {
  const STEP = { state: 'door.state-3', finished: '2026-11-25T23:49:16.007Z' };
  const DRAFT = { to: 'lamp', event: 'on' };

  test('says who caused it, and when', () => {
    const { name, content } = emittedEvent({ ...DRAFT, details: { lux: 3 } }, 0, STEP);
    expect(parseEventName(name)).toMatchObject({
      time: STEP.finished,
      isDelayed: false,
      to: 'lamp',
    });
    expect(parseEvent(content)).toEqual({
      event: 'on',
      details: { lux: 3 },
      originator: 'door.state-3',
      timestamp: STEP.finished,
    });
  });

  test('a delayed one is called by the time that it is due', () => {
    const { name, content } = emittedEvent(
      { ...DRAFT, delay: 3000, since: 'door.state-4' },
      0,
      STEP,
    );
    expect(parseEventName(name)).toMatchObject({
      time: '2026-11-25T23:49:19.007Z',
      isDelayed: true,
    });
    expect(parseEvent(content)).toMatchObject({
      delay: 3000,
      since: 'door.state-4',
      timestamp: STEP.finished,
    });
  });

  test('is the same again for the same step, and another for any other run, step or place', () => {
    const idOf = (index: number, step: typeof STEP): string =>
      parseEventName(emittedEvent(DRAFT, index, step).name)!.id;
    expect(emittedEvent(DRAFT, 2, STEP)).toEqual(emittedEvent(DRAFT, 2, STEP));
    const all = [
      idOf(0, STEP),
      idOf(1, STEP),
      idOf(0, { ...STEP, state: 'door.state-4' }),
      idOf(0, { ...STEP, finished: '2026-11-25T23:49:16.008Z' }),
    ];
    expect(new Set(all).size).toBe(all.length);
    for (const id of all) expect(eventIdProblem(id)).toBeUndefined();
    // By more than its place: with no other event of any run.
    expect(new Set(all.map((id) => id.slice(4))).size).toBe(all.length);
  });

  test('those of one step are in its order', () => {
    const all = Array.from({ length: 120 }, (_, index) => emittedEvent(DRAFT, index, STEP).name);
    expect(all.toSorted()).toEqual(all);
  });
});
