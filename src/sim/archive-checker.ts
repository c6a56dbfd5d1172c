/**
 * I3, watched where done states move to the archive: a state file, or a flag, leaves its place only when the
 * volume has both elsewhere, and has them on the disk.
 */
import { publishedStates, parseCommitRecord } from '../machine/record.ts';
import { archivedFlag, archivedState, type TrueVolume } from './true-volume.ts';

/** Clocks drift: of the age that there has to be, so much at least. */
const MIN_AGE_FRACTION = 0.9;

export class ArchiveChecker {
  readonly #volume: TrueVolume;
  readonly #now: () => number;
  readonly #age: number;
  /** True times at which flags came to `done/`. */
  readonly #committed = new Map<string, number>();
  /** State files that have left the root: one that is there again was put there again, and is done. */
  readonly #gone = new Set<string>();

  /** `age`: ms that a flag has to have been there before its state is moved; 0 where nobody can tell. */
  constructor(volume: TrueVolume, now: () => number, age: number) {
    this.#volume = volume;
    this.#now = now;
    this.#age = age;
  }

  committed(name: string): void {
    if (!this.#committed.has(name)) this.#committed.set(name, this.#now());
  }

  /** Somebody took a state file out of the root: what is wrong with that, if anything. */
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
    return age < MIN_AGE_FRACTION * this.#age ? `it was done ${Math.round(age)} ms ago` : undefined;
  }

  #isTorn(name: string): boolean {
    const next = this.#volume.follower(name);
    const there = this.#volume.text(archivedState(name));
    if (next === undefined || there === undefined) return false;
    // Of no account is the line's end.
    return there.trimEnd() !== next.content.trimEnd() && isTorn(there, next.content);
  }

  /** Somebody took a flag out of `done/`. */
  ofFlag(name: string, text: string): string | undefined {
    const volume = this.#volume;
    const archived = archivedFlag(name);
    if (!volume.isDurable(archived)) return `${archived} is not on the disk`;
    // A commit that came too late is withdrawn.
    if (volume.text(archived) !== text) return undefined;
    if (volume.exists(name)) {
      // Whoever looked through a cache, or a moment before, does not see it; whoever claims it finds it archived.
      return this.#gone.has(name) ? undefined : 'its state file is still in the root';
    }
    if (volume.comesBack(name) && !this.#gone.has(name)) {
      return 'the power could bring its state file back';
    }
    return undefined;
  }
}

/** A beginning of what should be there, or zeros. */
export function isTorn(there: string, whole: string): boolean {
  return [...there].every((character, index) => character === '\0' || character === whole[index]);
}
