/** How long sessions have been silent, from their leases and without joining. */
import { listOrNone, readText } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { parseCounter } from './pulse.ts';

/** A lease: the number of its renewals, and the time of the last one on the volume's clock, ms. */
export interface Sign {
  readonly counter: number;
  readonly mtime: number;
}

export type Signs = ReadonlyMap<string, Sign>;

/** Leases by session. */
export async function readSigns(files: Files, layout: Layout): Promise<Map<string, Sign>> {
  const signs = new Map<string, Sign>();
  for (const session of await listOrNone(files, layout.internal('leases'))) {
    const path = layout.internal('leases', session);
    const counter = parseCounter(await readText(files, path).catch(() => undefined));
    const mtime = (await files.stat(path))?.mtime;
    if (counter !== undefined && mtime !== undefined) signs.set(session, { counter, mtime });
  }
  return signs;
}

/** Silence in milliseconds on a volume that this host's kernel stamps: its clock is the volume's. */
export function silencesByClock(signs: Signs, now: number): Map<string, number> {
  return new Map(Array.from(signs, ([session, { mtime }]) => [session, Math.max(0, now - mtime)]));
}

/**
 * Silence in milliseconds on a volume that another clock stamps. A lease that has moved between two reads, `watched` ms apart,
 * is alive and shows the volume's time (else this host's clock does); the others have been silent for at least `watched`.
 */
export function silencesByLooks(
  before: Signs,
  after: Signs,
  watched: number,
  now: number,
): Map<string, number> {
  const hasMoved = (session: string, { counter }: Sign): boolean =>
    before.get(session)?.counter !== counter;
  const moved = [...after].filter(([session, sign]) => hasMoved(session, sign));
  const time = moved.length === 0 ? now : Math.max(...moved.map(([, { mtime }]) => mtime));
  return new Map(
    Array.from(after, ([session, sign]) => [
      session,
      hasMoved(session, sign) ? 0 : Math.max(watched, time - sign.mtime),
    ]),
  );
}
