/**
 * The operations of one session on a volume, each in the phase that allows it. A session is one start of one worker. The
 * cycle loop and the local queue use this interface only; `directory-operations.ts` implements it.
 */
import type { PendingEvent } from '../machine/event-batch.ts';
import type { PastStep } from '../machine/definition.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import type { StateFile } from '../machine/state-file.ts';
import type { RosterEntry } from './phases/assignment.ts';
import type { Ring } from './phases/ring.ts';
import type { Interval, PhaseLengths } from './phases/cycle.ts';
import type { Configurations, JournalEntry } from '../engine/engine.ts';
import type { KnownMachines } from '../engine/session.ts';
import type { Token } from './token.ts';

export type { ConfigurationName, JournalEntry } from '../engine/engine.ts';
export type { Token } from './token.ts';

/** Read in every cycle: the available workers, and whether they are to go on. */
export interface ClusterView {
  readonly roster: readonly RosterEntry[];
  /** A user has asked all workers to pause. */
  readonly paused: boolean;
}

/** What all workers read in Worker Assignment. */
export interface Snapshot extends ClusterView {
  /** States that may be claimed: neither in progress, nor done, nor failed, nor waiting, nor backing off. */
  readonly tasks: Ring;
  /** Tasks that wait for events, some of which are due: perhaps none of them can be applied yet. */
  readonly woken: ReadonlySet<string>;
  /** Claims of all sessions. */
  readonly inProgress: number;
  /** States whose next attempt or `notBefore` is in the future, and events that are not due or have no open state. */
  readonly delayed: number;
}

/** Result of reading a claimed state file. */
export type StateRead =
  /** `attempts`: those that failed or were lost before. `refusedBy`: sessions that do not know its machine, or its state. */
  | {
      readonly kind: 'text';
      readonly bytes: Uint8Array;
      readonly attempts: readonly Attempt[];
      readonly refusedBy?: readonly string[];
      /** Identifies this version of the file: differs after the file is written again. */
      readonly written?: string;
    }
  /** It can never be run. */
  | { readonly kind: 'bad'; readonly code: string; readonly reason: string }
  /** It is missing, or may not be read: try again later, it may still be copied. */
  | { readonly kind: 'unreadable'; readonly code: string; readonly reason: string }
  /** It was rewritten from its parent's record after a power cut: release it. */
  | { readonly kind: 'repaired' };

/** Outcome of a state that this session has claimed. */
export type VolumeOutcome =
  /**
   * `record: undefined`: commit without writing a record. `rests`: the successor waits for an event. `cycle`: the decision
   * read other instances in this cycle and may only be committed in it (I11).
   */
  | {
      readonly kind: 'commit';
      readonly record: CommitRecord | undefined;
      readonly rests?: boolean;
      readonly cycle?: number;
    }
  | { readonly kind: 'fail'; readonly record: FailureRecord }
  | { readonly kind: 'retry'; readonly attempt: Attempt }
  | { readonly kind: 'refuse'; readonly reason: string }
  /** `written`: of the file that has this `notBefore`. */
  | { readonly kind: 'defer'; readonly notBefore: string; readonly written?: string }
  /** The state waits for an event. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'release' };

/** The settlement of one claimed state. After an error the next call continues from `progress`. */
export interface VolumeSettlement {
  readonly name: string;
  readonly change: VolumeOutcome;
  progress: 'new' | 'staged' | 'committed' | 'published' | 'settled';
  /** The staged file with its record, while that is needed. */
  staged: string | undefined;
  /** Events of its record, from the first one on, that are assigned to it: a phase may end on the way through them. */
  assigned: number;
  /** Its `done/` flag may have been set, whatever the reply was. */
  tried: boolean;
  /** Events of its record, from the first one on, that are removed. */
  retired: number;
  /** Another session has committed this state, or it was released unchanged: this step does not count. */
  lost: boolean;
  /** The successor is published and claimed by this session. */
  followed: boolean;
  /** The error of the last call. */
  error: unknown;
}

/** I4: asked before each change. A publication may still finish in the buffer after the phase. */
export interface PhaseGuard {
  readonly canBegin: () => boolean;
  readonly canFinish: () => boolean;
  /** True after a bug of this session: it changes nothing any more, not even files that no other session looks at. */
  readonly hasCrashed?: () => boolean;
  /** Cycles since the epoch. */
  readonly cycle?: number;
  /** Claim each successor before it is published. */
  readonly follow: boolean;
}

export interface Recovering {
  /** Claims of this session that are not held are dropped too: a network may repeat a link after the claim was released. */
  readonly isHeld?: (name: string) => boolean;
  /** Recover all dead sessions' work, not only this session's share. Set when idle, in case the owner of a share is itself dead. */
  readonly all?: boolean;
}

export interface Recovery {
  /** Sessions found dead just now. */
  readonly broken: readonly string[];
  /** Number of claims of all sessions when they were last listed, at least four times per lease. */
  readonly claims: number;
  /** States whose claim was dropped. */
  readonly dropped: readonly string[];
  /** States whose commit was finished for a dead session. */
  readonly finished: readonly string[];
  /** Dead sessions that this call recovered anything of. */
  readonly of: readonly string[];
  /** States claimed by another program: their flags name no session, and are never removed. */
  readonly foreign: readonly string[];
  /** Entries that could not be handled, with their error codes; each is reported once. */
  readonly passedOver: readonly string[];
}

export interface HeldClaim {
  readonly state: string;
  readonly machine: string | undefined;
  readonly stage: 'claimed' | 'ready' | 'running' | 'finished';
  /** When it was claimed: ISO 8601, volume time. */
  readonly since: string;
  readonly attempt: number;
}

/**
 * The figures that were compared, whole ms: the width of the interval of the volume's time with a buffer, or how far the wall clock
 * has moved against the monotonic one with what a sample may be off. None before the first sample.
 */
export interface TimeDoubt {
  readonly uncertainty?: number;
  readonly buffer?: number;
  readonly clockStep?: number;
  readonly maxClockStep?: number;
}

/** What came of claiming many names. */
export interface Claims {
  readonly ours: readonly string[];
  /** The claim may stand: claimed and found settled, or its link met an error. To be claimed again, one by one. */
  readonly unsure: readonly string[];
  /** Not tried: to be claimed one by one. */
  readonly others: readonly string[];
}

export interface VolumeOperations {
  readonly token: Token;
  readonly phases: PhaseLengths;
  /** Milliseconds. */
  readonly lease: number;
  /** The volume's time; undefined while it is too uncertain to act on. */
  time(): Interval | undefined;
  /** Why `time` returned undefined. */
  timeDoubt(): TimeDoubt;
  /** Best estimate of the volume's time, ISO 8601: for records, logs and pauses. */
  stamp(): string;
  /**
   * `broken`: another session has expired this session's lease. Throws `volume-gone` if the directory is no longer the volume
   * that was opened.
   */
  check(): Promise<'alive' | 'broken'>;
  /** Stops the heartbeat at this time (monotonic, ms): a tick that hangs must not hold its states for ever. */
  setDeadline(monotonic: number): void;
  /** A live session of the same worker name that started earlier. */
  rival(): Promise<Token | undefined>;
  /** Sets the flag in `workers/`. False while a dead session's flag is still there, or if it is too late. */
  register(guard: PhaseGuard): Promise<boolean>;
  /** False if it is too late in the phase. */
  withdraw(guard: PhaseGuard): Promise<boolean>;
  readRoster(): Promise<ClusterView>;
  /**
   * `arrived`: names that the volume has reported since the last snapshot; without it, everything that has changed is listed.
   * `view`: read in this cycle already. Events and delays are due by the start of the cycle, so all snapshots of one cycle
   * agree on them.
   */
  snapshot(arrived?: ReadonlySet<string>, view?: ClusterView): Promise<Snapshot>;
  /** Number of staged records of other sessions whose commit may still have to be finished. */
  countUnfinishedCommits(): Promise<number>;
  /**
   * `finished`: the state was committed before; the claim is dropped again. `late`: it was committed, but the phase has ended,
   * and the claim must be dropped later. `delayed`: its next attempt is in the future.
   */
  claim(
    name: string,
    guard: PhaseGuard,
  ): Promise<'ours' | 'taken' | 'finished' | 'late' | 'delayed'>;
  /** Claims the names that `next` gives, up to `limit` of them. */
  claimMany(next: () => string | undefined, limit: number, guard: PhaseGuard): Promise<Claims>;
  readState(name: string): Promise<StateRead>;
  /** Reads claimed states; calls `onRead` with the content of each that has nothing unusual, and was never tried. */
  readMany(
    names: readonly string[],
    onRead: (name: string, bytes: Uint8Array) => void,
  ): Promise<void>;
  /** The last state file of an instance in Worker Assignment. Throws if no machine names the instance as a sensor. */
  sensor(instance: string): StateFile | undefined;
  /** The steps of its instance, up to this state file. */
  history(name: string): Promise<readonly PastStep[]>;
  /** Events for a state that this session has claimed: as of the last snapshot, in order. */
  events(name: string): Promise<readonly PendingEvent[]>;
  /** Configurations stored on the volume. */
  readonly configurations: Pick<Configurations, 'get' | 'list'>;
  /** Tokens of all sessions that may be alive, this one included. */
  sessions(): Promise<readonly Token[]>;
  /** Replaces the machines of this session, as other sessions see them in `sessions()`. */
  announce(known: KnownMachines): Promise<void>;
  settle(steps: readonly VolumeSettlement[], guard: PhaseGuard): Promise<void>;
  /** Breaks the leases of dead sessions, drops their claims, finishes their commits. */
  recover(cycle: number, guard: PhaseGuard, how?: Recovering): Promise<Recovery>;
  /**
   * In Update System: makes failed states available again that failed because of their file, if the file has changed or may
   * run by now (`runs`). Checks some of them in each call. Returns their names.
   */
  bringBack(
    cycle: number,
    guard: PhaseGuard,
    runs: (file: StateFile) => Promise<boolean>,
  ): Promise<readonly string[]>;
  /**
   * In Update System, until `isBusy`: moves states that were done long ago to the archive, a bounded number in each call.
   * Returns the number of moves.
   */
  archive(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<number>;
  journal(entries: readonly JournalEntry[]): Promise<void>;
  /** Publishes what this session holds, for status commands: claims are links to one file, and have no time of their own. */
  reportClaims(held: readonly HeldClaim[]): Promise<void>;
  /** Removes the files and flags of this session. */
  leave(): Promise<void>;
  /** Stops the heartbeat, and changes nothing on the volume: the lease expires, and other sessions recover this one. */
  halt(): Promise<void>;
}

export type OpenOperations = () => Promise<VolumeOperations>;
