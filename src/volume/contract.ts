/**
 * What a worker knows of the volume: this file and nothing else of this folder. A session is one start
 * of one worker; everything it does to the volume goes through here, in the phase that allows it.
 */
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import type { RosterEntry } from '../semaphore/assignment.ts';
import type { Ring } from '../semaphore/ring.ts';
import type { Interval, PhaseLengths } from '../semaphore/cycle.ts';
import type { Token } from './token.ts';

export type { Token } from './token.ts';

/** Who is there, and whether to go on: what has to be read in every cycle. */
export interface Glance {
  readonly roster: readonly RosterEntry[];
  /** A user has asked everybody to hold. */
  readonly paused: boolean;
}

/** What everybody reads in Worker Assignment. */
export interface Snapshot extends Glance {
  /** What may be claimed now: neither in progress, nor done, nor failed, nor waiting, nor backing off. */
  readonly tasks: Ring;
  /** Claims of everybody. */
  readonly inProgress: number;
  /** States whose next attempt, or own `notBefore`, is still to come. */
  readonly delayed: number;
}

/** What a claimed state file turned out to be. */
export type Intake =
  /** `attempts`: those that failed or were lost before. */
  | { readonly kind: 'text'; readonly bytes: Uint8Array; readonly attempts: readonly Attempt[] }
  /** It cannot be run, now or ever. */
  | { readonly kind: 'bad'; readonly code: string; readonly reason: string }
  /** It is not there, or may not be read: look again later, it may be on its way. */
  | { readonly kind: 'unreadable'; readonly code: string; readonly reason: string }
  /** Rewritten from its parent's record after a power cut: give it back. */
  | { readonly kind: 'mended' };

/** What is to become of a state that this session has claimed. */
export type Change =
  /** Without a record the step leaves nothing behind. */
  | { readonly kind: 'commit'; readonly record: CommitRecord | undefined }
  | { readonly kind: 'fail'; readonly record: FailureRecord }
  | { readonly kind: 'retry'; readonly attempt: Attempt }
  | { readonly kind: 'refuse'; readonly reason: string }
  | { readonly kind: 'defer'; readonly notBefore: string }
  | { readonly kind: 'release' };

/** A change on its way. A step that meets an error stays where it is, and goes on from there next time. */
export interface Step {
  readonly name: string;
  readonly change: Change;
  progress: 'new' | 'staged' | 'committed' | 'published' | 'settled';
  /** The file that holds its record, as long as it has to be there. */
  staged: string | undefined;
  /** Somebody else had committed this state: ours counts for nothing. */
  lost: boolean;
  /** The successor is published and claimed by this session. */
  followed: boolean;
  /** Why it is not settled yet. */
  error: unknown;
}

/** I4: asked before each change. Publishing may still land in the buffer after the phase. */
export interface Window {
  readonly mayStart: () => boolean;
  readonly mayLand: () => boolean;
  /** Claim the successor of what is committed, then publish it. */
  readonly follow: boolean;
}

export interface Recovery {
  /** Sessions found dead just now. */
  readonly broken: readonly string[];
  /** States whose claim was dropped. */
  readonly dropped: readonly string[];
  /** States whose commit was finished for a dead session. */
  readonly finished: readonly string[];
}

export interface Held {
  readonly state: string;
  readonly machine: string | undefined;
  readonly stage: 'claimed' | 'ready' | 'running' | 'finished';
  /** ISO 8601, volume time: of the claim. */
  readonly since: string;
  readonly attempt: number;
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
  readonly attempt: number;
  /** `lost`: ticked, but somebody else's commit counts. */
  readonly result: 'done' | 'failed' | 'retry' | 'lost' | 'released';
}

export interface Session {
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
  register(window: Window): Promise<boolean>;
  /** False if it is too late for that. */
  withdraw(window: Window): Promise<boolean>;
  glance(): Promise<Glance>;
  /**
   * `arrived`: names that the volume has told of since the last snapshot; without it, everything that has
   * changed is listed. `glance`: one just taken, not to be taken again.
   */
  snapshot(arrived?: ReadonlySet<string>, glance?: Glance): Promise<Snapshot>;
  /** Staged records of other sessions whose commit may still have to be finished. */
  owed(): Promise<number>;
  /**
   * `finished`: it had been committed before; the claim is dropped again. `late`: it had been, but the
   * claim still stands, and has to be dropped in another window. `delayed`: its next attempt is to come.
   */
  claim(name: string, window: Window): Promise<'ours' | 'taken' | 'finished' | 'late' | 'delayed'>;
  intake(name: string): Promise<Intake>;
  /** Tokens of all sessions there are, this one included. */
  sessions(): Promise<readonly Token[]>;
  settle(steps: readonly Step[], window: Window): Promise<void>;
  /**
   * Breaks the leases of the dead, drops their claims, finishes what they owed. Claims of this session
   * that are not `held` are dropped too: a network may repeat a link after the claim was released.
   */
  recover(cycle: number, window: Window, isHeld?: (name: string) => boolean): Promise<Recovery>;
  /**
   * In Update System, until `isBusy`: moves what was done long ago to the archive, a bounded part of it.
   * Returns how many states.
   */
  archive(cycle: number, window: Window, isBusy: () => boolean): Promise<number>;
  journal(entries: readonly JournalEntry[]): Promise<void>;
  /** Says what this session holds, for people: claims are links to one file, and have no time of their own. */
  reportHeld(held: readonly Held[]): Promise<void>;
  /** Takes down everything this session has set up. */
  leave(): Promise<void>;
}

export type OpenSession = () => Promise<Session>;
