/** What a volume must not have after all workers have left. */
import { expect } from 'vitest';
import { TRANSIENT_DIRECTORIES } from '../src/volume/layout.ts';
import type { Fleet } from './fleet.ts';

/** Expects, after all workers have left: no claims, leases, tokens, staged records or attempts. */
export function expectCleanVolume(fleet: Fleet): void {
  expect(TRANSIENT_DIRECTORIES.map((place) => [place, fleet.list(place)])).toEqual(
    TRANSIENT_DIRECTORIES.map((place) => [place, []]),
  );
}
