/** What tests of whole flocks share. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Fleet } from './fleet.ts';

/** All of them appear between two Worker Assignments, or nearly so: written aside, then renamed. */
export function submitSimple(fleet: Fleet, count: number): void {
  const names = Array.from({ length: count }, (_, index) => `s${String(index).padStart(4, '0')}`);
  for (const name of names) {
    const content = JSON.stringify({ state: 'simple', payload: { target: name } });
    writeFileSync(join(fleet.dir, `.${name}`), content);
  }
  for (const name of names) {
    renameSync(join(fleet.dir, `.${name}`), join(fleet.dir, `${name}.state`));
  }
}

export function expectEvenSpread(
  journal: readonly { worker: string }[],
  names: readonly string[],
  tolerance: number,
): void {
  const fair = journal.length / names.length;
  for (const name of names) {
    const share = journal.filter((entry) => entry.worker === name).length;
    expect(Math.abs(share - fair), `${name} did ${share} of ${journal.length}`).toBeLessThanOrEqual(
      tolerance * fair,
    );
  }
}

/** After everybody has left: no claims, no leases, no tokens, nothing staged, nothing tried. */
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
