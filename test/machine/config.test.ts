import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConfiguration, configurationDifferences } from '../../src/machine/config.ts';
import { decide } from '../../src/machine/decide.ts';
import { UserError } from '../../src/machine/errors.ts';
import { impossible } from '../../src/machine/table.ts';

const lines = (all: string[]) => all.join('\n');
const parse = (text: string, file = 'm.yaml') =>
  parseConfiguration(text, { file, folder: '/machines' });
const GOOD = `
name: thumbnails
version: 2
starting_state: shrink
activities:
  shrink: { run: ./shrink.sh, next: upload, timeout: 30s, retry: { maximumAttempts: 2 } }
  upload: { run: ./upload.sh, cwd: bin, env: { RETRIES: 3 } }
`;

describe('parseConfiguration', () => {
  test('accepts YAML with every key', () => {
    const machine = parse(GOOD);
    expect(machine).toMatchObject({ name: 'thumbnails', version: '2', initial: 'shrink' });
    expect(machine.activities.get('shrink')).toMatchObject({
      kind: 'command',
      run: './shrink.sh',
      next: 'upload',
      timeout: 30_000,
      cwd: '/machines',
    });
    expect(machine.activities.get('upload')).toMatchObject({
      cwd: '/machines/bin',
      env: { RETRIES: '3' },
      next: undefined,
    });
  });

  test('takes a version as written, not as a number', () => {
    expect(parse(GOOD.replace('version: 2', 'version: 1.10')).version).toBe('1.10');
  });

  test('uses the given version only where the text has none', () => {
    const plain = GOOD.replace('version: 2', '');
    const source = { file: 'm.yaml', folder: '/machines', version: 'v1' };
    expect(parseConfiguration(plain, source).version).toBe('v1');
    expect(parseConfiguration(GOOD, source).version).toBe('2');
    expect(parse(plain).version).toBeUndefined();
  });

  test.each(['m.yaml', 'm.json'])('accepts startingState for starting_state in %s', (file) => {
    const text = '{"name": "m", "startingState": "a", "activities": {"a": {"run": "true"}}}';
    expect(parse(text, file).initial).toBe('a');
    expect(() => parse(text.replace('"startingState": "a"', '"startingState": "b"'), file)).toThrow(
      `${file}:1:15: starting_state: there is no state b`,
    );
  });

  test('refuses both together', () => {
    expect(() => parse(`${GOOD}startingState: shrink\n`)).toThrow('unknown key startingState');
  });

  const envOf = (text: string, file?: string) => {
    const activity = parse(text, file).activities.get('go');
    return activity?.kind === 'command' ? activity.env : undefined;
  };
  test.each([
    ['3.10', '3.10'],
    ['0755', '0755'],
    ['0x1F', '0x1F'],
    ['1e3', '1e3'],
    ['1.0', '1.0'],
    ['12345678901234567890', '12345678901234567890'],
    ['yes', 'yes'],
    ['True', 'True'],
    ['2026-01-01', '2026-01-01'],
    ["'007'", '007'],
    ['"a\\tb"', 'a\tb'],
    ['!!str 1.50', '1.50'],
    ['.inf', '.inf'],
    ['&other 1.10', '1.10'],
  ])('takes a variable as written: %s', (written, value) => {
    const head = 'name: a\nstarting_state: go\nactivities:\n  go:\n    run: x\n';
    expect(envOf(`${head}    env:\n      V: ${written}\n`)).toEqual({ V: value });
    expect(envOf(`%YAML 1.1\n---\n${head}    env: { V: ${written} }\n`)).toEqual({ V: value });
  });

  test('takes a variable as written, also behind an alias and in JSON', () => {
    const text = `x-version: &v 3.10
x-env: &e { A: 1.0 }
name: a
starting_state: go
activities: { go: { run: x, env: { V: *v } }, on: { run: x, env: *e } }`;
    expect(envOf(text)).toEqual({ V: '3.10' });
    expect(parse(text).activities.get('on')).toMatchObject({ env: { A: '1.0' } });
    const json =
      '{"name":"a","starting_state":"go","activities":{"go":{"run":"x","env":{"V":1.50}}}}';
    expect(envOf(json, 'm.json')).toEqual({ V: '1.50' });
  });

  test.each([
    ['{ "A=B": x }', '"A=B" is not a valid variable name'],
    ['{ "": x }', '"" is not a valid variable name'],
    ['{ A: "x\\0" }', 'cannot contain a null character'],
    ['{ A: ~ }', 'text or a number'],
  ])('refuses an invalid variable: %s', (env, words) => {
    const text = `name: a\nstarting_state: go\nactivities: { go: { run: x, env: ${env} } }`;
    expect(() => parse(text)).toThrow(words);
  });

  test('returns a machine or throws a UserError for any text', () => {
    const keys = fc.constantFrom('name: a', 'activities:', '  s: {run: x}', 'starting_state: s');
    const texts = fc.oneof(fc.string(), fc.array(fc.oneof(keys, fc.string())).map(lines));
    fc.assert(
      fc.property(texts, fc.constantFrom('m.yaml', 'm.json'), (text, file) => {
        try {
          parse(text, file);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
    );
  });

  test('JSON', () => {
    const text = JSON.stringify({
      name: 'a',
      starting_state: 's',
      activities: { s: { run: 'true' } },
      'x-note': 1,
    });
    expect(parse(text, 'm.json').name).toBe('a');
  });

  test.each([
    ['YAML that is none', 'name: [a', 'm.yaml', ['m.yaml:1:']],
    ['YAML in a .json file', 'name: a', 'm.json', ['m.json:1:1', 'not JSON']],
    ['nothing', '', 'm.yaml', ['m.yaml:']],
    ['a list', '- a', 'm.yaml', ['object']],
    ['an unknown key', `${GOOD}retries: 3\n`, 'm.yaml', ['m.yaml:8:', 'unknown key retries']],
    [
      'an unknown key of an activity',
      GOOD.replace('timeout:', 'timout:'),
      'm.yaml',
      ['m.yaml:6:', 'timout'],
    ],
    [
      'a start that is no state',
      GOOD.replace('starting_state: shrink', 'starting_state: shrunk'),
      'm.yaml',
      ['m.yaml:4:', 'no state shrunk'],
    ],
    [
      'a next that is no state',
      GOOD.replace('next: upload', 'next: uplod'),
      'm.yaml',
      ['m.yaml:6:', 'no state uplod'],
    ],
    [
      'a next without activity',
      `${GOOD.replace('next: upload', 'next: idle')}states: [shrink, upload, idle]\n`,
      'm.yaml',
      ['no activity'],
    ],
    [
      'an unknown key in a block, at its own line',
      `${GOOD}  third:\n    run: x\n    retry:\n      attempts: 3\n`,
      'm.yaml',
      ['m.yaml:11:7: ', 'unknown key attempts; there are maximumAttempts'],
    ],
    ['a version that is nothing', GOOD.replace('2', ''), 'm.yaml', ['m.yaml:3:1: version']],
    [
      'an environment that is no text',
      GOOD.replace('RETRIES: 3', 'RETRIES: [3]'),
      'm.yaml',
      ['m.yaml:7:', 'env.RETRIES'],
    ],
    ['an alias without anchor', `${GOOD}x-a: *nope\n`, 'm.yaml', ['m.yaml: ', 'nope']],
    [
      'a bomb of aliases',
      `${GOOD}x-a: &a [${'1,'.repeat(20)}]\nx-b: &b [${'*a,'.repeat(20)}]\nx-c: [${'*b,'.repeat(20)}]\n`,
      'm.yaml',
      ['alias'],
    ],
    [
      'a timeout beyond any timer',
      GOOD.replace('30s', '876601h'),
      'm.yaml',
      ['m.yaml:6:', 'a hundred years'],
    ],
    [
      'a blank command',
      GOOD.replace('./upload.sh', '" "'),
      'm.yaml',
      ['m.yaml:7:', 'command line'],
    ],
    ['a command that is none', GOOD.replace('./upload.sh', '5'), 'm.yaml', ['m.yaml:7:', 'string']],
    ['a timeout that is none', GOOD.replace('30s', 'soon'), 'm.yaml', ['m.yaml:6:', 'soon']],
    ['a bad name', GOOD.replace('thumbnails', 'a b'), 'm.yaml', ['m.yaml:2:', 'machine name']],
  ])('refuses %s, with its position', (_what, text, file, words) => {
    expect(() => parse(text, file)).toThrow(expect.objectContaining({ code: 'bad-configuration' }));
    for (const word of words) expect(() => parse(text, file)).toThrow(word);
  });

  test('reports all problems at once', () => {
    const text = GOOD.replace('next: upload', 'next: uplod').replace('version: 2', 'versoin: 2');
    expect(() => parse(text)).toThrow(/versoin[^]*uplod|uplod[^]*versoin/);
  });
});

const ORDERS = `
name: orders
version: v3
starting_state: start
states: [start, pending, shipped, closed]
transitions:
  - { from: start, to: pending, event: accept }
  - { from: pending, to: shipped, event: ship }
  - { from: shipped, to: closed, event: close }
  - { from: pending, to: pending, event: remind }
after:
  pending:
    2m: remind
goals: { accept: closed }
`;

const HOOKED = `${ORDERS.replace('event: ship }', 'event: ship, run: notify }')}hooks: { notify: { run: ./notify.sh, cwd: bin, timeout: 9s, env: { RETRIES: 3.10 } } }
`;

const problemsOf = (text: string): unknown => {
  try {
    return parse(text);
  } catch (error) {
    return (error as UserError).facts['problems'];
  }
};

describe('parseConfiguration with transitions', () => {
  test('makes pairs without a transition impossible', () => {
    const orders = parse(ORDERS);
    expect(orders).toMatchObject({ name: 'orders', version: 'v3', initial: 'start' });
    expect(orders.events).toEqual(['accept', 'ship', 'close', 'remind']);
    expect(orders.rules!.goals).toEqual({ accept: 'closed' });
    const no = { accept: impossible, ship: impossible, close: impossible, remind: impossible };
    expect(orders.rules!.table).toEqual({
      start: { ...no, accept: 'pending' },
      pending: { ...no, ship: 'shipped', remind: 'pending' },
      shipped: { ...no, close: 'closed' },
      closed: no,
    });
    expect([...orders.timers]).toEqual([['pending', [{ after: 120_000, event: 'remind' }]]]);
    expect([...orders.kinds.values()]).toEqual(['waiting', 'waiting', 'waiting', 'terminal']);
  });

  test('tells a pair without a transition from one that stays', () => {
    const { rules } = parse(ORDERS);
    const send = (state: string, event: string): string =>
      decide(rules!, 'o', { state, payload: {} }, { event, details: null }, () => undefined)
        .outcome;
    expect(send('start', 'accept')).toBe('Ok');
    expect(send('start', 'ship')).toBe('EventNotAllowed');
    expect(send('start', 'explode')).toBe('EventNotAllowed');
  });

  test('accepts hooks: commands that run after transitions', () => {
    const { rules } = parse(HOOKED);
    expect([...rules!.activities]).toMatchObject([
      [
        'notify',
        { kind: 'command', timeout: 9000, cwd: '/machines/bin', env: { RETRIES: '3.10' } },
      ],
    ]);
    const runOf = (state: string, event: string): unknown => {
      const at = { state, payload: {} };
      const decision = decide(rules!, 'o', at, { event, details: null }, () => undefined);
      return { run: undefined, ...decision };
    };
    expect(runOf('pending', 'ship')).toMatchObject({ outcome: 'Ok', run: 'notify' });
    expect(runOf('start', 'accept')).toMatchObject({ outcome: 'Ok', run: undefined });
    expect(runOf('start', 'ship')).toMatchObject({ outcome: 'EventNotAllowed' });
  });

  test('accepts activities too', () => {
    const both = parse(`${ORDERS}activities: { shipped: { run: ./track.sh, next: closed } }\n`);
    expect(both.kinds.get('shipped')).toBe('runnable');
    expect(both.activities.get('shipped')).toMatchObject({ next: 'closed' });
  });

  test('JSON', () => {
    const text = JSON.stringify({
      name: 'a',
      starting_state: 's',
      states: ['s', 't'],
      transitions: [{ from: 's', to: 't', event: 'go' }],
    });
    expect(parse(text, 'm.json').rules!.table['s']!['go']).toBe('t');
  });

  const without = (line: RegExp): string => ORDERS.replace(line, '');
  test.each([
    [
      'an unknown from',
      ORDERS.replace('from: shipped', 'from: shiped'),
      ['m.yaml:9:7: ', 'no state shiped'],
    ],
    [
      'an unknown to',
      ORDERS.replace('to: closed', 'to: close'),
      ['m.yaml:9:22: ', 'no state close;'],
    ],
    [
      'a pair twice',
      ORDERS.replace('after:', '  - { from: start, to: closed, event: accept }\nafter:'),
      ['m.yaml:11:5: ', 'transitions.0 has accept from start already'],
    ],
    [
      'the same transition twice',
      ORDERS.replace('event: remind', 'event: ship').replace(
        'to: pending, event: ship',
        'to: shipped, event: ship',
      ),
      ['m.yaml:10:5: ', 'transitions.1 has ship from pending already'],
    ],
    [
      'a state twice',
      ORDERS.replace('closed]', 'start]'),
      ['m.yaml:5:35: ', 'state start is listed twice'],
    ],
    ['no states', without(/states:.*\n/), ['states: transitions need a list of states']],
    [
      'states that are none',
      ORDERS.replace(/states:.*/, 'states: [1]'),
      ['m.yaml:5:10: ', 'expected string'],
    ],
    [
      'an unknown start',
      ORDERS.replace('starting_state: start', 'starting_state: begin'),
      ['m.yaml:4:1: ', 'no state begin'],
    ],
    [
      'no transitions at all',
      ORDERS.replace(/transitions:[^]*after/, 'transitions: []\nafter'),
      ['m.yaml:6:1: transitions: '],
    ],
    [
      'transitions that are none',
      ORDERS.replace(/transitions:[^]*after/, 'transitions: yes\nafter'),
      ['m.yaml:6:1: transitions: '],
    ],
    [
      'a transition without an event',
      ORDERS.replace(', event: close', ''),
      ['m.yaml:9:5: ', 'transitions.2.event'],
    ],
    [
      'an unknown key of a transition',
      ORDERS.replace('event: close', 'event: close, when: now'),
      ['m.yaml:9:48: ', 'unknown key when; there are from, to, event'],
    ],
    [
      'a timer of an unknown state',
      ORDERS.replace('  pending:', '  pendng:'),
      ['m.yaml:12:3: ', 'no state pendng'],
    ],
    [
      'a timer that is not a valid duration',
      ORDERS.replace('2m:', 'soon:'),
      ['m.yaml:13:5: ', '"soon" is not a valid duration'],
    ],
    [
      'a timer without unit, of nothing',
      ORDERS.replace('2m:', '0:'),
      ['m.yaml:13:5: ', 'between 1ms'],
    ],
    [
      'a timer whose event is not allowed',
      ORDERS.replace('2m: remind', '2m: close'),
      ['m.yaml:13:5: ', 'no transition from pending has event close'],
    ],
    [
      'a goal of an unknown event',
      ORDERS.replace('accept: closed', 'acept: closed'),
      ['m.yaml:14:10: ', 'no event acept; did you mean accept?'],
    ],
    [
      'an activity of an unknown state',
      `${ORDERS}activities: { sent: { run: x } }\n`,
      ['m.yaml:15:15: ', 'no state sent'],
    ],
    [
      'a next that is no state',
      `${ORDERS}activities: { shipped: { run: x, next: sent } }\n`,
      ['m.yaml:15:34: ', 'no state sent'],
    ],
    [
      'timers without transitions',
      'name: a\nstarting_state: s\nafter: {}\nactivities: { s: { run: x } }\n',
      ['m.yaml:3:1: ', 'expected transitions too'],
    ],
    [
      'an unknown hook',
      HOOKED.replace('run: notify }', 'run: notfy }'),
      ['m.yaml:8:48: ', 'there is no hook notfy; did you mean notify?'],
    ],
    [
      'a hook that no transition runs',
      HOOKED.replace(', run: notify', ''),
      ['m.yaml:15:10: ', 'no transition runs this hook'],
    ],
    [
      'a hook with a next',
      HOOKED.replace('cwd: bin', 'next: closed'),
      ['m.yaml:15:', 'unknown key next; there are run, output, timeout, retry, env, cwd'],
    ],
    [
      'a hook without a command',
      HOOKED.replace('run: ./notify.sh, ', ''),
      ['m.yaml:15:10: ', 'hooks.notify.run'],
    ],
    [
      'a hook that is none',
      HOOKED.replace(/hooks:.*/, 'hooks: { notify: ./notify.sh }'),
      ['m.yaml:15:10: ', 'hooks.notify'],
    ],
    ['hooks that are none', HOOKED.replace(/hooks:.*/, 'hooks: 5'), ['m.yaml:15:1: ', 'hooks: ']],
    [
      'a variable of a hook that is none',
      HOOKED.replace('RETRIES:', '"a=b":'),
      ['m.yaml:15:', 'is not a valid variable name'],
    ],
    [
      'hooks without transitions',
      'name: a\nstarting_state: s\nhooks: { a: { run: x } }\nactivities: { s: { run: x } }\n',
      ['m.yaml:3:1: ', 'expected transitions too'],
    ],
    [
      'neither transitions nor activities',
      'name: a\nstarting_state: s\nstates: [s]\n',
      ['expected activities or transitions'],
    ],
  ])('refuses %s, with its position', (_what, text, words) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'bad-configuration' }));
    for (const word of words) expect(() => parse(text)).toThrow(word);
  });

  test('reports all problems at once, each once', () => {
    const text = ORDERS.replace('from: shipped', 'from: shiped')
      .replace('2m: remind', 'soon: close')
      .replace('closed]', 'start]');
    expect(problemsOf(ORDERS.replace('event: close', 'event: close, when: now'))).toHaveLength(1);
    // `closed` is no longer a state, so the transition to it is reported too.
    expect(problemsOf(text)).toHaveLength(5);
  });

  test('returns a machine or throws a UserError for any values', () => {
    const names = fc.constantFrom('a', 'b', '__proto__', 'constructor', '', '1');
    const any = fc.oneof({ weight: 5, arbitrary: names }, fc.jsonValue());
    const configuration = fc.record(
      {
        name: fc.constant('m'),
        starting_state: any,
        states: fc.oneof(fc.array(any), any),
        transitions: fc.oneof(fc.array(fc.record({ from: any, to: any, event: any })), any),
        after: fc.oneof(
          fc.dictionary(names, fc.oneof(fc.dictionary(fc.constantFrom('1s', 'x'), any), any)),
          any,
        ),
        goals: fc.oneof(fc.dictionary(names, any), any),
        activities: fc.oneof(fc.dictionary(names, fc.oneof(fc.constant({ run: 'x' }), any)), any),
      },
      { requiredKeys: ['name'] },
    );
    fc.assert(
      fc.property(configuration, (value) => {
        try {
          parse(JSON.stringify(value), 'm.json');
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

const STORED = `
name: orders
version: 1.10
states: [start, done]
transitions: [{ from: start, to: done, event: go }]
`;

test.each([
  ['as it is', STORED],
  ['comments', `# new\n${STORED}`],
  ['the order of keys', STORED.replace('from: start, to: done', 'to: done, from: start')],
  [
    'another notation',
    JSON.stringify({
      name: 'orders',
      states: ['start', 'done'],
      transitions: [{ from: 'start', to: 'done', event: 'go' }],
      version: '1.10',
    }),
  ],
])('ignores %s', (_what, given) => {
  expect(configurationDifferences(STORED, given)).toEqual([]);
});

test('ignores starting_state against startingState', () => {
  const [stored, given] = ['starting_state', 'startingState'].map(
    (key) => `${STORED}${key}: start\n`,
  );
  expect(configurationDifferences(stored!, given!)).toEqual([]);
});

test.each([
  [
    'a value',
    STORED.replace('event: go', 'event: run'),
    ['transitions.0.event: "go" is stored, not "run"'],
  ],
  [
    'one more',
    `${STORED}starting_state: start\n`,
    ['starting_state: nothing is stored, not "start"'],
  ],
  ['one less', STORED.replace(', done]', ']'), ['states.1: "done" is stored, not nothing']],
  [
    'the order of states',
    STORED.replace('start, done]', 'done, start]'),
    ['states.0: "start" is stored, not "done"', 'states.1: "done" is stored, not "start"'],
  ],
  [
    'a list for a map',
    STORED.replace(/transitions.*/, 'transitions: { from: start }'),
    ['transitions: [{"from":"start","to":"done","event":"go"}] is stored, not {"from":"start"}'],
  ],
  [
    'something long',
    STORED.replace('event: go', `event: ${'x'.repeat(100)}`),
    [`transitions.0.event: "go" is stored, not "${'x'.repeat(59)}…`],
  ],
])('reports %s', (_what, given, expected) => {
  expect(configurationDifferences(STORED, given)).toEqual(expected);
});

test('reports text that does not parse as a whole', () => {
  expect(configurationDifferences('[', STORED)).toEqual([
    expect.stringMatching(/^the configuration: "\[" is stored, not \{"name"/),
  ]);
});
