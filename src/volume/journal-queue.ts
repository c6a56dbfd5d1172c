/** Journal entries on their way to the volume. They are for people: a disk that is full under the journal stops no work. */
import type { JournalEntry, VolumeOperations } from './operations.ts';
import type { Log } from '../engine/ports.ts';

/** Of more that the volume does not take, the oldest are dropped. */
const MAX_ENTRIES = 10_000;

export class JournalQueue {
  #entries: JournalEntry[] = [];
  #isFailing = false;

  add(entries: readonly JournalEntry[]): void {
    this.#entries.push(...entries);
  }

  /** What the volume does not take is tried again with the next entries. */
  async write(session: Pick<VolumeOperations, 'journal'>, log: Log): Promise<void> {
    try {
      await session.journal(this.#entries);
      this.#entries = [];
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log.warn({ err: error }, 'cannot write the journal; work goes on');
      this.#isFailing = true;
      this.#entries = this.#entries.slice(-MAX_ENTRIES);
    }
  }
}
