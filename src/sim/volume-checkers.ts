/** Checks of what a volume keeps: what is archived (I3), what sessions leave behind, and their journals (I1). */
import { publishedStates, parseCommitRecord, recordedStates } from '../machine/record.ts';
import { archivedFlag, archivedState, type TrueVolume } from './true-volume.ts';
import { isStateName } from '../machine/name.ts';
import { parseJournalName, parseJournalLine } from '../volume/journal.ts';
import { TRANSIENT_DIRECTORIES } from '../volume/layout.ts';
import { sessionOfTokenFile } from '../volume/session-context.ts';

/** Of the required age, which a drifting clock may measure short. */
const MIN_AGE_FRACTION = 0.9;

/** A state file or a flag leaves its place only when both are in the archive, durably. */
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

const JOURNAL = '.flockwork/journal';

/** Flags and traces of sessions of other workers than `worker`; undefined if there are none. */
export function leftOver(volume: TrueVolume, worker?: string): string | undefined {
  const kept = sessionsOfFailed(volume);
  const isLeft = (name: string): boolean =>
    !kept.has(sessionOfTokenFile(name)) && name !== worker && !name.startsWith(`${worker}.`);
  for (const place of TRANSIENT_DIRECTORIES) {
    const left = volume.list(place).filter(isLeft);
    if (left.length > 0) return `expected ${place}/ to be empty, got ${left.join(', ')}`;
  }
  const isJournal = (name: string): boolean => parseJournalName(name) !== undefined;
  const others = volume.list(JOURNAL).filter((name) => !isJournal(name) && isLeft(name));
  return others.length === 0
    ? undefined
    : `expected journals only in ${JOURNAL}/, got ${others.join(', ')}`;
}

/** Sessions with a staged record of a failed state, which may still be brought back and committed. */
function sessionsOfFailed(volume: TrueVolume): Set<string> {
  const isOver = (name: string): boolean =>
    volume.exists(`failed/${name}`) && volume.doneText(name) === undefined;
  const isDone = (name: string): boolean => volume.doneText(name) !== undefined;
  const all = [...staged(volume)];
  const open = all.filter(
    ({ states }) => !states.some(isOver) || !states.every((name) => isOver(name) || isDone(name)),
  );
  const sessions = new Set(all.map(({ session }) => session));
  for (const { session } of open) sessions.delete(session);
  return sessions;
}

/** Staged files of all sessions. */
export function* staged(
  volume: TrueVolume,
): Generator<{ session: string; text: string; states: readonly string[] }> {
  const staging = '.flockwork/staging';
  for (const session of volume.list(staging)) {
    for (const file of volume.list(`${staging}/${session}`)) {
      if (file.startsWith('.')) continue;
      const text = volume.text(`${staging}/${session}/${file}`) ?? '';
      yield { session, text, states: isStateName(file) ? [file] : recordedStates(text) };
    }
  }
}

/** A state that two sessions report as committed; undefined if there is none. */
export function twiceCommitted(volume: TrueVolume): string | undefined {
  const by = new Map<string, string>();
  for (const file of volume.list(JOURNAL)) {
    const owner = parseJournalName(file);
    if (owner === undefined) continue;
    for (const line of (volume.text(`${JOURNAL}/${file}`) ?? '').split('\n')) {
      const entry = parseJournalLine(line, owner);
      if (entry?.result !== 'done') continue;
      const other = by.get(entry.state) ?? entry.session;
      by.set(entry.state, entry.session);
      if (other !== entry.session) {
        return `expected one session to commit ${entry.state}, got ${other} and ${entry.session}`;
      }
    }
  }
  return undefined;
}
