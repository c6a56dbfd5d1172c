/** For how long sessions have given no sign of life, by their leases and without joining. */
import { listOrNone, readText } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { parseCounter } from './pulse.ts';

/** What a lease says: how often it was renewed, and when that happened last, by the volume's clock. */
export interface Sign {
  readonly counter: number;
  readonly mtime: number;
}

export type Signs = ReadonlyMap<string, Sign>;

/** By session. */
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

/** Where this host's kernel stamps what is written: its clock is the volume's. Milliseconds. */
export function silencesByClock(signs: Signs, now: number): Map<string, number> {
  return new Map(Array.from(signs, ([session, { mtime }]) => [session, Math.max(0, now - mtime)]));
}

/**
 * Where another clock stamps: a lease that has moved between two looks, `watched` milliseconds apart, is alive and tells
 * the volume's time. Without one, silence is as long as was watched, at least, and else by the clock of this host.
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
