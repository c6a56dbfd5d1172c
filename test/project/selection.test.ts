/** The parts of the nightly checks that `.ci/run` takes. */
import { describe, expect, test } from 'vitest';
import { MUTANTS } from '../mutants/mutants.ts';
import { selectByDate, selectMutants } from '../selection.ts';

const CHANGED = 'src/volume/claim.ts';
const mutants = Array.from({ length: 40 }, (_, index) => ({
  name: `mutant ${index}`,
  file: index < 4 ? CHANGED : `src/volume/other-${index}.ts`,
}));
const namesOf = (some: readonly { name: string }[]): string[] => some.map(({ name }) => name);

describe('selectMutants', () => {
  test('selects those whose files changed, and a tenth of the others', () => {
    const names = namesOf(selectMutants(mutants, [CHANGED, 'README.md'], '1'));
    expect(names.slice(0, 4)).toEqual(['mutant 0', 'mutant 1', 'mutant 2', 'mutant 3']);
    expect(names).toHaveLength(4 + 4);
  });

  test('selects the same for the same seed, and others for another seed', () => {
    const drawn = (seed: string): string[] => namesOf(selectMutants(mutants, [], seed));
    expect(drawn('1')).toEqual(drawn('1'));
    expect(drawn('1')).not.toEqual(drawn('2'));
  });

  test('selects each mutant sooner or later', () => {
    const drawn = Array.from({ length: 100 }, (_, seed) => selectMutants(mutants, [], `${seed}`));
    expect(new Set(drawn.flatMap(namesOf)).size).toBe(mutants.length);
  });

  test('knows the files of real mutants by the names that git prints', () => {
    const { file } = MUTANTS[0]!;
    const expected = MUTANTS.filter((one) => one.file === file);
    expect(selectMutants(MUTANTS, [file], '1')).toEqual(expect.arrayContaining(expected));
  });
});

describe('selectByDate', () => {
  const EIGHT = ['ext4', 'xfs', 'btrfs', 'tmpfs', 'overlayfs', 'glusterfs', 'nfs', 'sshfs'];
  const daysFrom = (start: string): string[] =>
    [0, 1, 2].map((days) =>
      new Date(Date.parse(start) + days * 86_400_000).toISOString().slice(0, 10),
    );

  test.each(['2026-11-30', '2026-12-01', '2026-12-31', '2028-02-28'])(
    'selects three a day, and all eight in the three days from %s',
    (start) => {
      const days = daysFrom(start).map((day) => selectByDate(EIGHT, day)!);
      expect(days.map((names) => names.length)).toEqual([3, 3, 3]);
      expect(new Set(days.flat())).toEqual(new Set(EIGHT));
    },
  );

  test('selects one of the three network file systems each day', () => {
    const network = new Set(EIGHT.slice(-3));
    for (const day of daysFrom('2026-11-30')) {
      const names = selectByDate(EIGHT, day)!;
      expect(names.filter((name) => network.has(name))).toHaveLength(1);
    }
  });

  test.each(['today', '2026-13-01', '2026-11-30T12:00Z', ''])('refuses %j', (date) => {
    expect(selectByDate(EIGHT, date)).toBeUndefined();
  });
});
