import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  instanceProblem,
  MAX_NAME_BYTES,
  nameProblem,
  originName,
  parseStateName,
  stateName,
  successorName,
} from '../../src/machine/name.ts';

describe('state file names', () => {
  test.each([
    ['hello.state', 'hello', 0],
    ['countdown.state-1', 'countdown', 1],
    ['countdown.state-10', 'countdown', 10],
    ['a.state.state', 'a.state', 0],
    ['a.state-1.state-2', 'a.state-1', 2],
    ['größe 7.state', 'größe 7', 0],
  ])('%s is an instance %s at step %d', (name, instance, step) => {
    expect(parseStateName(name)).toEqual({ instance, step });
    expect(stateName(instance, step)).toBe(name);
  });

  test.each([
    '.state',
    '.hello.state',
    'hello.state~',
    'hello.state.part',
    '.nfs00000012.state',
    'x.state-02',
    'x.state-0',
    'x.state-',
    'x.state-1.5',
    'x.state--1',
    'x.states',
    'state',
    '',
    'x.state-9007199254740993',
    'x/y.state',
    'x\n.state',
    'x\u0000.state',
    'x\u009b2J.state',
    '\ufffd.state',
    'x.State',
    'hello.state ',
  ])('parseStateName ignores %j', (name) => {
    expect(parseStateName(name)).toBeUndefined();
  });

  test('parseStateName never throws, and stateName inverts it', () => {
    const names = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[a.]{0,3}\.state(-\d{1,18})?$/),
    );
    fc.assert(
      fc.property(names, (name) => {
        const parsed = parseStateName(name);
        if (parsed !== undefined) expect(stateName(parsed.instance, parsed.step)).toBe(name);
      }),
    );
  });

  test('parseStateName finds what one regular expression would', () => {
    const pattern = /^(?!\.)([^/\u0000-\u001f\u007f-\u009f\ufffd]+)\.state(?:-([1-9]\d*))?$/s;
    const names = fc
      .array(
        fc.constantFrom('a', '.', '-', '~', '/', '\n', '0', '7', '99', '.state', 'state', '.stat'),
        { maxLength: 8 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(names, (name) => {
        const [, instance, step] = pattern.exec(name) ?? [];
        const expected = instance === undefined ? undefined : { instance, step: Number(step ?? 0) };
        expect(parseStateName(name)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test('originName inverts successorName', () => {
    fc.assert(
      fc.property(fc.nat(), (step) => {
        expect(originName(successorName(stateName('x', step)))).toBe(stateName('x', step));
      }),
    );
  });

  test('parseStateName inverts stateName', () => {
    const instances = fc
      .string({ minLength: 1 })
      .filter((text) => parseStateName(`${text}.state`) !== undefined);
    fc.assert(
      fc.property(instances, fc.nat(), (instance, step) => {
        expect(parseStateName(stateName(instance, step))).toEqual({ instance, step });
      }),
    );
  });

  test('successors count up from the name without a number', () => {
    expect(successorName('x.state')).toBe('x.state-1');
    expect(successorName('x.state-9')).toBe('x.state-10');
    expect(originName('x.state-10')).toBe('x.state-9');
    expect(originName('x.state-1')).toBe('x.state');
    expect(originName('x.state')).toBeUndefined();
    expect(() => successorName('x')).toThrow(RangeError);
  });

  test('nameProblem counts bytes', () => {
    expect(nameProblem(`${'x'.repeat(MAX_NAME_BYTES - 6)}.state`)).toBeUndefined();
    expect(nameProblem(`${'x'.repeat(MAX_NAME_BYTES)}.state`)).toContain('206 bytes');
    expect(nameProblem(`${'ü'.repeat(MAX_NAME_BYTES / 2)}.state`)).toContain('206 bytes');
  });

  test('instanceProblem accepts what parseStateName returns', () => {
    for (const name of ['a', 'größe', 'a b', 'x.state', 'x.state-1', 'a~b@c', '-', 'x'.repeat(194)])
      expect(instanceProblem(name)).toBeUndefined();
    for (const name of ['', '.a', 'a/b', '..', 'a\n', 'a\u0000', '\ufffd', '\ud800'])
      expect(instanceProblem(name)).toContain('before .state');
    expect(instanceProblem('x'.repeat(195))).toContain('201 bytes');
  });
});
