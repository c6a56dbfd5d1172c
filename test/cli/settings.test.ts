import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { WORK } from '../../src/cli/commands/worker.ts';
import { OPTIONS, environmentName } from '../../src/cli/options.ts';
import {
  misspeltVariables,
  passedOn,
  quoted,
  readConfigFile,
  repeated,
  resolveSettings,
} from '../../src/cli/settings.ts';

const none = { flags: {}, environment: {}, file: {}, command: 'worker' };

describe('resolveSettings', () => {
  test('prefers flag, then environment, then file, then default', () => {
    const layers = {
      flags: { lease: '1s' },
      environment: { FLOCKWORK_LEASE: '2s' },
      file: { lease: '3s' },
      command: 'worker',
    };
    expect(resolveSettings(layers).lease).toBe(1000);
    expect(resolveSettings({ ...layers, flags: {} }).lease).toBe(2000);
    expect(resolveSettings({ ...layers, flags: {}, environment: {} }).lease).toBe(3000);
    expect(resolveSettings(none).lease).toBeUndefined();
  });

  test('ignores an empty variable', () => {
    expect(resolveSettings({ ...none, environment: { FLOCKWORK_DIR: '' } }).dir).toEqual([
      'stateFiles',
    ]);
  });

  test('reads every option from its variable', () => {
    expect(environmentName('log-level')).toBe('FLOCKWORK_LOG_LEVEL');
    expect(new Set(Object.keys(OPTIONS).map(environmentName)).size).toBe(
      Object.keys(OPTIONS).length,
    );
  });

  test.each([
    ['FLOCKWORK_WATCH', 'true', 'watch', true],
    ['FLOCKWORK_WATCH', '0', 'watch', false],
    ['FLOCKWORK_FOLLOW', 'false', 'follow', false],
    ['FLOCKWORK_CONCURRENCY', '7', 'concurrency', 7],
    ['FLOCKWORK_MACHINES', 'a,b', 'machines', ['a', 'b']],
    ['FLOCKWORK_DIR', '/a,/b', 'dir', ['/a', '/b']],
    ['FLOCKWORK_UPDATE', '1.5s', 'update', 1500],
    ['FLOCKWORK_NAME', 'ant', 'name', 'ant'],
  ])('converts %s=%s to %s %j', (variable, text, name, value) => {
    expect(
      resolveSettings({ ...none, environment: { [variable]: text } })[name as 'watch'],
    ).toEqual(value);
  });

  test.each([
    [
      { environment: { FLOCKWORK_WATCH: 'maybe' } },
      'FLOCKWORK_WATCH is "maybe"; it must be true or false',
    ],
    [{ environment: { FLOCKWORK_CONCURRENCY: 'many' } }, 'a number'],
    [{ environment: { FLOCKWORK_CONCURRENCY: '1.5' } }, 'a whole number'],
    [{ flags: { workers: '0' } }, '--workers is "0"; it must be at least 1'],
    [{ flags: { 'keep-outcomes': '1m' } }, '--keep-outcomes is "1m"; it must be at least 3600s'],
    [{ flags: { lease: '-1s' } }, 'a duration'],
    [
      { file: { assign: 'dice' } },
      'assign in the configuration file is "dice"; it must be one of slices, zip',
    ],
    [{ file: { dir: { a: 1 } } }, 'a list'],
    [{ file: { machines: ['a', {}] } }, 'a list'],
    [{ file: { name: { a: 1 } } }, 'a text'],
  ])('refuses %o', (layers, words) => {
    expect(() => resolveSettings({ ...none, ...layers })).toThrow(words);
  });
});

describe('resolveSettings reads only ambient options from the environment', () => {
  const outside = { environment: { FLOCKWORK_WATCH: 'true' }, file: { workers: 8, watch: true } };

  test.each([
    ['worker', true, undefined],
    ['up', true, 8],
    ['status', false, undefined],
    ['simulate', false, undefined],
  ])('%s: watch %j, workers %j', (command, watch, workers) => {
    expect(resolveSettings({ ...none, ...outside, command })).toMatchObject({ watch, workers });
  });

  test.each(['all', 'done', 'in-progress', 'failed', 'yes', 'wait'])(
    '--%s is given on the command line',
    (name) => {
      const environment = { [environmentName(name)]: 'true' };
      for (const command of ['reset', 'retry', 'send']) {
        const settings = resolveSettings({ ...none, environment, file: { [name]: true }, command });
        expect(settings[name as 'yes']).toBe(false);
      }
      expect(misspeltVariables(environment).get(environmentName(name))).toContain(`give --${name}`);
    },
  );

  test('ignores the payload variable of a step in a nested submit', () => {
    const environment = { FLOCKWORK_PAYLOAD: '{"secret": 1}', FLOCKWORK_COUNT: '7' };
    expect(resolveSettings({ ...none, environment, command: 'submit' })).toMatchObject({
      payload: undefined,
      count: 1,
    });
  });
});

describe('the configuration file', () => {
  const withFile = (text: string, use: (path: string) => void): void => {
    const folder = mkdtempSync(join(tmpdir(), 'flockwork-config-'));
    try {
      writeFileSync(join(folder, 'c.yaml'), text);
      use(join(folder, 'c.yaml'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  test('is YAML or JSON', () => {
    withFile('concurrency: 3\nmachines: [a]\n', (path) =>
      expect(readConfigFile(path)).toEqual({ concurrency: 3, machines: ['a'] }),
    );
    withFile('{"watch": true}', (path) => expect(readConfigFile(path)).toEqual({ watch: true }));
    withFile('', (path) => expect(readConfigFile(path)).toEqual({}));
  });

  test('keeps texts as written', () => {
    withFile('name: 3.10\nmachines: [007, a]\nconcurrency: 3\nlease: 5\n', (path) =>
      expect(readConfigFile(path)).toEqual({
        name: '3.10',
        machines: ['007', 'a'],
        concurrency: 3,
        lease: 5,
      }),
    );
  });

  test.each([
    ['yes: true', 'yes is for one call only; give --yes on the command line'],
    ['a: [', 'c.yaml'],
    ['- a', 'settings by name'],
    ['concurency: 3', 'unknown key concurency; did you mean concurrency?'],
  ])('refuses %j', (text, words) =>
    withFile(text, (path) => expect(() => readConfigFile(path)).toThrow(words)),
  );

  test('throws when a named file does not exist', () =>
    expect(() => readConfigFile('/nowhere.yaml')).toThrow('cannot read /nowhere.yaml'));
});

describe('misspeltVariables', () => {
  test.each([
    ['FLOCKWORK_CONCURENCY', 'did you mean FLOCKWORK_CONCURRENCY?'],
    ['FLOCKWORK_LOGLEVEL', 'did you mean FLOCKWORK_LOG_LEVEL?'],
    ['FLOCKWORK_log_level', 'did you mean FLOCKWORK_LOG_LEVEL?'],
  ])('warns of %s', (name, words) => {
    expect(misspeltVariables({ [name]: '3' }).get(name)).toContain(words);
  });

  test.each([
    'FLOCKWORK_CONCURRENCY',
    'FLOCKWORK_STEP_STATE',
    'FLOCKWORK_STEP_VALUE_COUNT',
    'FLOCKWORK_ADMINISTRATOR',
    'CONCURENCY',
  ])('does not warn of %s', (name) => {
    expect(misspeltVariables({ [name]: '3' }).size).toBe(0);
  });
});

const settings = (flags: Record<string, unknown>) =>
  resolveSettings({ flags, environment: {}, file: {}, command: 'worker' });

test('repeated returns the settings that differ from the default', () => {
  expect(repeated(settings({}), WORK)).toEqual([]);
  const flags = {
    machines: ['slp.yaml', 'my machines'],
    'trust-volume': true,
    follow: false,
    workers: 2,
    drain: '3s',
    lease: '5s',
    update: '1s',
    'log-level': 'debug',
  };
  expect(repeated(settings(flags), WORK).sort()).toEqual([
    '--drain 3000ms',
    "--machines 'my machines'",
    '--machines slp.yaml',
    '--no-follow',
    '--trust-volume',
    '--workers 2',
  ]);
});

test('passedOn returns every setting', () => {
  const passed = passedOn(settings({ lease: '5s', machines: ['a=b'], watch: true }), WORK);
  expect(passed).toEqual(
    expect.arrayContaining(['--lease=5000ms', '--machines=a=b', '--watch', '--log-format=pretty']),
  );
  expect(passed).not.toContain('--name');
});

test.each([
  ['a/b-1.c', 'a/b-1.c'],
  ["it's", `'it'\\''s'`],
  ['*', "'*'"],
])('quotes %s as one word of a shell', (word, shown) => {
  expect(quoted(word)).toBe(shown);
});
