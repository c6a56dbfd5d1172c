/** Reads the roster, and keeps it while `workers/` does not change: in an idle fleet it would be read for nothing. */
import { readCluster } from './snapshot.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { ClusterView } from './operations.ts';
import type { RosterEntry } from './phases/assignment.ts';
import { isForeign } from './phases/liveness.ts';

interface KnownRoster {
  readonly mtime: number;
  /** When this mtime was first seen, on our monotonic clock, ms. */
  readonly since: number;
  /** Kept if the mtime had been settled when the flags were read. */
  readonly roster: readonly RosterEntry[] | undefined;
}

/**
 * A flag is a link to a token file, which is never written again: the flags can only have changed if the directory has. Not so
 * flags of other programs, so a roster with one of those is read each time, as is one with a flag that could not be read.
 */
export class RosterReader {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #settledMs: number;
  readonly #monotonic: () => number;
  #known: KnownRoster | undefined;

  /**
   * `settledMs`: a directory whose mtime has been seen to stay for this time has not changed unseen, within a coarse time
   * stamp. Infinity where listings may be stale: nothing is kept (I8).
   */
  constructor(files: Files, layout: Layout, settledMs: number, monotonic: () => number) {
    this.#files = files;
    this.#layout = layout;
    this.#settledMs = settledMs;
    this.#monotonic = monotonic;
  }

  async read(): Promise<ClusterView> {
    const [files, layout] = [this.#files, this.#layout];
    if (this.#settledMs === Number.POSITIVE_INFINITY) return readCluster(files, layout);
    const now = this.#monotonic();
    const mtime = (await files.stat(layout.flags('workers')))?.mtime;
    const known = this.#known?.mtime === mtime ? this.#known : undefined;
    if (known?.roster !== undefined) {
      const paused = (await files.stat(layout.paused)) !== undefined;
      return { roster: known.roster, paused };
    }
    const view = await readCluster(files, layout);
    const since = known?.since ?? now;
    const isSettled = now - since >= this.#settledMs && !view.roster.some(isForeign);
    const roster = isSettled ? view.roster : undefined;
    this.#known = mtime === undefined ? undefined : { mtime, since, roster };
    return view;
  }
}
