import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkAnswer, done, next } from '../../src/machine/answer.ts';
import { commandAnswer } from '../../src/machine/command-result.ts';
import { formatDuration, parseDuration } from '../../src/machine/duration.ts';
import { UserError } from '../../src/machine/errors.ts';
import { isMachine, machine } from '../../src/machine/machine.ts';
import { createRegistry, machineNames, resolveState } from '../../src/machine/registry.ts';
import {
  parseAttempt,
  parseCommitRecord,
  parseFailureRecord,
  formatRecord,
  type Attempt,
} from '../../src/machine/record.ts';
import { retryDelay, retryVerdict } from '../../src/machine/retry.ts';
import { shippedMachines } from '../../src/machine/shipped.ts';
import { parseStateFile, formatSuccessor } from '../../src/machine/state-file.ts';

const tick = () => done();

describe('defining a machine', () => {
  test('fills in every default', () => {
    const one = machine({ name: 'job', activities: { run: tick } });
    expect(isMachine(one)).toBe(true);
    expect(one).toMatchObject({ name: 'job', initial: 'run', version: undefined });
    expect(one.activities.get('run')).toEqual({
      kind: 'tick',
      tick,
      timeout: 300_000,
      retry: {
        maximumAttempts: 5,
        initialInterval: 1000,
        backoffCoefficient: 2,
        maximumInterval: 60_000,
      },
    });
  });

  test.each([
    ['no name', { activities: { run: tick } }, 'machine name'],
    ['a name with a colon', { name: 'a:b', activities: { run: tick } }, 'machine name'],
    ['a version that is no text', { name: 'a', version: 2, activities: { run: tick } }, 'version'],
    [
      'an interval beyond any timer',
      { name: 'a', activities: { run: { tick, retry: { maximumInterval: '876601h' } } } },
      'a hundred years',
    ],
    ['no activities', { name: 'a', activities: {} }, 'no activities'],
    [
      'an initial state without activity',
      { name: 'a', initial: 'x', activities: { run: tick } },
      'initial state x',
    ],
    ['an unknown key', { name: 'a', activites: {}, activities: { run: tick } }, 'activites'],
    [
      'an unknown key of an activity',
      { name: 'a', activities: { run: { tick, timout: 3 } } },
      'timout',
    ],
    ['no function', { name: 'a', activities: { run: { tick: 5 } } }, 'function'],
    ['both a tick and a command', { name: 'a', activities: { run: { tick, run: 'ls' } } }, 'tick'],
    ['an empty command', { name: 'a', activities: { run: { run: ' ' } } }, 'command line'],
    [
      'a timeout that is none',
      { name: 'a', activities: { run: { tick, timeout: 'soon' } } },
      'soon',
    ],
    ['a timeout of zero', { name: 'a', activities: { run: { tick, timeout: 0 } } }, 'timeout'],
    [
      'no attempts at all',
      { name: 'a', activities: { run: { tick, retry: { maximumAttempts: 0 } } } },
      'maximumAttempts',
    ],
    [
      'a backoff that shrinks',
      { name: 'a', activities: { run: { tick, retry: { backoffCoefficient: 0.5 } } } },
      'backoffCoefficient',
    ],
    [
      'an unknown retry option',
      { name: 'a', activities: { run: { tick, retry: { attempts: 3 } } } },
      'attempts',
    ],
  ])('refuses %s', (_what, options, word) => {
    expect(() => machine(options as never)).toThrow(UserError);
    expect(() => machine(options as never)).toThrow(word);
  });

  test('isMachine refuses everything else', () => {
    expect(
      [undefined, null, {}, tick, { name: 'a', activities: new Map() }].map(isMachine),
    ).toEqual(new Array(5).fill(false));
  });
});

describe('resolveState', () => {
  const job = (version?: string) =>
    machine({
      name: 'job',
      initial: 'first',
      ...(version && { version }),
      activities: { second: tick, first: tick },
    });
  const registry = createRegistry([...shippedMachines, job(), job('1.9'), job('1.10')]);

  test('takes the state as the name of the machine if there is no other', () => {
    expect(resolveState(registry, { state: 'countdown', payload: {} })).toMatchObject({
      ok: true,
      state: 'countdown',
    });
    expect(resolveState(registry, { state: 'job', payload: {} })).toMatchObject({
      ok: true,
      state: 'first',
    });
  });

  test('chooses the newest version, compared by number', () => {
    expect(resolveState(registry, { state: 'second', machine: 'job', payload: {} })).toMatchObject({
      machine: { version: '1.10' },
    });
    expect(
      resolveState(registry, { state: 'second', machine: 'job:1.9', payload: {} }),
    ).toMatchObject({ machine: { version: '1.9' } });
  });

  test.each([
    [
      { state: 'foo' },
      'unknown-machine',
      'foo; it knows countdown, job, job:1.10, job:1.9, simple',
    ],
    [{ state: 'first', machine: 'job:2' }, 'unknown-machine', 'job:2'],
    [{ state: 'third', machine: 'job' }, 'unknown-state', 'there are second, first'],
    [{ state: 'first', machine: 'job', waits: true }, 'no-events', 'nothing can end its wait'],
  ])('refuses %o', (file, code, words) => {
    const resolved = resolveState(registry, { payload: {}, ...file });
    expect(resolved).toMatchObject({ ok: false, code });
    expect(!resolved.ok && resolved.reason).toContain(words);
  });

  test('createRegistry refuses two machines with one name and version', () => {
    expect(() => createRegistry([job('1'), job('1')])).toThrow('two machines job:1');
    expect(machineNames(registry)).toContain('slow-countdown');
  });
});

describe('checkAnswer', () => {
  test('accepts done and next with JSON', () => {
    expect(checkAnswer(done())).toEqual({ kind: 'done' });
    expect(checkAnswer(done(null))).toEqual({ kind: 'done', output: null });
    expect(checkAnswer(next('a', { b: [1] }))).toEqual({
      kind: 'next',
      state: 'a',
      payload: { b: [1] },
    });
    expect(checkAnswer(done({ a: undefined, b: 1 } as never))).toEqual({
      kind: 'done',
      output: { b: 1 },
    });
  });

  const nested = (levels: number): unknown =>
    JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;

  test.each([
    ['deep', nested(199)],
    ['large', 'ü'.repeat(500_000)],
    ['large once it is indented', new Array(400_000).fill(0)],
  ])('accepts only payloads that the successor can hold: %s', (_what, payload) => {
    const answer = checkAnswer({ kind: 'next', state: 'a', payload });
    if (answer.kind !== 'next') throw new Error('not next');
    const successor = { state: answer.state, payload: answer.payload! };
    const content = formatSuccessor({ state: 'a', payload: {} }, 'job', successor);
    const parsed = parseStateFile(new TextEncoder().encode(content));
    expect(parsed.ok && JSON.stringify(parsed.file.payload) === JSON.stringify(payload)).toBe(true);
  });

  test('returns an answer or throws an Error for any value', () => {
    const values = fc.oneof(
      fc.anything({ withBigInt: true, withNullPrototype: true }),
      fc.record({
        kind: fc.constantFrom('done', 'next'),
        state: fc.string(),
        payload: fc.anything(),
      }),
    );
    fc.assert(
      fc.property(values, (value) => {
        try {
          expect(['done', 'next']).toContain(checkAnswer(value).kind);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });

  test('accepts plain objects of another realm', () => {
    const output = runInNewContext('({ a: [1, { b: null }] })') as never;
    const bare = Object.assign(Object.create(null) as object, { c: 1 }) as never;
    expect(checkAnswer(done(output))).toEqual({ kind: 'done', output: { a: [1, { b: null }] } });
    expect(checkAnswer(done(bare))).toEqual({ kind: 'done', output: { c: 1 } });
  });

  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  test.each([
    [undefined, 'got undefined'],
    [42, 'got 42'],
    ['done', 'got "done"'],
    [{ kind: 'nxt' }, 'got {"kind":"nxt"}'],
    [{ kind: 'next' }, 'must return done()'],
    [{ kind: 'next', state: '' }, 'must return done()'],
    [{ kind: 'done', output: Number.NaN }, 'output is NaN'],
    [{ kind: 'done', output: { a: [1n] } }, 'output.a.0 is a bigint'],
    [{ kind: 'done', output: () => 1 }, 'output is a function'],
    [{ kind: 'done', output: { m: new Map([['a', 1]]) } }, 'output.m is a Map, which JSON cannot'],
    [{ kind: 'next', state: 'a', payload: { s: [new Set()] } }, 'payload.s.0 is a Set'],
    [{ kind: 'done', output: { e: new TypeError('x') } }, 'output.e is a TypeError, which JSON'],
    [{ kind: 'done', output: { p: Promise.resolve(1) } }, 'output.p is a Promise, which JSON'],
    [{ kind: 'done', output: new Date(0) }, 'output is a Date'],
    [{ kind: 'done', output: { r: /x/ } }, 'output.r is a RegExp'],
    [{ kind: 'done', output: new URL('a:b') }, 'output is an URL'],
    [{ kind: 'done', output: Buffer.from('a') }, 'output is a Buffer'],
    [{ kind: 'done', output: new Float64Array(1) }, 'output is a Float64Array'],
    [
      {
        kind: 'done',
        output: new (class Point {
          x = 1;
        })(),
      },
      'output is a Point',
    ],
    [
      {
        kind: 'done',
        output: new (class {
          x = 1;
        })(),
      },
      'output is an object of a class',
    ],
    [{ kind: 'done', output: Object('text') }, 'output is a String'],
    [{ kind: 'done', output: Symbol('a') }, 'output is a symbol'],
    [{ kind: 'done', output: [1, undefined] }, 'output.1 is undefined'],
    [{ kind: 'done', output: { list: new Array(2) } }, 'output.list.0 is undefined'],
    [{ kind: 'done', output: /b/.exec('abc') }, 'output is a list with index'],
    [{ kind: 'done', output: { toJSON: () => 1 } }, 'output.toJSON is a function'],
    [{ kind: 'next', state: 'a', payload: cyclic }, 'payload.self contains itself'],
    [{ kind: 'done', output: 'x'.repeat(1_100_000) }, 'larger'],
    [{ kind: 'next', state: 'a', payload: 'ü'.repeat(600_000) }, 'larger'],
    [{ kind: 'next', state: 'a', payload: nested(200) }, '200 levels'],
  ])('refuses %o', (value, words) => {
    expect(() => checkAnswer(value)).toThrow(words);
  });
});

describe('commandAnswer', () => {
  test.each([
    ['', undefined, { kind: 'done' }],
    [' \n', 'pack', { kind: 'next', state: 'pack', payload: { old: 1 } }],
    ['{"width": 3}', 'pack', { kind: 'next', state: 'pack', payload: { width: 3 } }],
    ['{"width": 3}', undefined, { kind: 'done', output: { width: 3 } }],
    ['{"next": "other", "payload": 5}', 'pack', { kind: 'next', state: 'other', payload: 5 }],
    ['{"next": "other"}', undefined, { kind: 'next', state: 'other', payload: { old: 1 } }],
    [
      '{"next": "other", "payload": null}',
      undefined,
      { kind: 'next', state: 'other', payload: null },
    ],
    ['{"done": "ok"}', 'pack', { kind: 'done', output: 'ok' }],
    ['[1]\n', undefined, { kind: 'done', output: [1] }],
  ])('accepts %j with the configured next %s', (stdout, following, answer) => {
    expect(commandAnswer(stdout, following, { old: 1 })).toEqual(answer);
  });

  test('shows output that is not JSON in the error', () => {
    expect(() => commandAnswer('converted 3 files\nok\n', 'pack', {})).toThrow('converted 3 files');
  });
});

describe('retryVerdict', () => {
  const policy = {
    maximumAttempts: 3,
    initialInterval: 1000,
    backoffCoefficient: 2,
    maximumInterval: 3000,
  };
  const attempt = (number: number, more: Partial<Attempt> = {}): Attempt => ({
    attempt: number,
    session: 's',
    worker: 'w',
    started: 'x',
    ended: 'y',
    result: 'failed',
    error: { message: 'no' },
    ...more,
  });

  test('retries up to the maximum number of attempts', () => {
    expect(retryVerdict(policy, [attempt(1)], () => 0.5)).toEqual({ kind: 'retry', after: 1000 });
    expect(retryVerdict(policy, [attempt(1), attempt(2)], () => 0.5)).toEqual({
      kind: 'retry',
      after: 2000,
    });
    expect(
      retryVerdict(
        policy,
        [1, 2, 3].map((number) => attempt(number)),
        () => 0.5,
      ),
    ).toMatchObject({ kind: 'give-up', reason: expect.stringContaining('after 3 attempts') });
  });

  test('counts attempts whose worker was lost', () => {
    const lost = [1, 2, 3].map((number) => attempt(number, { result: 'lost' }));
    expect(retryVerdict(policy, lost, () => 0.5).kind).toBe('give-up');
  });

  test('does not retry a fatal error', () => {
    expect(
      retryVerdict(policy, [attempt(1, { error: { message: 'bad', fatal: true } })], () => 0.5),
    ).toEqual({ kind: 'give-up', reason: 'bad' });
  });

  test('grows the delay up to a bound, with 10 % jitter', () => {
    expect([0, 0.5, 1].map((random) => retryDelay(policy, 1, () => random))).toEqual([
      900, 1000, 1100,
    ]);
    expect(retryDelay(policy, 10, () => 1)).toBe(3000);
  });

  test('keeps the delay an integer within its bounds after any number of attempts', () => {
    const policies = fc.record({
      maximumAttempts: fc.integer({ min: 1 }),
      initialInterval: fc.nat(),
      backoffCoefficient: fc.oneof(fc.double({ min: 1, max: 10, noNaN: true }), fc.constant(1e300)),
      maximumInterval: fc.nat(),
    });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 5000 }), random, (any, failed, chance) => {
        const pause = retryDelay(any, failed, () => chance);
        expect(Number.isSafeInteger(pause) && pause >= 0 && pause <= any.maximumInterval).toBe(
          true,
        );
      }),
    );
  });
});

describe('formatSuccessor', () => {
  test('omits the machine if the parent does and the state names it', () => {
    const content = formatSuccessor({ state: 'countdown', payload: { count: 5 } }, 'countdown', {
      state: 'countdown',
      payload: { count: 4 },
    });
    expect(JSON.parse(content)).toEqual({ state: 'countdown', payload: { count: 4 } });
  });

  test('adds the machine if the state does not name it', () => {
    const content = formatSuccessor(
      { state: 'job', payload: 1, 'x-a': 2, notBefore: 'past', since: 'job.state', waits: true },
      'job',
      { state: 'pack', payload: 3 },
    );
    expect(JSON.parse(content)).toEqual({ state: 'pack', payload: 3, 'x-a': 2, machine: 'job' });
  });

  test('keeps the version of the parent', () => {
    const content = formatSuccessor({ state: 'a', machine: 'job:1', payload: {} }, 'job', {
      state: 'b',
      payload: null,
    });
    expect(JSON.parse(content)).toEqual({ state: 'b', payload: null, machine: 'job:1' });
  });
});

describe('records', () => {
  const record = {
    flockwork: 1,
    state: 'x.state',
    session: 's',
    worker: 'w',
    started: 'a',
    finished: 'b',
    next: { name: 'x.state-1', content: '{}' },
  } as const;

  test('round-trip to the byte', () => {
    const text = formatRecord(record);
    expect(formatRecord(parseCommitRecord(text, 'x.state')!)).toBe(text);
    const rich =
      '{"flockwork":1,"state":"x.state","session":"s","worker":"w","started":"a","finished":"b","output":{"__proto__":1,"b":[2]}}\n';
    expect(formatRecord(parseCommitRecord(rich, 'x.state')!)).toBe(rich);
  });

  test('round-trip with any output', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (output) => {
        const text = formatRecord({ ...record, output: JSON.parse(JSON.stringify(output)) });
        expect(formatRecord(parseCommitRecord(text, 'x.state')!)).toBe(text);
      }),
    );
  });

  test('never throw when parsed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        void [
          parseCommitRecord(text, 'x.state'),
          parseFailureRecord(text, 'x.state'),
          parseAttempt(text),
        ];
      }),
    );
  });

  test.each(['', '\n', 'null', '5', '[]', '{', '{"flockwork":2}', '{"flockwork":1,"session":"s"}'])(
    '%j is none',
    (text) => {
      expect([
        parseCommitRecord(text, 'x.state'),
        parseFailureRecord(text, 'x.state'),
        parseAttempt(text),
      ]).toEqual([undefined, undefined, undefined]);
    },
  );
});

describe('durations', () => {
  test('parse whole milliseconds, with and without a unit', () => {
    const units = fc.constantFrom(['', 1], ['ms', 1], ['s', 1000], ['m', 60_000], ['h', 3_600_000]);
    fc.assert(
      fc.property(fc.nat(), units, (count, [unit, ms]) => {
        expect(parseDuration(`${count}${unit}`)).toBe(count * ms);
      }),
    );
  });

  test.each([
    ['3s', 3000],
    ['150ms', 150],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0', 0],
    [250, 250],
    ['70', 70],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
  test.each(['', 's', '-1s', '1d', '1s 2s', 'NaN', 'Infinity', '1e3s', '99999999999999999999h'])(
    '%j is none',
    (text) => {
      expect(() => parseDuration(text)).toThrow('not a valid duration');
    },
  );
  test.each([
    [450, '450 ms'],
    [3200, '3.2 s'],
    [65_000, '1 m 05 s'],
    [7_380_000, '2 h 03 m'],
    [59_990, '1 m 00 s'],
  ])('formatDuration(%d) is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('the built-in machines', () => {
  const run = async (name: string, payload: unknown) => {
    const [state, activity] = [...shippedMachines.find((one) => one.name === name)!.activities][0]!;
    const printed: string[] = [];
    const pauses: number[] = [];
    const context = {
      instance: 'i',
      state,
      payload,
      print: (line: string) => printed.push(line),
      pause: async (ms: number) => void pauses.push(ms),
    };
    const answer = activity.kind === 'tick' ? await activity.tick(context as never) : undefined;
    return { answer, printed, pauses };
  };

  test('simple prints its target and ends', async () => {
    expect(await run('simple', { target: 'Hi' })).toEqual({
      answer: { kind: 'done' },
      printed: ['Hi'],
      pauses: [1000],
    });
  });

  test('a countdown from 5 ticks five times', async () => {
    let count = 5;
    for (let ticks = 1; ; ticks += 1) {
      const { answer, pauses } = await run('countdown', { count });
      expect(pauses).toEqual([1000]);
      if (answer?.kind !== 'next') return expect(ticks).toBe(5);
      count = (answer.payload as { count: number }).count;
    }
  });

  test('slow-countdown pauses for ten seconds in each step', async () => {
    expect((await run('slow-countdown', { count: 2 })).pauses).toEqual([10_000]);
  });

  test.each([
    ['simple', {}],
    ['simple', null],
    ['countdown', {}],
    ['countdown', { count: '5' }],
    ['countdown', { count: -1 }],
    ['countdown', { count: 1.5 }],
  ])('%s fails without a retry for the payload %j', async (name, payload) => {
    await expect(run(name, payload)).rejects.toMatchObject({ name: 'FatalError' });
  });
});
