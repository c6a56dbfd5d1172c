import { expect, test, describe } from 'vitest';
import type { Json } from '../../src/machine/definition.ts';
import { commandEnvironment } from '../../src/worker/command-input.ts';
import { commandTask } from './task.ts';

const task = (payload: Json) => ({ ...commandTask('true'), payload, directory: '/vol' });
const NOTHING = { inherited: {}, own: {}, input: undefined };
const bytes = (env: Record<string, string>): number =>
  Object.entries(env).reduce((sum, [name, value]) => sum + Buffer.byteLength(name + value) + 2, 0);

describe('commandEnvironment', () => {
  test('has the step and its payload', () => {
    const payload = { file: 'a b.png', n: 1.5, ok: true, no: null, list: [1], 'more-of it': 'x' };
    expect(commandEnvironment(task(payload), { ...NOTHING, input: '/tmp/1.json' })).toEqual({
      FLOCKWORK_DIR: '/vol',
      FLOCKWORK_STEP_INSTANCE: 'x',
      FLOCKWORK_STEP_STATE: 's',
      FLOCKWORK_STEP_ATTEMPT: '1',
      FLOCKWORK_STEP_IDEMPOTENCY_KEY: 'k',
      FLOCKWORK_STEP_INPUT: '/tmp/1.json',
      FLOCKWORK_STEP_PAYLOAD: JSON.stringify(payload),
      FLOCKWORK_STEP_VALUE_FILE: 'a b.png',
      FLOCKWORK_STEP_VALUE_N: '1.5',
      FLOCKWORK_STEP_VALUE_OK: 'true',
      FLOCKWORK_STEP_VALUE_NO: 'null',
      FLOCKWORK_STEP_VALUE_MORE_OF_IT: 'x',
    });
  });

  test('the activity’s variables override, and those of an outer step are removed', () => {
    const env = commandEnvironment(task({ a: 1 }), {
      inherited: { PATH: '/bin', FLOCKWORK_STEP_VALUE_B: 'outer', LANG: 'C' },
      own: { LANG: 'de', FLOCKWORK_STEP_VALUE_A: 'mine' },
      input: undefined,
    });
    expect(env).toMatchObject({ PATH: '/bin', LANG: 'de', FLOCKWORK_STEP_VALUE_A: 'mine' });
    expect(Object.keys(env)).not.toContain('FLOCKWORK_STEP_VALUE_B');
    expect(Object.keys(env)).not.toContain('FLOCKWORK_STEP_INPUT');
  });

  test.each([
    ['two keys that come to one name', { 'a-b': 1, a_b: 2 }],
    ['a null character', { a_b: 'x\0y' }],
    ['half a character', { a_b: '\ud800' }],
    ['more than the system takes, in bytes', { a_b: '日'.repeat(50_000) }],
  ])('a value that would arrive as another one is left out: %s', (_what, payload) => {
    const env = commandEnvironment(task(payload), NOTHING);
    expect(Object.keys(env)).not.toContain('FLOCKWORK_STEP_VALUE_A_B');
  });

  test('has a value of 128 KiB with its name, and omits one of a byte more', () => {
    const room = 128 * 1024 - 'FLOCKWORK_STEP_VALUE_A'.length - 2;
    const names = (length: number) =>
      Object.keys(commandEnvironment(task({ a: 'x'.repeat(length) }), NOTHING));
    expect(names(room)).toContain('FLOCKWORK_STEP_VALUE_A');
    expect(names(room + 1)).not.toContain('FLOCKWORK_STEP_VALUE_A');
  });

  test('keeps all variables together, inherited ones included, within the limit of a process', () => {
    const values = Array.from({ length: 50 }, (_, index) => [`v${index}`, 'y'.repeat(100_000)]);
    const inherited = { BIG: 'z'.repeat(120_000) };
    const env = commandEnvironment(task(Object.fromEntries(values)), { ...NOTHING, inherited });
    expect(Object.keys(env)).toContain('FLOCKWORK_STEP_VALUE_V0');
    expect(bytes(env)).toBeLessThan(1024 * 1024);
  });

  test('has no payload when it is minimal', () => {
    expect(Object.keys(commandEnvironment(task({ a: 1 }), NOTHING, true))).toEqual([
      'FLOCKWORK_DIR',
      'FLOCKWORK_STEP_INSTANCE',
      'FLOCKWORK_STEP_STATE',
      'FLOCKWORK_STEP_ATTEMPT',
      'FLOCKWORK_STEP_IDEMPOTENCY_KEY',
    ]);
  });
});
