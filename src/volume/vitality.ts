/** Does the worker of a name give signs of life? By its lease alone, and with few modules: health checks ask it all the time. */
import { listOrNone, readFlag } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

/** `absent`: no session of this name is at work here. */
export type Vitality = 'alive' | 'silent' | 'absent';

export const SAYS: Readonly<Record<Vitality, string>> = {
  alive: 'is alive',
  silent: 'gives no sign of life',
  absent: 'gives no sign of life: it is not at work here',
};

/** Milliseconds between looks. */
const LOOK = 200;
/** Of a session's name, and of a file with its token: see `newSessionId`, and `SessionContext`. */
const BOOT = /\.[a-z0-9]{8}(?:~\d+)?$/;

export interface Patience {
  /** Milliseconds that a sign of life may take. */
  readonly patience: number;
  readonly stop: AbortSignal;
  readonly monotonic: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

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
    await sleep(LOOK);
    for (const [session, counter] of await read()) {
      if (counter !== undefined && counter !== before.get(session)) return 'alive';
    }
  }
  return 'silent';
}
