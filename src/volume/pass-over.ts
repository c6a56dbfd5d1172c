/**
 * One bad entry stops one entry. What others have put into our directories, or keep from us (a directory in a flag's place, a
 * link, another user's file), is passed over and told, and everything else goes on. What says something about the volume
 * itself (EIO, ENOSPC, ESTALE) is thrown: then nothing is known of any entry (I8).
 */
import { errnoOf } from './files.ts';

const OF_AN_ENTRY = new Set([
  'EACCES',
  'EPERM',
  'ELOOP',
  'ENOTDIR',
  'EISDIR',
  'ENXIO',
  'ENOTEMPTY',
  'EEXIST',
  'EXDEV',
  'ENAMETOOLONG',
  'EINVAL',
  'EBUSY',
]);

/** Entries that were passed over: told once each, as long as they stay. */
export class PassedOver {
  readonly #known = new Map<string, string>();
  #untold: string[] = [];

  /** `entry`: below the volume, for people. False if it was passed over; throws what is not about this entry. */
  async guard(entry: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      this.#known.delete(entry);
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === undefined || !OF_AN_ENTRY.has(code)) throw error;
      if (this.#known.get(entry) !== code) this.#untold.push(`${entry} (${code})`);
      this.#known.set(entry, code);
      return false;
    }
  }

  /** Since it was asked last. */
  take(): readonly string[] {
    return this.#untold.splice(0);
  }
}
