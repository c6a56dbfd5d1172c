import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  claimName,
  cleanName,
  decide,
  DIGEST_LENGTH,
  isFinished,
  isLeft,
  parseClaim,
  PATIENT_MS,
  sight,
  STABLE_MS,
  stateOf,
  submittedName,
  type Entry,
  type Mode,
} from '../../../src/cli/inbox/rules.ts';
import { instanceProblem, parseStateName } from '../../../src/machine/name.ts';
import { MAX_STATE_BYTES } from '../../../src/machine/state-file.ts';

const modes = fc.constantFrom<Mode>('states', 'each');
const kinds = fc.constantFrom<Entry['kind']>('file', 'directory', 'link', 'other');
/** File names as they come: any bytes but a slash and NUL, often with an extension, a space or a hyphen. */
const names = fc
  .tuple(
    fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 120 }),
      fc.string({ unit: fc.constantFrom('-', '.', ' ', '~', 'a', 'é', '😀', '\u0001', '\ufffd') }),
    ),
    fc.constantFrom('', '.state', '.csv', '.tar.gz', '.b-c', '.', '.state.csv'),
  )
  .map(([stem, extension]) => (stem + extension).replace(/[/\0]/g, '+'))
  .filter((name) => name !== '' && name !== '.' && name !== '..');
const digests = fc.string({
  unit: fc.constantFrom(...'0123456789abcdef'),
  minLength: DIGEST_LENGTH,
  maxLength: DIGEST_LENGTH,
});

describe('decide', () => {
  test.each([
    '.report.csv.Ab12Cd',
    '.report.csv.swp',
    'report.csv~',
    '#report.csv#',
    '.#report.csv',
    '~$report.xlsx',
    'report.csv.tmp',
    'report.csv.part',
    'report.CSV.PART',
    'report.csv.crdownload',
    'report.csv.filepart',
    'Thumbs.db',
    '.DS_Store',
    '.nfs000000000012',
    'submitted',
    'refused',
  ])('ignores %s', (name) => {
    for (const kind of ['file', 'directory', 'link', 'other'] as const) {
      expect(decide({ name, kind, bytes: 1 }, 'each')).toEqual({ kind: 'leave' });
      expect(decide({ name, kind, bytes: 1 }, 'states')).toEqual({ kind: 'leave' });
    }
  });

  test.each([
    ['job.state', 'states', 'take'],
    ['job.csv', 'states', 'leave'],
    ['job.state-1', 'states', 'leave'],
    ['job.csv', 'each', 'take'],
    ['job', 'each', 'take'],
    ['job.state', 'each', 'take'],
    ['a b – ü.csv', 'each', 'take'],
    ['-rf', 'each', 'take'],
  ] as const)('%s, among %s: %s', (name, mode, kind) => {
    expect(decide({ name, kind: 'file', bytes: 10 }, mode).kind).toBe(kind);
  });

  test('ignores subfolders, and refuses one with the name of a state file', () => {
    expect(decide({ name: 'old', kind: 'directory', bytes: 0 }, 'each').kind).toBe('leave');
    expect(decide({ name: 'old', kind: 'directory', bytes: 0 }, 'states').kind).toBe('leave');
    expect(decide({ name: 'a.state', kind: 'directory', bytes: 0 }, 'states')).toEqual({
      kind: 'refuse',
      reason: 'expected a regular file, got a directory',
    });
  });

  test('refuses a state file that is too large, but no other file', () => {
    const bytes = MAX_STATE_BYTES + 1;
    expect(decide({ name: 'a.state', kind: 'file', bytes }, 'states').kind).toBe('refuse');
    expect(decide({ name: 'a.bin', kind: 'file', bytes }, 'each').kind).toBe('take');
  });

  test('takes only regular files, whatever their name', () => {
    fc.assert(
      fc.property(names, kinds, modes, fc.nat(), (name, kind, mode, bytes) => {
        const decision = decide({ name, kind, bytes }, mode);
        if (isLeft(name, mode)) expect(decision.kind).toBe('leave');
        else if (kind !== 'file') expect(decision.kind).not.toBe('take');
      }),
    );
  });
});

describe('names', () => {
  test('every taken file has a valid instance name of at most 200 bytes', () => {
    fc.assert(
      fc.property(names, digests, modes, (name, digest, mode) => {
        fc.pre(!isLeft(name, mode));
        const submitted = submittedName(cleanName(name, mode), digest);
        const state = stateOf(submitted, mode);
        const { instance, step } = parseStateName(state)!;
        expect(step).toBe(0);
        expect(instanceProblem(instance)).toBeUndefined();
        expect(instance).not.toMatch(/^-|[\s~@:'"$`\\*?]/);
        expect(Buffer.byteLength(submitted)).toBeLessThanOrEqual(200);
        // It is found again in `submitted/`, under the same name.
        expect(isLeft(submitted, mode)).toBe(false);
      }),
    );
  });

  test('the instance name contains the stem and the whole digest', () => {
    fc.assert(
      fc.property(names, digests, digests, modes, (name, one, other, mode) => {
        fc.pre(!isLeft(name, mode) && one !== other);
        const clean = cleanName(name, mode);
        const stateWith = (digest: string): string => stateOf(submittedName(clean, digest), mode);
        expect(stateWith(one)).toBe(`${clean.stem}-${one}.state`);
        expect(stateWith(one)).not.toBe(stateWith(other));
      }),
    );
  });

  test('cleanName is idempotent, and parseClaim inverts claimName', () => {
    fc.assert(
      fc.property(names, digests, modes, (name, digest, mode) => {
        fc.pre(!isLeft(name, mode));
        const clean = cleanName(name, mode);
        const text = `${clean.stem}${clean.extension}`;
        const again = cleanName(text, mode);
        expect(again.stem + again.extension).toBe(text);
        const claim = claimName(clean, digest, 'ab12');
        expect(parseClaim(claim)).toEqual({ name: text, nameDigest: digest });
        expect(Buffer.byteLength(claim)).toBeLessThanOrEqual(255);
        expect(isLeft(claim, mode)).toBe(true);
      }),
    );
  });

  test.each([
    ['report.csv', 'report', '.csv'],
    ['my report (2).csv', 'my_report__2_', '.csv'],
    ['-rf', '_rf', ''],
    ['größe.csv', 'größe', '.csv'],
    ['data.tar.gz', 'data.tar', '.gz'],
    ['a~0~b.csv', 'a_0_b', '.csv'],
  ])('%s is cleaned to %s and %s', (name, stem, extension) => {
    expect(cleanName(name, 'each')).toEqual({ stem, extension });
  });
});

describe('isFinished', () => {
  test('waits after a change, and longer for an incomplete file', () => {
    const first = sight(undefined, 'a', 1000);
    expect(sight(first, 'a', 5000)).toBe(first);
    expect(isFinished(first, 1000 + STABLE_MS - 1, true)).toBe(false);
    expect(isFinished(first, 1000 + STABLE_MS, true)).toBe(true);
    expect(isFinished(first, 1000 + STABLE_MS, false)).toBe(false);
    expect(isFinished(first, 1000 + PATIENT_MS, false)).toBe(true);
    const grown = sight(first, 'ab', 2000);
    expect(isFinished(grown, 1000 + STABLE_MS, true)).toBe(false);
  });
});
