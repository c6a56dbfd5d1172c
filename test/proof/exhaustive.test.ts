/**
 * The check of `volume/exhaustive.test.ts` on larger worlds, each explored completely. docs/protocol.md lists what
 * the worlds cover and what they do not.
 */
import { expect, test } from 'vitest';
import { explore } from '../volume/exhaustive/explore.ts';
import type { Scope } from '../volume/exhaustive/scope.ts';

const SMALL: Scope = {
  workers: 2,
  attempts: 1,
  ticks: 1,
  reapers: 1,
  faults: ['lost', 'stale'],
  follow: false,
};

const WORLDS: readonly (Partial<Scope> & { what: string })[] = [
  { what: 'two workers, two sessions each', attempts: 2 },
  { what: 'three workers', workers: 3 },
  { what: 'two workers, two reapers', reapers: 2 },
  { what: 'two workers that tick twice in a session', ticks: 2 },
  {
    what: 'two workers that follow, and a volume that refuses',
    follow: true,
    faults: ['lost', 'stale', 'refused'],
  },
];

test.each(WORLDS)('$what: no violation', async ({ what, ...world }) => {
  const began = performance.now();
  const { violation, states, transitions, volumes, runs } = await explore({ ...SMALL, ...world });
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(
    `${what}: ${states} states, ${transitions} transitions, ${volumes} volumes, ` +
      `${runs} runs of the code, ${seconds} s`,
  );
  expect(violation).toBeUndefined();
});
