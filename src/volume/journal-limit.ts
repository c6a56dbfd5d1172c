/**
 * Size limit of the journals, which only users read. An idle worker removes the oldest files beyond it, except those that a
 * live session still writes to.
 */
import { ownsKey } from './phases/liveness.ts';
import type { PhaseGuard } from './operations.ts';
import { listOrNone, remove } from './atomic-files.ts';
import { parseJournalName } from './journal.ts';
import type { SessionContext } from './session-context.ts';

/** All journals of a volume: some nine million ticks. */
const MAX_BYTES = 1024 ** 3;
const CHECK_INTERVAL_MS = 3_600_000;
/** Cycles after which another worker owns the check. */
const CYCLES_PER_ROUND = 256;

export interface JournalLimitPorts {
  readonly monotonic: () => number;
  readonly living: () => readonly string[];
}

interface Found {
  readonly path: string;
  readonly size: number;
  readonly mtime: number;
  /** The last file of a live session. */
  isWritten: boolean;
}

export class JournalLimit {
  readonly #context: SessionContext;
  readonly #ports: JournalLimitPorts;
  readonly #maxBytes: number;
  /** On our monotonic clock, ms. */
  #checked = Number.NEGATIVE_INFINITY;

  constructor(context: SessionContext, ports: JournalLimitPorts, maxBytes: number = MAX_BYTES) {
    this.#context = context;
    this.#ports = ports;
    this.#maxBytes = maxBytes;
  }

  /** In Update System only, until `isBusy`. */
  async keep(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<void> {
    const { files, token } = this.#context;
    const now = this.#ports.monotonic();
    const round = Math.floor(cycle / CYCLES_PER_ROUND);
    const isOurs = ownsKey('journals', token.session, this.#ports.living(), round);
    if (!isOurs || now - this.#checked < CHECK_INTERVAL_MS || isBusy() || !guard.canBegin()) return;
    this.#checked = now;
    for (const path of oldestBeyond(await this.#find(), this.#maxBytes)) {
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

/** The oldest files that may be removed, until the others have at most `maxBytes`. */
function oldestBeyond(found: readonly Found[], maxBytes: number): string[] {
  let bytes = found.reduce((sum, { size }) => sum + size, 0);
  const gone: string[] = [];
  for (const { path, size } of found
    .filter(({ isWritten }) => !isWritten)
    .sort((a, b) => a.mtime - b.mtime)) {
    if (bytes <= maxBytes) break;
    bytes -= size;
    gone.push(path);
  }
  return gone;
}
