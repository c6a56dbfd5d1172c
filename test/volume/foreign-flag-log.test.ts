/** What a worker logs about other programs' flags. */
import { describe, expect, test } from 'vitest';
import { ForeignFlagLog } from '../../src/volume/log-recovery.ts';

const MINUTE = 60_000;

function bench(): { flags: ForeignFlagLog; said: string[] } {
  const said: string[] = [];
  const line = (_facts: object, text: string): void => void said.push(text);
  return {
    flags: new ForeignFlagLog({ debug: line, info: line, warn: line, error: line }),
    said,
  };
}

describe('flags in in_progress/ that a worker waits for', () => {
  test('are logged at once, then once a minute', () => {
    const { flags, said } = bench();
    const counts = [0, 1, MINUTE - 1, MINUTE, MINUTE + 1, 2 * MINUTE].map((now) => {
      flags.waitsFor(['x.state'], now);
      return said.length;
    });
    expect(counts).toEqual([1, 1, 1, 2, 2, 3]);
    expect(said[0]).toContain('x.state');
    expect(said[0]).toContain('flockwork reset --in-progress');
  });

  test('are not logged when there are none', () => {
    const { flags, said } = bench();
    flags.waitsFor([], 0);
    expect(said).toEqual([]);
  });

  test('are logged by name up to ten, and counted', () => {
    const { flags, said } = bench();
    flags.waitsFor(
      Array.from({ length: 12 }, (_, index) => `s${index}.state`),
      0,
    );
    expect(said[0]).toContain('s9.state and 2 more');
  });
});

test('a flag in workers/ that is left out is logged, with the command that removes it', () => {
  const { flags, said } = bench();
  flags.leftOut('aaa');
  expect(said[0]).toContain('aaa');
  expect(said[0]).toContain('flockwork reset --workers');
});
