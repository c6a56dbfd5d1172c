/** Names of file events. */
import { isStateName } from '../machine/name.ts';

/** Above this, a listing is cheaper. */
const MAX_NAMES = 4096;

/** Names of file events since the last `take`. Hints: some may be missing. */
export class FileHints {
  #names: Set<string> | undefined = new Set();

  /** Undefined: the name of the changed file is unknown. */
  note(name: string | undefined): void {
    // Only state files are of interest.
    if (name !== undefined && !isStateName(name)) return;
    if (name === undefined || this.#names === undefined || this.#names.size >= MAX_NAMES) {
      this.#names = undefined;
    } else {
      this.#names.add(name);
    }
  }

  /** Undefined if there may be more than the noted names. */
  take(): ReadonlySet<string> | undefined {
    const names = this.#names;
    this.#names = new Set();
    return names;
  }
}
