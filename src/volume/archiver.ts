/**
 * The chore of moving done states to the archive, in two halves with a pause between them. First the flag gets
 * a name in the archive, then the state file, and both are on the disk before the state file leaves the root;
 * its flag is still in `done/`. When it has been so for the pause, the flag leaves `done/`. At every moment the
 * state is done for whoever looks at `done/` and then into the archive, and who sees it in a listing that is
 * older than all of that finds so when it has claimed it.
 */
import { isStateName, originName, parseStateName, stateName } from '../machine/name.ts';
import { publishedStates, parseCommitRecord } from '../machine/record.ts';
import { Names } from './phases/names.ts';
import { ownsKey } from './phases/ownership.ts';
import { limitOf, mayBeArchived, placeOf, surplus, type ArchiveRules } from './archivable.ts';
import { restoreDoneFlag, isArchived, isDone } from './archive.ts';
import type { PhaseGuard } from './operations.ts';
import { ensureDirectory } from './directory.ts';
import {
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
import { repairTornWrite, tornSuccessor } from './torn-write.ts';

export interface ArchiverPorts {
  readonly monotonic: () => number;
  /** The volume's time at the earliest, ms; undefined while it is too uncertain. */
  readonly volumeTime: () => number | undefined;
  readonly living: () => readonly string[];
}

/** So many places are enough to find the newest by. */
const SAMPLE = 1000;
/** States at a time, at most: a shard's are synced together. */
const BATCH = 64;
/** So many are looked at, and so many moved, in one Update System. */
const LOOKS = 5000;
const MOVES = 512;
/** For so long a shard is one worker's, unless that one dies: others have it when he is never idle. */
const CYCLES_PER_ROUND = 256;
/** No volume's time stamps are coarser, ms. */
const COARSE = 2000;

/** A state that has its names in the archive. */
interface Kept {
  readonly name: string;
  /** Of its state file, if that is still in the root. */
  readonly content: string | undefined;
  readonly paths: readonly string[];
  /** In its batch. */
  readonly place: number;
}

export class Archiver {
  readonly #context: SessionContext;
  readonly #rules: ArchiveRules;
  readonly #ports: ArchiverPorts;
  /** On our monotonic clock. */
  #listed = Number.NEGATIVE_INFINITY;
  /** Of `done/`, when it was listed last and everything in it was seen to. */
  #seenTo: number | undefined;
  /** What was listed last, and since when, on our monotonic clock, each flag is known to have been there. */
  #done = new Names();
  #known: Float64Array = new Float64Array();
  /** Which of them are our share, and still to be looked at; and the place of the newest that may go. */
  #queue: Uint32Array = new Uint32Array();
  #limit = Number.NEGATIVE_INFINITY;
  /** Moved by half, and since when we know of it. */
  readonly #halves = new Map<string, number>();
  readonly #made = new Set<string>();
  #batchSize = BATCH;

  constructor(context: SessionContext, rules: ArchiveRules, ports: ArchiverPorts) {
    this.#context = context;
    this.#rules = rules;
    this.#ports = ports;
  }

  /** In Update System only, while there is nothing better to do. Returns how many states it moved by half. */
  async work(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<number> {
    const mayGoOn = (): boolean => !isBusy() && guard.canBegin();
    for (const name of this.#context.reappeared) {
      if (!(await restoreDoneFlag(this.#context, name, guard.canBegin))) return 0;
      this.#context.reappeared.delete(name);
    }
    await this.#finishHalves(mayGoOn);
    await this.#list(cycle, mayGoOn);
    if (this.#queue.length === 0) return 0;
    const inUse = await this.#readInUse();
    let [looks, moves] = [0, 0];
    while (this.#queue.length > 0 && looks < LOOKS && moves < MOVES && mayGoOn()) {
      const batch = this.#queue.subarray(-this.#batchSize);
      this.#queue = this.#queue.subarray(0, -this.#batchSize);
      looks += batch.length;
      const ended = await this.#move(batch, inUse, mayGoOn);
      moves += ended.moved;
      this.#resize(batch, ended.left);
    }
    return moves;
  }

  /** What a batch had no time for comes next, and in a smaller one: the volume may be slow. */
  #resize(batch: Uint32Array, left: number): void {
    if (left === 0) this.#batchSize = Math.min(BATCH, 2 * this.#batchSize);
    else {
      this.#batchSize = Math.max(1, this.#batchSize >> 1);
      this.#queue = Uint32Array.from([...this.#queue, ...batch.subarray(batch.length - left)]);
    }
  }

  /** A listing of `done/`, if it has changed, and not again for half a pause. */
  async #list(cycle: number, mayGoOn: () => boolean): Promise<void> {
    const { files, layout } = this.#context;
    const now = this.#ports.monotonic();
    const every = this.#rules.pause / 2;
    if (this.#rules.keep === Number.POSITIVE_INFINITY) return;
    if (now - this.#listed < every || !mayGoOn()) return;
    const directory = layout.flags('done');
    const mtime = (await files.stat(directory))?.mtime;
    if (mtime === undefined || mtime === this.#seenTo) return;
    const done = new Names();
    const push = (name: string): void => void (isStateName(name) && done.push(name));
    await listInto(files, directory, { push });
    this.#listed = now;
    this.#queue = new Uint32Array();
    const tooMany = surplus(done.size, this.#rules.keep);
    const isStill = (await files.stat(directory))?.mtime === mtime;
    this.#seenTo = tooMany === 0 && isStill ? mtime : undefined;
    if (tooMany === 0) return this.#know(new Names(), now);
    // What a directory has that has not changed since then has been there since then.
    this.#know(done, this.#ports.monotonic() - (isStill ? this.#ageOf(mtime) : 0));
    const step = Math.ceil(done.size / SAMPLE);
    const places: number[] = [];
    for (let index = 0; index < done.size; index += step) {
      const place = await this.#placeOf(done.at(index));
      if (place !== undefined) places.push(place);
    }
    this.#limit = limitOf(places, tooMany / done.size);
    this.#queue = this.#shareOf(done, Math.floor(cycle / CYCLES_PER_ROUND));
  }

  /** What was there before has been there since then; the rest, `since`. */
  #know(done: Names, since: number): void {
    const known = new Float64Array(done.size).fill(since);
    for (const [index, place] of done.placesIn(this.#done).entries()) {
      if (place >= 0) known[index] = this.#known[place]!;
    }
    [this.#done, this.#known] = [done, known];
  }

  /** Which of them are in shards that are ours, shard by shard. */
  #shareOf(done: Names, round: number): Uint32Array {
    const { layout, token } = this.#context;
    const living = this.#ports.living();
    const isOurs = new Map<string, boolean>();
    const byShard = new Map<string, number[]>();
    for (let index = 0; index < done.size; index += 1) {
      const shard = layout.archiveShard(done.at(index)).slice(-2);
      if (!isOurs.has(shard)) isOurs.set(shard, ownsKey(shard, token.session, living, round));
      if (isOurs.get(shard) !== true) continue;
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
    return now === undefined ? 0 : Math.max(0, now - mtime - COARSE);
  }

  /** By its flag, or by its state file where that is younger: a token is as old as its session. */
  async #placeOf(name: string): Promise<number | undefined> {
    const { files, layout } = this.#context;
    const flag = await files.stat(layout.flag('done', name));
    const state = await files.stat(layout.state(name));
    return flag && placeOf(name, Math.max(flag.mtime, state?.mtime ?? flag.mtime));
  }

  /** What is claimed, and what sessions still have a record of. */
  async #readInUse(): Promise<{ claimed: ReadonlySet<string>; owed: ReadonlySet<string> }> {
    const { files, layout, passedOver } = this.#context;
    const owed = new Set<string>();
    for (const session of await listOrNone(files, layout.internal('staging'))) {
      const directory = layout.internal('staging', session);
      await passedOver.guard(`.flockwork/staging/${session}`, async () => {
        for (const file of await stagedFiles(files, layout, session)) {
          for (const name of await stagedStates(files, directory, file)) owed.add(name);
        }
      });
    }
    return { claimed: new Set(await listOrNone(files, layout.flags('in_progress'))), owed };
  }

  async #move(
    batch: Uint32Array,
    inUse: { claimed: ReadonlySet<string>; owed: ReadonlySet<string> },
    mayGoOn: () => boolean,
  ): Promise<{ readonly moved: number; readonly left: number }> {
    const { files, layout } = this.#context;
    const linked: Kept[] = [];
    let looked = 0;
    for (const index of batch) {
      if (!mayGoOn()) break;
      // What the volume refuses now is looked at again with the next listing.
      const one = await this.#keep(this.#done.at(index), this.#known[index]!, inUse).catch(
        () => undefined,
      );
      if (one !== undefined) linked.push({ ...one, place: looked });
      looked += 1;
    }
    const kept = await this.#syncAll(linked);
    for (const shard of new Set(kept.map(({ name }) => layout.archiveShard(name)))) {
      await files.sync(`${shard}/done`);
      await files.sync(shard);
    }
    let moved = 0;
    for (const { name, content, place } of kept) {
      if (!mayGoOn()) {
        looked = place;
        break;
      }
      if (content !== undefined) await removeIfContent(files, layout.state(name), content, mayGoOn);
      this.#halves.set(name, this.#ports.monotonic());
      moved += 1;
    }
    return { moved, left: batch.length - looked };
  }

  /**
   * Those that are on the disk now: a successor is written without an fsync, and as long as it is in the root, its
   * parent's record has it. What was there already may be an earlier try's, whose fsync failed.
   */
  async #syncAll(linked: readonly Kept[]): Promise<Kept[]> {
    const { files } = this.#context;
    const synced = await Promise.all(
      linked.map(async (one) => {
        try {
          for (const path of one.paths) await files.sync(path);
          return [one];
        } catch {
          return [];
        }
      }),
    );
    return synced.flat();
  }

  /** Gives flag and state file a name in the archive, if they may go there. */
  async #keep(
    name: string,
    since: number,
    { claimed, owed }: { claimed: ReadonlySet<string>; owed: ReadonlySet<string> },
  ): Promise<Omit<Kept, 'place'> | undefined> {
    const { files, layout } = this.#context;
    if (this.#halves.has(name)) return undefined;
    const place = await this.#placeOf(name);
    // Most of what is looked at stays, and is not read.
    if (place === undefined || place > this.#limit) return undefined;
    const flag = await readText(files, layout.flag('done', name));
    if (flag === undefined) return undefined;
    const origin = originName(name);
    const state = {
      known: this.#ports.monotonic() - since,
      hasFailed: (await files.stat(layout.flag('failed', name))) !== undefined,
      isClaimed: claimed.has(name),
      isOwed: owed.has(name) || (origin !== undefined && owed.has(origin)),
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
      if (!(await this.#giveName(from, to, text))) return undefined;
      paths.push(to);
    }
    return { name, content, paths };
  }

  /** Whole: what it should be is known from its parent's record, which may leave the volume before it does. */
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
    // Another program's flag does not say what followed: the next step's name is it, by convention.
    const { instance, step } = parseStateName(name)!;
    const next = stateName(instance, step + 1);
    return (
      (await files.stat(layout.state(next))) !== undefined && !(await isDone(files, layout, next))
    );
  }

  /** A copy where the volume gives no further name: not to others' files, or no more. False if the name is taken. */
  async #giveName(from: string, to: string, text: string): Promise<boolean> {
    const { files } = this.#context;
    try {
      if ((await linkIfAbsent(files, from, to, equals(text))) === 'taken') return false;
    } catch {
      // Not what it was when it was run, and no text: a copy would not be the same.
      if (text.includes('\ufffd')) return false;
      await this.#context.ensureStaging();
      const temporary = this.#context.staging('.archived');
      if ((await writeAtomically(files, temporary, to, text)) === 'taken') return false;
    }
    return true;
  }

  async #makeShard(shard: string): Promise<void> {
    if (this.#made.has(shard)) return;
    const { files, layout } = this.#context;
    for (const directory of [layout.archive, shard, `${shard}/done`]) {
      await ensureDirectory(files, directory);
    }
    for (const directory of [layout.root, layout.archive, shard]) await files.sync(directory);
    this.#made.add(shard);
  }

  async #finishHalves(mayGoOn: () => boolean): Promise<void> {
    const { files, layout } = this.#context;
    const now = this.#ports.monotonic();
    const due: string[] = [];
    // They are in the order of time.
    for (const [name, since] of this.#halves) {
      if (now - since < this.#rules.pause || due.length === MOVES) break;
      due.push(name);
    }
    if (due.length === 0 || !mayGoOn()) return;
    // Whoever took the state files from the root may have died before it was on the disk.
    await files.sync(layout.root);
    for (const name of due) {
      const isThere = (await files.stat(layout.state(name))) !== undefined;
      const isWhole = !isThere && (await isArchived(files, layout, name));
      if (!mayGoOn()) return;
      if (isWhole) await remove(files, layout.flag('done', name));
      this.#halves.delete(name);
    }
  }
}
