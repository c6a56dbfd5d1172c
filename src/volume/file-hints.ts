/** Names that the volume has told of since they were last asked for. Hints: some may be missing. */

import { isStateName } from '../machine/name.ts';

/** More than this are not kept: a listing tells them all. */
const MOST = 4096;

export class FileHints {
  #names: Set<string> | undefined = new Set();

  /** Undefined: something has changed, and nobody says what. */
  note(name: string | undefined): void {
    // Events, and whatever else is put there, are no states to look at.
    if (name !== undefined && !isStateName(name)) return;
    if (name === undefined || this.#names === undefined || this.#names.size >= MOST) {
      this.#names = undefined;
    } else {
      this.#names.add(name);
    }
  }

  /** Undefined if there may be more than is known. */
  take(): ReadonlySet<string> | undefined {
    const names = this.#names;
    this.#names = new Set();
    return names;
  }
}
