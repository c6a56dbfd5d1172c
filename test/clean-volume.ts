/** What a volume must not have after all workers have left. */
import { expect } from 'vitest';
import type { Fleet } from './fleet.ts';

/** Expects, after all workers have left: no claims, leases, tokens, staged records or attempts. */
export function expectCleanVolume(fleet: Fleet): void {
  const places = [
    'in_progress',
    'workers',
    '.flockwork/leases',
    '.flockwork/sessions',
    '.flockwork/staging',
    '.flockwork/attempts',
  ];
  expect(places.map((place) => [place, fleet.list(place)])).toEqual(
    places.map((place) => [place, []]),
  );
}
