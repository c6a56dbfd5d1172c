/**
 * What the cycle loop and the local queue do to a volume: each operation in the phase that allows it. Implemented by
 * `directory-operations.ts`; tests and the simulator wrap it.
 */
import type { PendingEvent } from '../machine/event-batch.ts';
import type { PastStep } from '../machine/definition.ts';
import type { EventOutcome } from '../machine/event.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import type { StateFile } from '../machine/state-file.ts';
import type { RosterEntry } from './phases/assignment.ts';
import type { Ring } from './phases/ring.ts';
import type { Interval, PhaseLengths } from './phases/cycle.ts';
import type { Configurations } from '../engine/engine.ts';
import type { KnownMachines } from '../engine/session.ts';
import type { Token } from './token.ts';

export type { ConfigurationName } from '../engine/engine.ts';
export type { Token } from './token.ts';

/** Who is there, and whether to go on: what has to be read in every cycle. */
export interface ClusterView {
  readonly roster: readonly RosterEntry[];
  /** A user has asked everybody to hold. */
  readonly paused: boolean;
}

/** What everybody reads in Worker Assignment. */
export interface Snapshot extends ClusterView {
  /** What may be claimed now: neither in progress, nor done, nor failed, nor waiting, nor backing off. */
  readonly tasks: Ring;
  /** Claims of everybody. */
  readonly inProgress: number;
  /** States whose next attempt, or own `notBefore`, is still to come, and events for which that holds. */
  readonly delayed: number;
}

/** What a claimed state file turned out to be. */
export type StateRead =
  /** `attempts`: those that failed or were lost before. `refusedBy`: sessions that do not know its machine, or its state. */
  | {
      readonly kind: 'text';
      readonly bytes: Uint8Array;
      readonly attempts: readonly Attempt[];
      readonly refusedBy?: readonly string[];
      /** Another one, another time: the file has been written since. */
      readonly written?: string;
    }
  /** It cannot be run, now or ever. */
  | { readonly kind: 'bad'; readonly code: string; readonly reason: string }
  /** It is not there, or may not be read: look again later, it may be on its way. */
  | { readonly kind: 'unreadable'; readonly code: string; readonly reason: string }
  /** Rewritten from its parent's record after a power cut: give it back. */
  | { readonly kind: 'repaired' };

/** What is to become of a state that this session has claimed. */
export type VolumeOutcome =
  /**
   * Without a record the step leaves nothing behind. `rests`: nothing runs where it leads to, until an event comes. `cycle`: what it was decided by is of that cycle,
   * and so it may be committed only then.
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
  /** `written`: of the file that says so. */
  | { readonly kind: 'defer'; readonly notBefore: string; readonly written?: string }
  /** Nothing runs there until an event comes. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'release' };

/** A change on its way. A step that meets an error stays where it is, and goes on from there next time. */
export interface Step {
  readonly name: string;
  readonly change: VolumeOutcome;
  progress: 'new' | 'staged' | 'committed' | 'published' | 'settled';
  /** The file that holds its record, as long as it has to be there. */
  staged: string | undefined;
  /** Its flag may have been set, whatever the reply was. */
  tried: boolean;
  /** Somebody else had committed this state, or it is given back as it was: ours counts for nothing. */
  lost: boolean;
  /** The successor is published and claimed by this session. */
  followed: boolean;
  /** Why it is not settled yet. */
  error: unknown;
}

/** I4: asked before each change. Publishing may still land in the buffer after the phase. */
export interface PhaseGuard {
  readonly canBegin: () => boolean;
  readonly canFinish: () => boolean;
  /** Cycles since the epoch. */
  readonly cycle?: number;
  /** Claim the successor of what is committed, then publish it. */
  readonly follow: boolean;
}

export interface Recovering {
  /** This session's claims that are not `held` are dropped too: a network may repeat a link after the claim was released. */
  readonly isHeld?: (name: string) => boolean;
  /** Of what the dead have left, not this session's part only: who has nothing else to do does what others may not come to. */
  readonly all?: boolean;
}

export interface Recovery {
  /** Sessions found dead just now. */
  readonly broken: readonly string[];
  /** States whose claim was dropped. */
  readonly dropped: readonly string[];
  /** States whose commit was finished for a dead session. */
  readonly finished: readonly string[];
  /** Sessions that any of it was done for. */
  readonly of: readonly string[];
  /** States that another program has claimed: their flags hold no session, and are never broken. */
  readonly foreign: readonly string[];
  /** What could not be dealt with, and why, told once: nothing else waits for it. */
  readonly passedOver: readonly string[];
}

export interface HeldClaim {
  readonly state: string;
  readonly machine: string | undefined;
  readonly stage: 'claimed' | 'ready' | 'running' | 'finished';
  /** ISO 8601, volume time: of the claim. */
  readonly since: string;
  readonly attempt: number;
}

/** What an event did, for people: the record of the step has all of it. */
export interface JournalEvent {
  readonly event: string;
  readonly outcome: EventOutcome;
  readonly from: string;
  /** Undefined where it was refused. */
  readonly to?: string;
}

export interface JournalEntry {
  /** ISO 8601, volume time. */
  readonly started: string;
  /** Milliseconds. */
  readonly duration: number;
  readonly state: string;
  readonly machine: string;
  readonly worker: string;
  readonly session: string;
  /** 0 for a step that events or timers decided, without a tick. */
  readonly attempt: number;
  /** Of such a step: the first events that were applied, none where it only set timers. */
  readonly events?: readonly JournalEvent[];
  /** `lost`: ticked, but somebody else's commit counts. */
  readonly result: 'done' | 'failed' | 'retry' | 'lost' | 'released';
}

export interface VolumeOperations {
  readonly token: Token;
  readonly phases: PhaseLengths;
  /** Milliseconds. */
  readonly lease: number;
  /** The volume's time, or undefined while it is too uncertain to act on. */
  time(): Interval | undefined;
  /** How uncertain it is, ms. */
  uncertainty(): number;
  /** The volume's time as far as it was ever known, ISO 8601: for people, and for pauses. */
  stamp(): string;
  /**
   * Is this volume still the one that was opened, and this session still alive to the others? Throws
   * `volume-gone`.
   */
  check(): Promise<'alive' | 'broken'>;
  /** Without a beat from then on (monotonic, ms): a tick that hangs must not hold its states for ever. */
  setDeadline(monotonic: number): void;
  /** An earlier session under this worker's name that is alive. */
  rival(): Promise<Token | undefined>;
  /** Sets the flag in `workers/`. False while a dead session's flag is still there, or if it is too late. */
  register(guard: PhaseGuard): Promise<boolean>;
  /** False if it is too late for that. */
  withdraw(guard: PhaseGuard): Promise<boolean>;
  readRoster(): Promise<ClusterView>;
  /**
   * `arrived`: names that the volume has told of since the last snapshot; without it, everything that has
   * changed is listed. `glance`: one just taken, not to be taken again. What is due is due as this cycle began: whoever
   * takes one in the same cycle finds the same to be due.
   */
  snapshot(arrived?: ReadonlySet<string>, glance?: ClusterView): Promise<Snapshot>;
  /** Staged records of other sessions whose commit may still have to be finished. */
  countUnfinishedCommits(): Promise<number>;
  /**
   * `finished`: it had been committed before; the claim is dropped again. `late`: it had been, but the
   * claim still stands, and has to be dropped in another guard. `delayed`: its next attempt is to come.
   */
  claim(
    name: string,
    guard: PhaseGuard,
  ): Promise<'ours' | 'taken' | 'finished' | 'late' | 'delayed'>;
  readState(name: string): Promise<StateRead>;
  /** The last state file that an instance had in Worker Assignment; throws for one that no machine looks at. */
  sensor(instance: string): StateFile | undefined;
  /** The steps of its instance, up to this state file. */
  history(name: string): Promise<readonly PastStep[]>;
  /** Events that wait for a state that this session has claimed: as of the last snapshot, in order. */
  events(name: string): Promise<readonly PendingEvent[]>;
  /** Those that are kept where it works: what runs its machines looks there too. */
  readonly configurations: Pick<Configurations, 'get' | 'list'>;
  /** Tokens of all sessions that may be alive, this one included. */
  sessions(): Promise<readonly Token[]>;
  /** From now on this session has these machines, and no others: others see that in `sessions()`. */
  announce(known: KnownMachines): Promise<void>;
  settle(steps: readonly Step[], guard: PhaseGuard): Promise<void>;
  /** Breaks the leases of the dead, drops their claims, finishes what they owed. */
  recover(cycle: number, guard: PhaseGuard, how?: Recovering): Promise<Recovery>;
  /**
   * In Update System: makes failed states available again that have failed for what their file said, and whose file has
   * another content by now, or may run by now (`runs`): some of them in each call. Returns their names.
   */
  bringBack(
    cycle: number,
    guard: PhaseGuard,
    runs: (file: StateFile) => Promise<boolean>,
  ): Promise<readonly string[]>;
  /**
   * In Update System, until `isBusy`: moves what was done long ago to the archive, a bounded part of it.
   * Returns how many states.
   */
  archive(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<number>;
  journal(entries: readonly JournalEntry[]): Promise<void>;
  /** Says what this session holds, for people: claims are links to one file, and have no time of their own. */
  reportClaims(held: readonly HeldClaim[]): Promise<void>;
  /** Takes down everything this session has set up. */
  leave(): Promise<void>;
}

export type OpenOperations = () => Promise<VolumeOperations>;
