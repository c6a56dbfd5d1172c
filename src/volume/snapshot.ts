/** Reads the volume in Worker Assignment, as input of the split. Nothing changes while workers read it (I4). */
import { problemName } from '../machine/dropped.ts';
import { isStateName, parseStateName } from '../machine/name.ts';
import type { RosterEntry } from './phases/assignment.ts';
import { hash } from './phases/hash.ts';
import type { Names } from './phases/names.ts';
import { Ring } from './phases/ring.ts';
import { isRewritten, readTried, type RetryDelays } from './attempts.ts';
import type { ClusterView, Snapshot } from './operations.ts';
import type { OpenStates, Listings } from './listings.ts';
import { listOrNone, readFlag } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Inbox, EventIndex } from './inbox.ts';
import { isJunkName, type Layout } from './layout.ts';
import { MAX_TOKEN_BYTES, parseToken } from './token.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { findState } from './archive.ts';
import { lastState } from './chain-steps.ts';
import { wholeOf } from './read-state.ts';

/** The flags in `workers/`. Foreign flags are usually empty: each counts by its name, with room for one state at a time. */
export async function readRoster(files: Files, layout: Layout): Promise<RosterEntry[]> {
  const roster: RosterEntry[] = [];
  for (const name of await listOrNone(files, layout.flags('workers'))) {
    if (isJunkName(name)) continue;
    const flag = layout.flag('workers', name);
    const text = await readFlag(files, flag, MAX_TOKEN_BYTES).catch(() => '');
    if (text === undefined) continue;
    const token = parseToken(text);
    roster.push(
      token === undefined
        ? { session: name, name, concurrency: 1, capacity: 1 }
        : {
            session: token.session,
            name,
            concurrency: token.concurrency,
            capacity: token.capacity,
          },
    );
  }
  return roster;
}

export async function readCluster(files: Files, layout: Layout): Promise<ClusterView> {
  const paused = (await files.stat(layout.paused)) !== undefined;
  return { roster: await readRoster(files, layout), paused };
}

export interface SnapshotReaders {
  readonly files: Files;
  readonly layout: Layout;
  readonly listings: Listings;
  readonly openStates: OpenStates;
  readonly retryDelays: RetryDelays;
  readonly eventIndex: EventIndex;
}

/** A snapshot, and what its session uses of it until the next one. */
export interface VolumeSnapshot extends Snapshot {
  readonly attempted: Set<string>;
  readonly failed: Names;
  readonly waiting: Set<string>;
  /** States with a flag in `waiting/` that are not open. */
  readonly overdue: readonly string[];
  readonly inbox: Inbox;
  /** Instances with due events, and without an open state. */
  readonly orphans: readonly string[];
}

/**
 * `now`: the volume's time at which this cycle began, ms; undefined if that is not known. Events and delays are due by then:
 * those that come due while workers read would be in the snapshots of only some of them (I5).
 */
export async function takeSnapshot(
  { files, layout, listings, openStates, retryDelays, eventIndex }: SnapshotReaders,
  arrived: ReadonlySet<string> | undefined,
  view: ClusterView | undefined,
  now: number | undefined,
): Promise<VolumeSnapshot> {
  const list = (directory: string): Promise<Names> => listings.list(directory, isStateName);
  const { roster, paused } = view ?? (await readCluster(files, layout));
  // Claims first: a claim is released only after its successor is published, so a session that does not
  // see the claim sees the successor in the listing that follows.
  const claimed = new Set(
    (await listOrNone(files, layout.flags('in_progress'))).filter(isStateName),
  );
  const open = await openStates.open(arrived, claimed);
  const taken = new Set(claimed);
  const failed = await list(layout.flags('failed'));
  for (const name of failed) taken.add(name);
  const waiting = new Set(await list(layout.flags('waiting')));
  const inbox = await eventIndex.sort(await listings.list(layout.events), now);
  const attempted = new Set(await list(layout.internal('attempts')));
  const [indices, places] = [new Uint32Array(open.size), new Uint32Array(open.size)];
  let available = 0;
  const woken = new Set<string>();
  const refused = new Map<string, readonly string[]>();
  // An entry is removed when its open state is found.
  const [overdue, orphans] = [new Set(waiting), new Set(inbox.due.keys())];
  // Files with a reported problem wait for a user, and do not count as pending.
  const pending = inbox.dropped.filter((name) => !inbox.problems.has(problemName(name)));
  let delayed = inbox.later + pending.length;
  for (let index = 0; index < open.size; index += 1) {
    const name = open.at(index);
    const { instance } = parseStateName(name)!;
    overdue.delete(name);
    orphans.delete(instance);
    if (taken.has(name)) continue;
    if (waiting.has(name) && !inbox.due.has(instance)) continue;
    if (attempted.has(name)) {
      const tried = await readTried(files, layout, name);
      if (
        !retryDelays.isOver(name, tried, now) &&
        !(await isRewritten(files, layout, name, tried))
      ) {
        delayed += 1;
        continue;
      }
      if (tried.refusedBy.length > 0) refused.set(name, tried.refusedBy);
    }
    if (waiting.has(name)) woken.add(name);
    indices[available] = index;
    places[available] = hash(instance);
    available += 1;
  }
  retryDelays.keep(attempted);
  return {
    tasks: Ring.from(open.select(indices.subarray(0, available)), places, refused),
    woken,
    roster,
    inProgress: claimed.size,
    delayed: delayed + orphans.size,
    paused,
    attempted,
    failed,
    waiting,
    overdue: [...overdue],
    inbox,
    orphans: [...orphans],
  };
}

/** Reads sensor instances: all workers decide on the same snapshot. */
export class Sensors {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #instances: readonly string[];
  readonly #seen = new Map<string, { readonly step: number; readonly file: StateFile }>();

  /** `instances`: the sensors of all machines. */
  constructor(files: Files, layout: Layout, instances: readonly string[]) {
    this.#files = files;
    this.#layout = layout;
    this.#instances = instances;
  }

  async look(): Promise<void> {
    for (const instance of this.#instances) {
      const before = this.#seen.get(instance)?.step;
      const last = await lastState(this.#files, this.#layout, instance, before);
      if (last === undefined || last.step === before) continue;
      const path = await findState(this.#files, this.#layout, last.name);
      // The session that claims this state handles the error.
      const bytes = await this.#files.read(path).catch(() => undefined);
      if (bytes === undefined) continue;
      const parsed = parseStateFile(await wholeOf(this.#files, this.#layout, last.name, bytes));
      if (!parsed.ok) continue;
      this.#seen.set(instance, { step: last.step, file: parsed.file });
    }
  }

  /** Throws for an instance that no machine names as a sensor. */
  read(instance: string): StateFile | undefined {
    if (this.#instances.includes(instance)) return this.#seen.get(instance)?.file;
    throw new Error(`cannot read instance ${instance}: add it to the machine's sensors`);
  }
}
