import { describe, expect, test } from 'vitest';
import {
  eventIdProblem,
  formatEventName,
  isCaused,
  parseEventName,
} from '../../src/machine/event.ts';
import {
  isDroppedName,
  parseDropped,
  problemName,
  subjectOfProblem,
  takenName,
} from '../../src/machine/dropped.ts';

const accept = { to: 'order-7', event: 'accept' };
const parse = (value: unknown, name: string = 'a.json'): ReturnType<typeof parseDropped> =>
  parseDropped(name, typeof value === 'string' ? value : JSON.stringify(value));
const idOf = (value: unknown, name?: string): string => (parse(value, name) as { id: string }).id;

test.each([
  ['accept-order-7.json', true],
  ['a b@c~d.json', true],
  ['.accept.json', false],
  ['.json', false],
  ['accept.json.tmp', false],
  ['accept.json.problem', false],
  ['accept.JSON', false],
  ['20260101T000000.000Z~a@order', false],
])('isDroppedName(%s) is %s', (name, expected) => {
  expect(isDroppedName(name)).toBe(expected);
});

test('problemName is not the name of an event, and subjectOfProblem inverts it', () => {
  expect(subjectOfProblem(problemName('a.json'))).toBe('a.json');
  expect(subjectOfProblem('a.json')).toBeUndefined();
  expect(subjectOfProblem('.a.json.problem')).toBeUndefined();
  expect(subjectOfProblem('a.txt.problem')).toBeUndefined();
});

test('parses the instance and the other keys', () => {
  const more = { details: { by: [1, null] }, originator: 'me', timestamp: 'now' };
  expect(parse({ ...accept, ...more, id: 'pay-1' })).toEqual({
    id: 'pay-1',
    to: 'order-7',
    file: { event: 'accept', ...more },
  });
});

describe('an event without an id', () => {
  test('gets the same id for the same name and content only', () => {
    expect(idOf(accept)).toBe(idOf(accept));
    const others = [idOf(accept, 'b.json'), idOf({ ...accept, details: 1 }), idOf(accept)];
    expect(new Set(others).size).toBe(3);
  });

  test('gets a valid id that differs from those of steps', () => {
    const id = idOf(accept);
    expect(eventIdProblem(id)).toBeUndefined();
    const name = { time: new Date(0).toISOString(), isDelayed: false, to: 'x' };
    const parsed = parseEventName(formatEventName({ ...name, id }))!;
    expect(parsed).toEqual({ ...name, key: id });
    expect(isCaused(parsed)).toBe(false);
  });
});

describe('the name of a file that was taken', () => {
  test('is that of a dropped file, with the same id', () => {
    const taken = takenName('a.json', 'abc12345-7')!;
    expect(taken).toBe('a.json~abc12345-7.json');
    expect(isDroppedName(taken)).toBe(true);
    expect(idOf(accept, taken)).toBe(idOf(accept, 'a.json'));
    expect(takenName(taken, 'def-1')).toBe('a.json~def-1.json');
  });

  test.each(['v2-1', 'B-1', 'ABC12345-1', 'abc123456-1', 'abc12345-0', 'abc12345-01', 'abc12345'])(
    'is not one that ends with ~%s.json: a user may have chosen that',
    (suffix) => {
      const chosen = `a.json~${suffix}.json`;
      expect(idOf(accept, chosen)).not.toBe(idOf(accept, 'a.json'));
      expect(takenName(chosen, 'abc12345-7')).toBe(`${chosen}~abc12345-7.json`);
    },
  );

  test('is missing when it would be too long', () => {
    expect(takenName(`${'x'.repeat(236)}.json`, 'abc-1')).toHaveLength(252);
    expect(takenName(`${'x'.repeat(240)}.json`, 'abc-1')).toBeUndefined();
  });
});

test.each([
  ['', 'not JSON'],
  ['\0\0\0', 'not JSON'],
  ['[]', 'expected object'],
  ['null', 'expected object'],
  [{ event: 'accept' }, '"to"'],
  [{ to: 'order-7' }, '"event"'],
  [{ ...accept, event: '' }, '"event"'],
  [{ ...accept, to: 7 }, '"to"'],
  [{ ...accept, to: '' }, '"to": not a valid instance'],
  [{ ...accept, to: '../x' }, '"to": not a valid instance'],
  [{ ...accept, to: 'x'.repeat(250) }, '"to": not a valid instance'],
  [{ ...accept, id: '' }, '"id"'],
  [{ ...accept, id: 'x'.repeat(201) }, '"id"'],
  [{ ...accept, id: 'a\0' }, '"id"'],
  ['{"to":"order-7","event":"accept","id":"\\ud800"}', '"id"'],
  [{ ...accept, when: 'now' }, 'when'],
  [{ ...accept, details: 'x'.repeat(2 ** 20) }, 'larger than'],
  ['['.repeat(1000), 'deep'],
])('refuses %j: %s', (value, why) => {
  expect(parse(value)).toEqual(expect.stringContaining(why));
});

test('keeps a __proto__ in the details as data', () => {
  const text = '{"to":"order-7","event":"accept","details":{"__proto__":{"a":1},"b":2}}';
  const dropped = parseDropped('a.json', text);
  if (typeof dropped === 'string') throw new Error(dropped);
  expect(JSON.stringify(dropped.file.details)).toBe('{"__proto__":{"a":1},"b":2}');
});

test('refuses every partial file', () => {
  const whole = JSON.stringify({ ...accept, details: { a: [1, '}'] } });
  for (let length = 0; length < whole.length; length += 1) {
    expect(typeof parse(whole.slice(0, length))).toBe('string');
  }
});
