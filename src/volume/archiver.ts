/**
 * Moves done states to the archive, in two halves with a pause between them. First the flag is linked into the archive, then
 * the state file; both are synced before the state file leaves the root. After the pause, the flag leaves `done/`.
 * Invariant: the state is done for every session that looks at `done/` first and then into the archive. A session that has it
 * from an older listing finds out after its claim.
 */
import { throwBug } from '../machine/invariant.ts';
import { isStateName, originName, parseStateName, stateName } from '../machine/name.ts';
import { publishedStates, parseCommitRecord } from '../machine/record.ts';
import { Names } from './phases/names.ts';
import { ownsKey } from './phases/liveness.ts';
import { restoreDoneFlag, isArchived, isDone } from './archive.ts';
import type { PhaseGuard } from './operations.ts';
import {
  ensureDirectory,
  equals,
  linkIfAbsent,
  listInto,
  listOrNone,
  writeAtomically,
  readText,
  remove,
  removeIfContent,
} from './atomic-files.ts';
import type { SessionContext } from './session-context.ts';
import { stagedFiles, stagedStates } from './staging.ts';
import { parseToken } from './token.ts';
import { repairTornWrite, tornSuccessor } from './read-state.ts';
import { hash, HASHES } from './phases/hash.ts';

export interface ArchiveRules {
  /** Number of done states that stay, the newest. */
  readonly keep: number;
  /** Milliseconds that a flag must have existed. */
  readonly age: number;
  /** Milliseconds between the two halves of a move: longer than a cache is stale, or than a network delays a request. */
  readonly pause: number;
}

/** Milliseconds, of workers with `--keep`. */
export const ARCHIVE_AGE: number = 3_600_000;
export const ARCHIVE_PAUSE: number = 600_000;

/** Of a session that archives nothing, but respects what others archive. */
export const NO_ARCHIVE: ArchiveRules = {
  keep: Number.POSITIVE_INFINITY,
  age: ARCHIVE_AGE,
  pause: ARCHIVE_PAUSE,
};

/** One done state that is not among the newest, as it was just observed. */
export interface DoneState {
  /** Milliseconds that its flag is known to have existed, at least. */
  readonly known: number;
  readonly hasFailed: boolean;
  readonly isClaimed: boolean;
  /** A session has still staged its record, or that of the step before it: something may be published again. */
  readonly isStaged: boolean;
  /** It leads to a step, or has begun a branch, that is neither done nor archived. */
  readonly isOpen: boolean;
}

/** Which done states may be moved. Pure, as what follows: facts and clock readings are passed in. */
export function mayBeArchived(state: DoneState, { age }: ArchiveRules): boolean {
  const { known, hasFailed, isClaimed, isStaged, isOpen } = state;
  return known >= age && !hasFailed && !isClaimed && !isStaged && !isOpen;
}

/** States are archived once there are 1/8 too many: each one costs a stat of eight that stay. */
const SLACK_DIVISOR = 8;

/** How many of `done` states are to be archived. */
export function surplus(done: number, keep: number): number {
  return done > keep + Math.floor(keep / SLACK_DIVISOR) ? done - keep : 0;
}

/** Sort key: milliseconds, with a fraction that orders states of the same instant alike in all sessions. */
export function placeOf(name: string, time: number): number {
  return time + hash(name) / HASHES;
}

/** The place at or below which `part` (0 to 1) of all states are, estimated from a sample of places. */
export function limitOf(places: readonly number[], part: number): number {
  const sorted = [...places].sort((a, b) => a - b);
  return sorted[Math.round(part * sorted.length) - 1] ?? Number.NEGATIVE_INFINITY;
}

export interface ArchiverPorts {
  readonly monotonic: () => number;
  /** The volume's time at the earliest, ms; undefined while it is too uncertain. */
  readonly volumeTime: () => number | undefined;
  readonly living: () => readonly string[];
}

/** Of done states whose time stamps are read, to estimate the place of the newest that goes. */
const SAMPLE_STATES = 1000;
/** Per batch: the states of a shard are synced together. */
const MAX_BATCH_STATES = 64;
/** States that are looked at, and that are moved, in one Update System. */
const MAX_LOOKS = 5000;
const MAX_MOVES = 512;
/** Cycles after which shards are reassigned, so that a permanently busy worker does not block its shards. */
const CYCLES_PER_ROUND = 256;
/** No volume's time stamps are coarser. */
const MAX_STAMP_RESOLUTION_MS = 2000;

/** A state whose flag and file have been linked into the archive. */
interface ArchivedState {
  readonly name: string;
  /** Of its state file, if that is still in the root. */
  readonly content: string | undefined;
  readonly paths: readonly string[];
  /** Index in its batch. */
  readonly index: number;
}

export class Archiver {
  readonly #context: SessionContext;
  readonly #rules: ArchiveRules;
  readonly #ports: ArchiverPorts;
  /** Time of the last listing, monotonic ms. */
  #listedAt = Number.NEGATIVE_INFINITY;
  /** The mtime of `done/` at a listing in which there was nothing to archive. */
  #settledMtime: number | undefined;
  /** The last listing, and since when (monotonic ms) each flag is known to have existed. */
  #done = new Names();
  #knownSince: Float64Array = new Float64Array();
  /** Indices in `#done` of this session's share that is still to be looked at; the place of the newest that may go. */
  #queue: Uint32Array = new Uint32Array();
  #limit = Number.NEGATIVE_INFINITY;
  /** States after the first half of their move, with its time, monotonic ms; the oldest first. */
  readonly #halfMoved = new Map<string, number>();
  readonly #madeShards = new Set<string>();
  #batchSize = MAX_BATCH_STATES;

  constructor(context: SessionContext, rules: ArchiveRules, ports: ArchiverPorts) {
    this.#context = context;
    this.#rules = rules;
    this.#ports = ports;
  }

  /** Called in Update System, when the worker is idle. Returns the number of states moved by half. */
  async work(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<number> {
    const mayContinue = (): boolean => !isBusy() && guard.canBegin();
    for (const name of this.#context.reappeared) {
      if (!(await restoreDoneFlag(this.#context, name, guard.canBegin))) return 0;
      this.#context.reappeared.delete(name);
    }
    await this.#finishMoves(mayContinue);
    await this.#list(cycle, mayContinue);
    if (this.#queue.length === 0) return 0;
    const inUse = await this.#readInUse();
    let [looks, moves] = [0, 0];
    while (this.#queue.length > 0 && looks < MAX_LOOKS && moves < MAX_MOVES && mayContinue()) {
      const batch = this.#queue.subarray(-this.#batchSize);
      this.#queue = this.#queue.subarray(0, -this.#batchSize);
      looks += batch.length;
      const { moved, left } = await this.#move(batch, inUse, mayContinue);
      moves += moved;
      this.#resize(batch, left);
    }
    return moves;
  }

  /** Requeues what a batch had no time for, and makes the next batch smaller: the volume may be slow. */
  #resize(batch: Uint32Array, left: number): void {
    if (left === 0) this.#batchSize = Math.min(MAX_BATCH_STATES, 2 * this.#batchSize);
    else {
      this.#batchSize = Math.max(1, this.#batchSize >> 1);
      this.#queue = Uint32Array.from([...this.#queue, ...batch.subarray(batch.length - left)]);
    }
  }

  /** Lists `done/` if it has changed, at most once per half a pause. */
  async #list(cycle: number, mayContinue: () => boolean): Promise<void> {
    const { files, layout } = this.#context;
    const now = this.#ports.monotonic();
    const intervalMs = this.#rules.pause / 2;
    if (this.#rules.keep === Number.POSITIVE_INFINITY) return;
    if (now - this.#listedAt < intervalMs || !mayContinue()) return;
    const directory = layout.flags('done');
    const mtime = (await files.stat(directory))?.mtime;
    if (mtime === undefined || mtime === this.#settledMtime) return;
    const done = new Names();
    const push = (name: string): void => void (isStateName(name) && done.push(name));
    await listInto(files, directory, { push });
    this.#listedAt = now;
    this.#queue = new Uint32Array();
    const tooMany = surplus(done.size, this.#rules.keep);
    const isUnchanged = (await files.stat(directory))?.mtime === mtime;
    this.#settledMtime = tooMany === 0 && isUnchanged ? mtime : undefined;
    if (tooMany === 0) return this.#setDone(new Names(), now);
    // All entries of a directory are at least as old as its mtime.
    this.#setDone(done, this.#ports.monotonic() - (isUnchanged ? this.#ageOf(mtime) : 0));
    const step = Math.ceil(done.size / SAMPLE_STATES);
    const places: number[] = [];
    for (let index = 0; index < done.size; index += step) {
      const place = await this.#placeOf(done.at(index));
      if (place !== undefined) places.push(place);
    }
    this.#limit = limitOf(places, tooMany / done.size);
    this.#queue = this.#shareOf(done, Math.floor(cycle / CYCLES_PER_ROUND));
  }

  /** Stores a listing. Names of the previous one keep their time; new ones are known since `since`. */
  #setDone(done: Names, since: number): void {
    const knownSince = new Float64Array(done.size).fill(since);
    for (const [index, place] of done.placesIn(this.#done).entries()) {
      if (place >= 0) knownSince[index] = this.#knownSince[place]!;
    }
    [this.#done, this.#knownSince] = [done, knownSince];
  }

  /** Indices of the states in this session's shards, shard by shard. */
  #shareOf(done: Names, round: number): Uint32Array {
    const { layout, token } = this.#context;
    const living = this.#ports.living();
    const ownership = new Map<string, boolean>();
    const byShard = new Map<string, number[]>();
    for (let index = 0; index < done.size; index += 1) {
      const shard = layout.archiveShard(done.at(index)).slice(-2);
      if (!ownership.has(shard)) ownership.set(shard, ownsKey(shard, token.session, living, round));
      if (ownership.get(shard) !== true) continue;
      const indices = byShard.get(shard) ?? [];
      indices.push(index);
      byShard.set(shard, indices);
    }
    const shards = [...byShard.keys()].sort();
    return Uint32Array.from(shards.flatMap((shard) => byShard.get(shard)!));
  }

  /** Milliseconds, at least. */
  #ageOf(mtime: number): number {
    const now = this.#ports.volumeTime();
    return now === undefined ? 0 : Math.max(0, now - mtime - MAX_STAMP_RESOLUTION_MS);
  }

  /** By the mtime of its flag, or of a younger state file: a flag linked to a token is as old as the session. */
  async #placeOf(name: string): Promise<number | undefined> {
    const { files, layout } = this.#context;
    const flag = await files.stat(layout.flag('done', name));
    const state = await files.stat(layout.state(name));
    return flag && placeOf(name, Math.max(flag.mtime, state?.mtime ?? flag.mtime));
  }

  /** States that are claimed, and states in records that sessions have still staged. */
  async #readInUse(): Promise<{ claimed: ReadonlySet<string>; staged: ReadonlySet<string> }> {
    const { files, layout, passedOver } = this.#context;
    const staged = new Set<string>();
    for (const session of await listOrNone(files, layout.internal('staging'))) {
      const directory = layout.internal('staging', session);
      await passedOver.guard(`.flockwork/staging/${session}`, async () => {
        for (const file of await stagedFiles(files, layout, session)) {
          for (const name of await stagedStates(files, directory, file)) staged.add(name);
        }
      });
    }
    return { claimed: new Set(await listOrNone(files, layout.flags('in_progress'))), staged };
  }

  async #move(
    batch: Uint32Array,
    inUse: { claimed: ReadonlySet<string>; staged: ReadonlySet<string> },
    mayContinue: () => boolean,
  ): Promise<{ readonly moved: number; readonly left: number }> {
    const { files, layout } = this.#context;
    const linked: ArchivedState[] = [];
    let looked = 0;
    for (const place of batch) {
      if (!mayContinue()) break;
      // A state that the volume refuses now is tried again after the next listing.
      const one = await this.#link(this.#done.at(place), this.#knownSince[place]!, inUse).catch(
        (error: unknown) => {
          throwBug(error);
          return undefined;
        },
      );
      if (one !== undefined) linked.push({ ...one, index: looked });
      looked += 1;
    }
    const synced = await this.#syncAll(linked);
    for (const shard of new Set(synced.map(({ name }) => layout.archiveShard(name)))) {
      await files.sync(`${shard}/done`);
      await files.sync(shard);
    }
    let moved = 0;
    for (const { name, content, index } of synced) {
      if (!mayContinue()) {
        looked = index;
        break;
      }
      const path = layout.state(name);
      if (content !== undefined) await removeIfContent(files, path, content, mayContinue);
      this.#halfMoved.set(name, this.#ports.monotonic());
      moved += 1;
    }
    return { moved, left: batch.length - looked };
  }

  /**
   * Returns those that could be synced. A successor is written without an fsync: while it is in the root, its parent's record
   * has its content. A link that existed may be from an earlier try whose fsync failed.
   */
  async #syncAll(linked: readonly ArchivedState[]): Promise<ArchivedState[]> {
    const { files } = this.#context;
    const synced = await Promise.all(
      linked.map(async (one) => {
        try {
          for (const path of one.paths) await files.sync(path);
          return [one];
        } catch (error) {
          throwBug(error);
          return [];
        }
      }),
    );
    return synced.flat();
  }

  /** Links flag and state file into the archive; undefined if they must stay. */
  async #link(
    name: string,
    since: number,
    { claimed, staged }: { claimed: ReadonlySet<string>; staged: ReadonlySet<string> },
  ): Promise<Omit<ArchivedState, 'index'> | undefined> {
    const { files, layout } = this.#context;
    if (this.#halfMoved.has(name)) return undefined;
    const place = await this.#placeOf(name);
    // Most states stay, and need not be read.
    if (place === undefined || place > this.#limit) return undefined;
    const flag = await readText(files, layout.flag('done', name));
    if (flag === undefined) return undefined;
    const origin = originName(name);
    const state = {
      known: this.#ports.monotonic() - since,
      hasFailed: (await files.stat(layout.flag('failed', name))) !== undefined,
      isClaimed: claimed.has(name),
      isStaged: staged.has(name) || (origin !== undefined && staged.has(origin)),
      isOpen: await this.#isOpen(name, flag),
    };
    if (!mayBeArchived(state, this.#rules)) return undefined;
    await this.#makeShard(layout.archiveShard(name));
    const content = await this.#stateOf(name);
    const moves: [from: string, to: string, text: string | undefined][] = [
      [layout.flag('done', name), layout.archivedFlag(name), flag],
      [layout.state(name), layout.archivedState(name), content],
    ];
    const paths: string[] = [];
    for (const [from, to, text] of moves) {
      if (text === undefined) continue;
      if (!(await this.#linkOrCopy(from, to, text))) return undefined;
      paths.push(to);
    }
    return { name, content, paths };
  }

  /** The state file's content; a torn one is repaired by its parent's record, which may be deleted before it. */
  async #stateOf(name: string): Promise<string | undefined> {
    const { files, layout } = this.#context;
    const text = await readText(files, layout.state(name));
    if (text === undefined) return undefined;
    const there = new TextEncoder().encode(text);
    const torn = await tornSuccessor(files, layout, name, there);
    if (torn === undefined) return text;
    return (await repairTornWrite(this.#context, torn, there)) ? torn.content : text;
  }

  async #isOpen(name: string, flag: string): Promise<boolean> {
    const { files, layout } = this.#context;
    const record = parseCommitRecord(flag, name);
    if (record !== undefined) {
      for (const one of publishedStates(record)) {
        if (!(await isDone(files, layout, one.name))) return true;
      }
      return false;
    }
    if (parseToken(flag) !== undefined) return false;
    // Another program's flag does not name a successor: it is the next step, by convention.
    const { instance, step } = parseStateName(name)!;
    const next = stateName(instance, step + 1);
    return (
      (await files.stat(layout.state(next))) !== undefined && !(await isDone(files, layout, next))
    );
  }

  /** Copies where the volume refuses a link: to another user's file, or one more. False if the name is taken. */
  async #linkOrCopy(from: string, to: string, text: string): Promise<boolean> {
    const { files } = this.#context;
    try {
      if ((await linkIfAbsent(files, from, to, equals(text))) === 'taken') return false;
    } catch {
      // Not UTF-8 (so not the content that was run): a copy would differ.
      if (text.includes('\ufffd')) return false;
      await this.#context.ensureStaging();
      const temporary = this.#context.staging('.archived');
      if ((await writeAtomically(files, temporary, to, text)) === 'taken') return false;
    }
    return true;
  }

  async #makeShard(shard: string): Promise<void> {
    if (this.#madeShards.has(shard)) return;
    const { files, layout } = this.#context;
    for (const directory of [layout.archive, shard, `${shard}/done`]) {
      await ensureDirectory(files, directory);
    }
    for (const directory of [layout.root, layout.archive, shard]) await files.sync(directory);
    this.#madeShards.add(shard);
  }

  async #finishMoves(mayContinue: () => boolean): Promise<void> {
    const { files, layout } = this.#context;
    const now = this.#ports.monotonic();
    const due: string[] = [];
    for (const [name, since] of this.#halfMoved) {
      if (now - since < this.#rules.pause || due.length === MAX_MOVES) break;
      due.push(name);
    }
    if (due.length === 0 || !mayContinue()) return;
    // The session that removed the state files from the root may have crashed before that was durable.
    await files.sync(layout.root);
    for (const name of due) {
      const isThere = (await files.stat(layout.state(name))) !== undefined;
      const isWhole = !isThere && (await isArchived(files, layout, name));
      if (!mayContinue()) return;
      if (isWhole) await remove(files, layout.flag('done', name));
      this.#halfMoved.delete(name);
    }
  }
}
