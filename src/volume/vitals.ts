/**
 * Signs of life of sessions, from their leases and without joining: how long they have been silent, and whether a worker is
 * alive. Imports few modules: health checks run often.
 */
import type { Clock } from '../engine/ports.ts';
import { listOrNone, readText, readFlag } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { parseCounter } from './heartbeat.ts';

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

/** Part of a lease after which a session is called silent: two of five heartbeats missed. */
export const SILENT_AFTER_LEASES: number = 2 / 5;
/** Milliseconds between two looks at leases. */
const LOOK_INTERVAL_MS = 200;

export interface SilencePorts {
  readonly files: Files;
  readonly layout: Layout;
  readonly clock: Clock;
  /** This host's clock stamps the volume's files. */
  readonly ownClock: boolean;
  /** Undefined before the first worker. */
  readonly leaseMs: number | undefined;
}

/** What the last look saw. */
export interface SilenceMemory {
  signs: Signs | undefined;
  /** On the monotonic clock, ms. */
  at: number;
}

export function newSilenceMemory(): SilenceMemory {
  return { signs: undefined, at: 0 };
}

/**
 * Silence in milliseconds by session that has a lease. Where another clock stamps the leases it looks again, up to two
 * heartbeats later, until all have changed. `memory`: kept from one call to the next.
 */
export async function silencesOf(
  { files, layout, clock, ownClock, leaseMs }: SilencePorts,
  signs: Signs,
  memory: SilenceMemory,
  stop: AbortSignal = new AbortController().signal,
): Promise<Map<string, number>> {
  if (ownClock || leaseMs === undefined) return silencesByClock(signs, clock.now());
  const before = memory.signs ?? signs;
  if (memory.signs === undefined) memory.at = clock.monotonic();
  const until = memory.at + leaseMs * SILENT_AFTER_LEASES;
  const isStill = (now: Signs): boolean =>
    [...now].some(([session, { counter }]) => before.get(session)?.counter === counter);
  let after: Signs = signs;
  while (isStill(after) && clock.monotonic() < until && !stop.aborted) {
    await clock.sleep(LOOK_INTERVAL_MS, stop);
    after = await readSigns(files, layout);
  }
  const silences = silencesByLooks(before, after, clock.monotonic() - memory.at, clock.now());
  [memory.signs, memory.at] = [after, clock.monotonic()];
  return silences;
}

/** `absent`: no session of this name is at work here. */
export type Vitality = 'alive' | 'silent' | 'absent';

export const VITALITY_TEXT: Readonly<Record<Vitality, string>> = {
  alive: 'is alive',
  silent: 'gives no sign of life',
  absent: 'gives no sign of life: it is not at work here',
};

const POLL_INTERVAL_MS = 200;
/** End of a session's name, or of the name of its token file: see `newSessionId` and `SessionContext`. */
const BOOT = /\.[a-z0-9]{8}(?:~\d+)?$/;

export interface Patience {
  /** Milliseconds to wait for a lease to move. */
  readonly patience: number;
  readonly stop: AbortSignal;
  readonly monotonic: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

/** Is a worker alive? Reads only its leases. */
export async function vitalityOf(
  files: Files,
  layout: Layout,
  worker: string,
  { patience, stop, monotonic, sleep }: Patience,
): Promise<Vitality> {
  const tokens = await listOrNone(files, layout.internal('sessions'));
  const mine = tokens.filter((file) => BOOT.test(file) && file.replace(BOOT, '') === worker);
  if (mine.length === 0) return 'absent';
  const sessions = new Set(mine.map((file) => file.replace(/~\d+$/, '')));
  const read = async (): Promise<Map<string, string | undefined>> => {
    const counters = new Map<string, string | undefined>();
    for (const session of sessions) {
      counters.set(session, await readFlag(files, layout.internal('leases', session)));
    }
    return counters;
  };
  const before = await read();
  const until = monotonic() + patience;
  while (monotonic() < until && !stop.aborted) {
    await sleep(POLL_INTERVAL_MS);
    for (const [session, counter] of await read()) {
      if (counter !== undefined && counter !== before.get(session)) return 'alive';
    }
  }
  return 'silent';
}
