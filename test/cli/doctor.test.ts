/** The last paragraph of `flockwork doctor`: what to do with the directory. */
import { expect, test } from 'vitest';
import { describe as textOf, type Findings } from '../../src/cli/commands/doctor.ts';
import { advise } from '../../src/doctor/advice.ts';
import { judge } from '../../src/doctor/judge.ts';
import type { Measured } from '../../src/doctor/measured.ts';
import { FINE, latency, stamps } from '../doctor/fine.ts';

const findings = (more: Partial<Measured> = {}, skipped: Findings['skipped'] = []): Findings => {
  const measured = { ...FINE, ...more };
  return { measured, skipped, judgements: judge(measured), advice: advise(measured) };
};
const conclusion = (more: Partial<Measured>): string =>
  textOf('/mnt/states', findings(more)).split('\n\n').at(-1)!;

const USABLE = '/mnt/states can be used as a volume.';

test.each<[string, Partial<Measured>, string]>([
  ['all is well: nothing to say to a worker', {}, `${USABLE} The defaults will do.`],
  [
    'slow: the command that a first worker needs',
    { latency: latency(70) },
    `${USABLE} For what was measured, start the first worker with:
flockwork worker --dir /mnt/states --assignment 600ms --commitment 1.3s --update 12s --buffer 140ms --lease 36s`,
  ],
  ['too little is known: no flags', { stamps: stamps({ uncertainty: Infinity }) }, USABLE],
  [
    'unfit: why',
    { links: { ...FINE.links!, errno: 'EPERM' } },
    '/mnt/states cannot be used as a volume: hard links.',
  ],
])('%s', (_what, more, expected) => {
  expect(conclusion(more)).toBe(expected);
});

test('prints each property with its mark, each operation with its times, and skipped measurements with their reason', () => {
  const text = textOf('/mnt/states', findings({}, [{ what: 'the race', why: 'one processor' }]));
  expect(text).toMatch(/^✓ {2}hard links/m);
  expect(text).toMatch(/^fsync file +0\.50 ms +1\.00 ms +60$/m);
  expect(text).toContain('not measured: the race (one processor)');
});
