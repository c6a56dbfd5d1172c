import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJson } from '../../src/machine/json-text.ts';
import { formatStateFile, MAX_STATE_BYTES, parseStateFile } from '../../src/machine/state-file.ts';

const parse = (text: string) => parseStateFile(new TextEncoder().encode(text));

describe('parseStateFile', () => {
  test('needs only a state; the payload is then empty', () => {
    expect(parse('{"state": "simple"}')).toEqual({
      ok: true,
      file: { state: 'simple', payload: {} },
    });
  });

  test('accepts every key', () => {
    const file = {
      $schema: './state-file.schema.json',
      state: 'running',
      payload: [1, 'two', null],
      machine: 'job:1.2',
      notBefore: '2026-01-01T00:00:00+01:00',
      priority: -3,
      since: 'job.state-4',
      'x-owner': { team: 'a' },
    };
    expect(parse(JSON.stringify(file))).toEqual({ ok: true, file });
  });

  test('ignores a byte order mark', () => expect(parse('\ufeff{"state": "a"}').ok).toBe(true));

  test('accepts a null payload', () => {
    expect(parse('{"state": "a", "payload": null}')).toMatchObject({ file: { payload: null } });
  });

  test('keeps __proto__ as data', () => {
    const parsed = parse('{"state": "a", "payload": {"__proto__": {"admin": true}}}');
    expect(parsed.ok && JSON.stringify(parsed.file)).toContain('"__proto__":{"admin":true}');
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test('formatStateFile omits indentation that would exceed the limit', () => {
    const file = { state: 'a', payload: new Array(400_000).fill(0) };
    const text = formatStateFile(file);
    expect(text.length).toBeLessThan(MAX_STATE_BYTES);
    expect(parse(text)).toEqual({ ok: true, file });
  });

  test('inverts formatStateFile', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 6 }), (state, payload) => {
        const file = { state, payload: JSON.parse(JSON.stringify(payload)) };
        expect(parse(formatStateFile(file))).toEqual({ ok: true, file });
      }),
    );
  });
});

describe('parseStateFile refuses', () => {
  test.each([
    ['', 'empty', undefined, undefined, 'empty'],
    ['  \n ', 'empty', undefined, undefined, 'empty'],
    ['hello', 'bad-json', 1, 1, 'not JSON'],
    ['{"state": "a",}', 'bad-json', 1, 15, 'not JSON'],
    ['{\n  "state": "a"\n  "payload": {}\n}', 'bad-json', 3, 3, 'not JSON'],
    ['{"state": "a"', 'bad-json', 1, 14, 'not JSON'],
    ['{"state": "a"} {}', 'bad-json', 1, 16, 'not JSON'],
    ["{'state': 'a'}", 'bad-json', 1, 2, 'not JSON'],
    ['[]', 'bad-state-file', 1, 1, 'object'],
    ['"simple"', 'bad-state-file', 1, 1, 'object'],
    ['{"payload": {}}', 'bad-state-file', 1, 1, 'required'],
    ['{"state": 5}', 'bad-state-file', 1, 2, 'string'],
    ['{"state": ""}', 'bad-state-file', 1, 2, 'state'],
    [
      '{"state": "a",\n "paylod": 1}',
      'bad-state-file',
      2,
      2,
      'unknown key "paylod"; did you mean payload?',
    ],
    ['{"state": "a",\n "priority": 1.5}', 'bad-state-file', 2, 2, 'int'],
    ['{"state": "a",\n "since": 4}', 'bad-state-file', 2, 2, '"since": '],
    [
      '{"state": "a",\n "branch": {"of": "a/b", "name": "c", "room": 1}}',
      'bad-state-file',
      2,
      undefined,
      'not a valid instance',
    ],
    [
      '{"state": "a",\n "branch": {"of": "a", "name": "c", "room": -1}}',
      'bad-state-file',
      2,
      undefined,
      '"branch.room"',
    ],
    [
      '{"state": "a",\n "branch": {"of": "a", "name": "c", "room": 1, "x": 1}}',
      'bad-state-file',
      2,
      undefined,
      'branch',
    ],
    ['{"state": "a",\n "join": {"b": {}}}', 'bad-state-file', 2, undefined, 'join.b.instance'],
    [
      '{"state": "a",\n "join": {"b": {"instance": "c", "output": 1e999}}}',
      'bad-json',
      2,
      44,
      '1e999',
    ],
    ['{"state": "a",\n "waits": 1}', 'bad-state-file', 2, 2, '"waits": '],
    ['{"state": "a",\n "since": null}', 'bad-state-file', 2, 2, '"since": '],
    ['{"state": "a", "notBefore": "tomorrow"}', 'bad-state-file', 1, 16, 'ISO'],
    ['{"state": "a", "machine": "a:b:c"}', 'bad-state-file', 1, 16, 'NAME'],
    [
      '{"state": "a",\n "payload": {"n": [1e999]}}',
      'bad-json',
      2,
      20,
      'the number 1e999 is too large; write it as text, "1e999"',
    ],
    ['{"state": "a",\n "x-n": -1e999}', 'bad-json', 2, 9, '-1e999'],
    [
      '{"state": "a", "payload": {"text": "9007199254740993",\n "id": 9007199254740993}}',
      'bad-json',
      2,
      8,
      'the number 9007199254740993 would become 9007199254740992',
    ],
    ['{"state": "a", "__proto__": {}}', 'bad-state-file', 1, undefined, 'unknown key'],
    [
      `{"state": "a", "payload": ${'['.repeat(200)}${']'.repeat(200)}}`,
      'bad-json',
      1,
      226,
      '200 levels',
    ],
  ])('%s', (text, code, line, column, reason) => {
    const parsed = parse(text);
    expect(parsed).toMatchObject({ ok: false, code });
    if (parsed.ok) return;
    expect(parsed.reason).toContain(reason);
    if (line !== undefined) expect(parsed.line).toBe(line);
    if (column !== undefined) expect(parsed.column).toBe(column);
  });

  test('bytes that are not UTF-8', () => {
    expect(parseStateFile(new Uint8Array([0x7b, 0xff, 0x7d]))).toMatchObject({
      ok: false,
      code: 'not-utf8',
    });
  });

  test('nothing after a file that is not UTF-8', () => {
    parseStateFile(new Uint8Array([0x7b, 0xe2, 0x82]));
    expect(parse('\ufeff{"state": "a"}').ok).toBe(true);
  });

  test('more than the size limit, before parsing', () => {
    const bytes = new Uint8Array(MAX_STATE_BYTES + 1).fill(0x20);
    expect(parseStateFile(bytes)).toMatchObject({ ok: false, code: 'too-large' });
  });

  test('a million brackets without a stack overflow', () => {
    expect(parse('['.repeat(1_000_000))).toMatchObject({ ok: false, code: 'bad-json' });
  });

  test.each(['["\n', '{"a": ["\n', '[1, //"\n', '[1, /*"*/', '[' + '}'.repeat(1000)])(
    'nor do brackets after the mistake %j, which hides them from the count',
    (mistake) => {
      for (const bracket of ['[', '{"a":[', '[}']) {
        expect(parse(mistake + bracket.repeat(100_000))).toMatchObject({ code: 'bad-json' });
      }
    },
  );

  test('no brackets in strings', () => {
    expect(parse(`{"state": "a", "payload": "${'['.repeat(300)}\\""}`).ok).toBe(true);
  });

  test('any bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseStateFile(bytes)),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parseJson(text);
        expect(parsed.ok || (parsed.line >= 1 && parsed.column >= 1)).toBe(true);
      }),
    );
  });
});
