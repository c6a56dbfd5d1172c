/** Is a worker alive? Reads only its leases and imports few modules: health checks run often. */
import { listOrNone, readFlag } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

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
