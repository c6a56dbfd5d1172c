/**
 * One bad entry stops one entry. An entry that other programs or users have put into our directories, or made unreadable (a
 * directory in a flag's place, a link, another user's file), is passed over and reported, and everything else goes on. Errors
 * of the volume itself (EIO, ENOSPC, ESTALE) are thrown: then nothing is known of any entry (I8).
 */
import { errnoOf } from './files.ts';

const ENTRY_ERRNOS = new Set([
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

/** Entries that were passed over: each is reported once while its error stays the same. */
export class PassedOver {
  readonly #known = new Map<string, string>();
  #unreported: string[] = [];

  /** `entry`: its path below the volume, for the log. False if it was passed over; throws errors that are not of this entry. */
  async guard(entry: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      this.#known.delete(entry);
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === undefined || !ENTRY_ERRNOS.has(code)) throw error;
      if (this.#known.get(entry) !== code) this.#unreported.push(`${entry} (${code})`);
      this.#known.set(entry, code);
      return false;
    }
  }

  /** Entries that were passed over since the last call. */
  take(): readonly string[] {
    return this.#unreported.splice(0);
  }
}
