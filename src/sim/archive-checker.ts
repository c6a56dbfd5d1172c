/**
 * Checks I3 for the archive: a state file or a flag leaves its place only when both are in the archive, durably.
 */
import { publishedStates, parseCommitRecord } from '../machine/record.ts';
import { archivedFlag, archivedState, type TrueVolume } from './true-volume.ts';

/** Of the required age, which a drifting clock may measure short. */
const MIN_AGE_FRACTION = 0.9;

export class ArchiveChecker {
  readonly #volume: TrueVolume;
  readonly #now: () => number;
  readonly #age: number;
  /** True times at which flags came to `done/`. */
  readonly #committed = new Map<string, number>();
  /** State files that have left the root. One that is there again was copied there again. */
  readonly #gone = new Set<string>();

  /** `age`: minimum age of a flag when its state is archived, ms; 0 if clocks or caches hide it. */
  constructor(volume: TrueVolume, now: () => number, age: number) {
    this.#volume = volume;
    this.#now = now;
    this.#age = age;
  }

  committed(name: string): void {
    if (!this.#committed.has(name)) this.#committed.set(name, this.#now());
  }

  /** A state file was removed from the root: why it must not have been, if so. */
  ofState(name: string): string | undefined {
    const volume = this.#volume;
    this.#gone.add(name);
    if (!volume.exists(`done/${name}`)) return 'it is not done';
    for (const path of [archivedFlag(name), archivedState(name)]) {
      if (!volume.isDurable(path)) return `${path} is not on the disk`;
    }
    if (this.#isTorn(name)) return `${archivedState(name)} is torn`;
    const record = parseCommitRecord(volume.text(`done/${name}`) ?? '', name);
    const open = publishedStates(record).find((one) => volume.doneText(one.name) === undefined);
    if (open !== undefined) return `${open.name} is not done`;
    const age = this.#now() - (this.#committed.get(name) ?? Number.NEGATIVE_INFINITY);
    return age < MIN_AGE_FRACTION * this.#age
      ? `it was done only ${Math.round(age)} ms ago`
      : undefined;
  }

  #isTorn(name: string): boolean {
    const next = this.#volume.follower(name);
    const there = this.#volume.text(archivedState(name));
    if (next === undefined || there === undefined) return false;
    // Trailing white space does not count.
    return there.trimEnd() !== next.content.trimEnd() && isTorn(there, next.content);
  }

  /** A flag was removed from `done/`: why it must not have been, if so. */
  ofFlag(name: string, text: string): string | undefined {
    const volume = this.#volume;
    const archived = archivedFlag(name);
    if (!volume.isDurable(archived)) return `${archived} is not on the disk`;
    // A commit after archival is withdrawn.
    if (volume.text(archived) !== text) return undefined;
    if (volume.exists(name)) {
      // A copy made later: a worker that claims it finds it archived.
      return this.#gone.has(name) ? undefined : 'its state file is still in the root';
    }
    if (volume.comesBack(name) && !this.#gone.has(name)) {
      return 'a power cut could restore its state file';
    }
    return undefined;
  }
}

/** Whether `there` is a prefix of `whole`, with zeros in any place. */
export function isTorn(there: string, whole: string): boolean {
  return [...there].every((character, index) => character === '\0' || character === whole[index]);
}
