/**
 * Journals are for people, and have a bound: while workers have nothing better to do, one of them removes the oldest of what
 * is beyond it. What a living session still writes to stays.
 */
import { ownsKey } from './phases/ownership.ts';
import type { PhaseGuard } from './operations.ts';
import { listOrNone, remove } from './atomic-files.ts';
import { parseJournalName } from './journal.ts';
import type { SessionContext } from './session-context.ts';

/** Of all journals of a volume: some nine million ticks. */
const MAX_JOURNAL_BYTES = 1024 ** 3;
/** Milliseconds between looks, and cycles for which they are one worker's. */
const EVERY = 3_600_000;
const CYCLES_PER_ROUND = 256;

export interface JournalLimitPorts {
  readonly monotonic: () => number;
  readonly living: () => readonly string[];
}

interface Found {
  readonly path: string;
  readonly size: number;
  readonly mtime: number;
  /** Of a living session, and the last of its files. */
  isWritten: boolean;
}

export class JournalLimit {
  readonly #context: SessionContext;
  readonly #ports: JournalLimitPorts;
  readonly #most: number;
  /** On our monotonic clock. */
  #looked = Number.NEGATIVE_INFINITY;

  constructor(context: SessionContext, ports: JournalLimitPorts, most: number = MAX_JOURNAL_BYTES) {
    this.#context = context;
    this.#ports = ports;
    this.#most = most;
  }

  /** In Update System only, while there is nothing better to do. */
  async keep(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<void> {
    const { files, token } = this.#context;
    const now = this.#ports.monotonic();
    const round = Math.floor(cycle / CYCLES_PER_ROUND);
    const isOurs = ownsKey('journals', token.session, this.#ports.living(), round);
    if (!isOurs || now - this.#looked < EVERY || isBusy() || !guard.canBegin()) return;
    this.#looked = now;
    for (const path of beyond(await this.#find(), this.#most)) {
      if (isBusy() || !guard.canBegin()) return;
      await remove(files, path);
    }
  }

  async #find(): Promise<Found[]> {
    const { files, layout, token, passedOver } = this.#context;
    const living = new Set([...this.#ports.living(), token.session]);
    const last = new Map<string, { part: number; found: Found }>();
    const all: Found[] = [];
    for (const name of await listOrNone(files, layout.internal('journal'))) {
      const file = parseJournalName(name);
      if (file === undefined) continue;
      await passedOver.guard(`.flockwork/journal/${name}`, async () => {
        const path = layout.internal('journal', name);
        const stat = await files.stat(path);
        if (stat?.kind !== 'file') return;
        const found = { path, size: stat.size, mtime: stat.mtime, isWritten: false };
        all.push(found);
        if (!living.has(file.session)) return;
        if (file.part >= (last.get(file.session)?.part ?? 0)) {
          last.set(file.session, { part: file.part, found });
        }
      });
    }
    for (const { found } of last.values()) found.isWritten = true;
    return all;
  }
}

/** The oldest that may go, until what stays is no more than `most` bytes. */
function beyond(found: readonly Found[], most: number): string[] {
  let bytes = found.reduce((sum, { size }) => sum + size, 0);
  const gone: string[] = [];
  for (const { path, size } of found
    .filter(({ isWritten }) => !isWritten)
    .sort((a, b) => a.mtime - b.mtime)) {
    if (bytes <= most) break;
    bytes -= size;
    gone.push(path);
  }
  return gone;
}
