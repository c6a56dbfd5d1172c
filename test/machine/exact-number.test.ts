import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findAlteredNumber } from '../../src/machine/json-text.ts';

describe('findAlteredNumber', () => {
  test.each([
    '9007199254740993',
    '-9007199254740993',
    '18446744073709551615',
    '18446744073709551616',
    '9223372036854775807',
    '12345678901234567891e3',
    '1e999',
    '-1e999',
    '2E+400',
    '1e-400',
    `1${'0'.repeat(400)}`,
  ])('finds %s', (number) => {
    const text = `{"text": "\\"9007199254740993", "n": [${number}]}`;
    expect(findAlteredNumber(text)?.offset).toBe(text.indexOf(`${number}]`));
  });

  test.each([
    '9007199254740992',
    '9007199254740994',
    '18446744073709552000',
    '100000000000000000000000',
    '1e+23',
    '1E308',
    '0.1234567890123456789',
    '3.14159265358979323846',
    '1.7976931348623157e+308',
    '5e-324',
    '0e999',
    '0.0000000000000000000',
    '"9007199254740993"',
    '"1e999"',
  ])('accepts %s', (number) => {
    expect(findAlteredNumber(`[${number}]`)).toBeUndefined();
  });

  test('accepts everything that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(findAlteredNumber(JSON.stringify({ number }))).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(findAlteredNumber(text)).toBeUndefined();
      }),
    );
  });

  test('finds exactly the 64-bit integers that would change', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), (id) => {
        const isKept = String(Number(id)) === String(id);
        expect(findAlteredNumber(`{"id":${id}}`) === undefined).toBe(isKept);
      }),
    );
  });
});
