import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  emittedEvent,
  eventIdOf,
  formatEvent,
  formatEventName,
  parseEvent,
  parseEventName,
  eventIdProblem,
  eventKey,
  idInKey,
  isHashedKey,
} from '../../src/machine/event.ts';
import { parseStateName, stateName } from '../../src/machine/name.ts';
import { MAX_STATE_BYTES } from '../../src/machine/state-file.ts';

const NAME = {
  time: '2026-11-25T23:49:16.007Z',
  isDelayed: false,
  id: 'payment-991',
  to: 'door',
};

const ids = fc
  .string({ minLength: 1, maxLength: 200, unit: 'binary' })
  .filter((id) => eventIdProblem(id) === undefined);
const times = fc
  .date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
  .map((date) => date.toISOString());
/** Any valid instance. */
const instances = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
    fc.constantFrom('a~b', 'a@b', 'a+b@c~d', 'x.state-1', '__proto__', ' ', '-', 'größe', '@', '~'),
  )
  .filter((to) => parseStateName(stateName(to, 0))?.instance === to);
const names: fc.Arbitrary<typeof NAME> = fc.record({
  time: times,
  isDelayed: fc.boolean(),
  id: ids,
  to: instances,
});

describe('event file names', () => {
  test('contain time, id, instance and whether the event is delayed', () => {
    expect(formatEventName(NAME)).toBe('20261125T234916.007Z~payment-991@door');
    expect(formatEventName({ ...NAME, isDelayed: true })).toBe(
      '20261125T234916.007Z+payment-991@door',
    );
  });

  test('round-trip for any instance, with the key of any id', () => {
    fc.assert(
      fc.property(names, (name) => {
        const { id, ...rest } = name;
        const parsed = parseEventName(formatEventName(name));
        expect(parsed).toEqual({ ...rest, key: eventKey(id) });
        expect(eventIdOf(parsed!.key, formatEvent({ event: 'a' }, id))).toBe(id);
      }),
    );
  });

  test('sort by time first', () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        fc.pre(one.time !== other.time);
        const [a, b] = [formatEventName(one), formatEventName(other)];
        expect([a, b].toSorted()[0]).toBe(one.time < other.time ? a : b);
      }),
    );
  });

  test('fit into 255 bytes, also for the longest instance', () => {
    const to = 'x'.repeat(200 - '.state'.length);
    const name = formatEventName({ ...NAME, id: 'i'.repeat(200), to });
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
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
    `20261125T234916.007Z~${'i'.repeat(37)}@door`,
    // Not the key of any id.
    '20261125T234916.007Z~pay%61@door',
    '20261125T234916.007Z~pay%2f1@door',
    '20261125T234916.007Z~pay%2@door',
    '20261125T234916.007Z~pay%00@door',
    '20261125T234916.007Z~pay%FF@door',
    '20261125T234916.007Z~%-0123@door',
    `20261125T234916.007Z~%-${'A'.repeat(34)}@door`,
    '20261125T234916.007Z~payment-991@do\ufffdr',
  ])('parseEventName refuses %j', (fileName) => {
    expect(parseEventName(fileName)).toBeUndefined();
  });

  test('parseEventName never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseEventName(text)));
  });
});

describe('eventIdOf', () => {
  const LONG = 'x'.repeat(37);
  const key = eventKey(LONG);

  test('reads the id in the file only if the key is hashed', () => {
    expect(formatEvent({ event: 'a' }, 'pay/1')).toBe('{"event":"a"}\n');
    expect(formatEvent({ event: 'a' }, LONG)).toBe(`{"event":"a","id":"${LONG}"}\n`);
    expect(eventIdOf('pay%2F1', '{"event":"a","id":"other"}')).toBe('pay/1');
    expect(eventIdOf(key, `{"event":"a","id":"${LONG}"}`)).toBe(LONG);
  });

  test.each([
    '',
    '{',
    '{"event":"a"}',
    '{"event":"a","id":"other"}',
    '{"event":"a","id":"a\\u0000"}',
  ])('is the key when the file has another id: %j', (content) => {
    expect(eventIdOf(key, content)).toBe(key);
  });
});

describe('parseEvent', () => {
  const FULL = {
    event: 'pay',
    details: { amount: [1, null, 'x'] },
    originator: 'till',
    timestamp: '2026-11-25T23:49:16.007Z',
    delay: 3000,
    grace: 0,
    since: 'door.state-4',
  };

  test('round-trips an event', () => {
    expect(parseEvent(formatEvent(FULL))).toEqual(FULL);
    expect(parseEvent('{"event":"pay"}')).toEqual({ event: 'pay' });
  });

  test('round-trips any details', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 6 }), (event, details) => {
        const file = { event, details: JSON.parse(JSON.stringify(details)) };
        expect(parseEvent(formatEvent(file))).toEqual(file);
      }),
    );
  });

  test('keeps a __proto__ in the details as data', () => {
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
    ['[]', 'expected { "event": …'],
    ['null', 'expected { "event"'],
    ['"pay"', 'expected { "event"'],
    ['{}', '"event": '],
    ['{"event": ""}', '"event": '],
    ['{"event": 5}', '"event": '],
    ['{"event": "a", "evnt": 1}', 'evnt'],
    ['{"event": "a", "__proto__": {}}', '__proto__'],
    ['{"event": "a", "details": {"n": [1e999]}}', '1e999 is too large'],
    ['{"event": "a", "details": 9007199254740993}', '9007199254740993 would become'],
    ['{"event": "a", "delay": "3s"}', '"delay": '],
    ['{"event": "a", "delay": -1}', '"delay": '],
    ['{"event": "a", "delay": 1e999}', '1e999'],
    ['{"event": "a", "grace": -1}', '"grace": '],
    ['{"event": "a", "grace": null}', '"grace": '],
    ['{"event": "a", "since": 4}', '"since": '],
    ['{"event": "a", "originator": {}}', '"originator": '],
    ['{"event": "a", "timestamp": 1}', '"timestamp": '],
  ])('refuses %s with a reason', (content, reason) => {
    expect(parseEvent(content)).toEqual(expect.stringContaining(reason));
  });

  test('gives the reason once', () => {
    expect(parseEvent('{')).toMatch(/^not JSON: (?!not JSON)/);
  });

  test('refuses more bytes than a state file may have, before parsing', () => {
    const large = formatEvent({ event: 'a', details: 'é'.repeat(MAX_STATE_BYTES / 2) });
    expect(large.length).toBeLessThan(MAX_STATE_BYTES);
    expect(parseEvent(large)).toBe(`larger than ${MAX_STATE_BYTES} bytes`);
    expect(parseEvent('{'.repeat(MAX_STATE_BYTES + 1))).toContain('larger');
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseEvent(text)));
    fc.assert(fc.property(fc.json(), (text) => void parseEvent(text)));
  });
});

describe('emittedEvent', () => {
  const STEP = { state: 'door.state-3', finished: '2026-11-25T23:49:16.007Z' };
  const DRAFT = { to: 'lamp', event: 'on' };

  test('names its originator and time', () => {
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

  test('puts the due time of a delayed event into its name', () => {
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

  test('is deterministic, and differs for another attempt, step or index', () => {
    const idOf = (index: number, step: typeof STEP): string =>
      parseEventName(emittedEvent(DRAFT, index, step).name)!.key;
    expect(emittedEvent(DRAFT, 2, STEP)).toEqual(emittedEvent(DRAFT, 2, STEP));
    const all = [
      idOf(0, STEP),
      idOf(1, STEP),
      idOf(0, { ...STEP, state: 'door.state-4' }),
      idOf(0, { ...STEP, finished: '2026-11-25T23:49:16.008Z' }),
    ];
    expect(new Set(all).size).toBe(all.length);
    for (const id of all) expect(eventIdProblem(id)).toBeUndefined();
    // Ids differ in more than the index, so that they differ from those of other attempts.
    expect(new Set(all.map((id) => id.slice(4))).size).toBe(all.length);
  });

  test('keeps the order of one step', () => {
    const all = Array.from({ length: 120 }, (_, index) => emittedEvent(DRAFT, index, STEP).name);
    expect(all.toSorted()).toEqual(all);
  });
});

const SAFE = /^[A-Za-z0-9_%-][A-Za-z0-9_.%-]{0,35}$/;
const SMALL = ['a', 'A', '.', '/', '%', '-', '2', 'F', '\u00e9', 'e\u0301', '😀', '\n', '\ufffd'];
/** Short ones of few characters, which are often alike, and any others. */
const validIds = fc.oneof(
  fc.string({ unit: fc.constantFrom(...SMALL), minLength: 1, maxLength: 5 }),
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: 200 })
    .filter((id) => eventIdProblem(id) === undefined),
  fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 30, maxLength: 40 }),
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 34, maxLength: 34 })
    .map((hash) => `%-${hash}`),
);

describe('eventKey', () => {
  test.each(['a', 'payment-991', '-x', '_', 'a.b', 'A..', 'x'.repeat(36), '0'.repeat(36)])(
    'is the id when that is a file name of 36 characters at most: %j',
    (id) => {
      expect(eventKey(id)).toBe(id);
    },
  );

  test.each([
    ['.a', '%2Ea'],
    ['a/b', 'a%2Fb'],
    ['a~b', 'a%7Eb'],
    ['a+1', 'a%2B1'],
    ['a@b', 'a%40b'],
    ['100%', '100%25'],
    ['ä', '%C3%A4'],
    ['a\n', 'a%0A'],
    [' ', '%20'],
    ["!*'()", '%21%2A%27%28%29'],
    ['😀', '%F0%9F%98%80'],
  ])('escapes the bytes that a file name should not have: %j', (id, key) => {
    expect(eventKey(id)).toBe(key);
  });

  test('is a hash when that would be too long', () => {
    expect(eventKey('x'.repeat(37))).toMatch(/^%-[0-9a-f]{34}$/);
    expect(eventKey('/'.repeat(12))).toBe('%2F'.repeat(12));
    expect(eventKey('/'.repeat(13))).toMatch(/^%-[0-9a-f]{34}$/);
  });

  test('is no hash of an id when the id looks like one', () => {
    const hashed = eventKey('x'.repeat(37));
    expect(eventKey(hashed)).not.toBe(hashed);
  });

  test('is a file name of 36 bytes at most, and differs for each id', () => {
    fc.assert(
      fc.property(validIds, validIds, (one, other) => {
        for (const id of [one, other]) expect(eventKey(id)).toMatch(SAFE);
        expect(eventKey(one) === eventKey(other)).toBe(one === other);
      }),
      { numRuns: 2000 },
    );
  });

  test('differs for validIds that differ in case, or by normalization', () => {
    expect(eventKey('\u00e9')).not.toBe(eventKey('e\u0301'));
    expect(eventKey('Pay')).not.toBe(eventKey('pay'));
  });
});

describe('idInKey', () => {
  test('is the inverse of eventKey when the key is not hashed', () => {
    fc.assert(
      fc.property(validIds, (id) => {
        const key = eventKey(id);
        expect(idInKey(key)).toBe(isHashedKey(key) ? undefined : id);
      }),
    );
  });

  test('accepts no other text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('%', '2', 'F', 'a', '.', '-') }), (text) => {
        const id = idInKey(text);
        if (id !== undefined) expect(eventKey(id)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('eventIdProblem', () => {
  test.each(['a', ' ', '.', '/', '\n', '\ufffd', 'x'.repeat(200), '😀'.repeat(200)])(
    'accepts any text of 1 to 200 characters: %j',
    (id) => {
      expect(eventIdProblem(id)).toBeUndefined();
    },
  );

  test.each([
    ['', 'expected 1 to 200 characters, got none'],
    ['x'.repeat(201), 'expected 1 to 200 characters, got more, beginning with "xxx'],
    ['😀'.repeat(201), 'expected 1 to 200 characters, got more'],
    ['x'.repeat(100_000), 'got more'],
    ['a\0b', 'it contains NUL'],
    ['a\ud83d', 'it contains half of a surrogate pair'],
    ['\ude00', 'it contains half of a surrogate pair'],
  ])('refuses %j with a reason', (id, reason) => {
    const problem = eventIdProblem(id)!;
    expect(problem).toContain(reason);
    expect(problem.length).toBeLessThan(150);
  });
});
