/** Journal entries that are not written yet. Only users read them: a full disk under the journal must not stop work. */
import type { JournalEntry, VolumeOperations } from './operations.ts';
import { throwBug } from '../machine/invariant.ts';
import type { Log } from '../engine/ports.ts';

/** While writing fails, older entries than the last ones are dropped. */
const MAX_ENTRIES = 10_000;

export class JournalQueue {
  #entries: JournalEntry[] = [];
  #isFailing = false;

  add(entries: readonly JournalEntry[]): void {
    this.#entries.push(...entries);
  }

  /** After an error, the entries are written again with the next ones. */
  async write(session: Pick<VolumeOperations, 'journal'>, log: Log): Promise<void> {
    try {
      await session.journal(this.#entries);
      this.#entries = [];
      this.#isFailing = false;
    } catch (error) {
      throwBug(error);
      if (!this.#isFailing) log.warn({ err: error }, 'cannot write the journal; work goes on');
      this.#isFailing = true;
      this.#entries = this.#entries.slice(-MAX_ENTRIES);
    }
  }
}
