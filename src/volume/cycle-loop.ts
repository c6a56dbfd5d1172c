/**
 * One session's loop on a volume. The clock says which phase it is; in each one the session does what the phase is for, once,
 * and otherwise sleeps. Ticks run through all phases.
 *
 *   Worker Assignment   read the snapshot, compute the split, write nothing
 *   Worker Commitment   claim, read, hand out; take the flag down when there is no more room
 *   Update System       settle what finished, follow chains, register, recover expired sessions
 *
 *   working ──▶ ending      `close`, or an error that a user must see: claims nothing, hands out nothing
 *   ending  ──▶ finished    all is settled or given back and the flag is down; or the volume has refused that for too long
 *   any     ──▶ crashed     an assertion has failed: nothing on the volume is changed any more, not even to give back
 *
 * A session whose lease has expired is followed by a new one of the same worker, in the same loop.
 */
import type { Clock, Log } from '../engine/ports.ts';
import type { WorkerInfo } from '../engine/session.ts';
import { UserError } from '../machine/errors.ts';
import { bugOf, throwBug, type InvariantError } from '../machine/invariant.ts';
import { ClaimGate } from './claim-gate.ts';
import { Wakeup } from '../engine/waits.ts';
import { FileHints } from './listings.ts';
import { ForeignFlagLog, logExpired, logRecovery } from './log-recovery.ts';
import { LocalQueue } from './local-queue.ts';
import type { OpenOperations, PhaseGuard, Snapshot, VolumeOperations } from './operations.ts';
import { ClaimPlan } from './phases/claim-plan.ts';
import {
  cycleLength,
  guardFor,
  nextTurn,
  untilNextLook,
  type Interval,
  type PhaseTurn,
} from './phases/cycle.ts';
import { KnownFleet, Stillness, type GatheringOptions } from './phases/fleet.ts';
import { Registration } from './registration.ts';

/**
 * Calls `hint` when something may have changed, with the state file's name where it is known: a wake-up, never the truth.
 * Resolves to a way to stop.
 */
export type Watch = (hint: (name?: string) => void) => Promise<() => Promise<void>>;

export interface LoopPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly openOperations: OpenOperations;
  /** Undefined: an idle session lists once a cycle. */
  readonly watch: Watch | undefined;
}

export interface LoopOptions {
  readonly assign: 'slices' | 'zip';
  /** Claim the successor of what is committed. */
  readonly follow: boolean;
  /** Listings show what was done a moment ago: not so on most network file systems. */
  readonly freshListings: boolean;
  /** In Update System, claim what arrives in this session's own slice: no other session does. */
  readonly eager: boolean;
  /** Which other workers the first claim waits for. */
  readonly gathering: GatheringOptions;
}

/** How often in a lease an idle session still looks for expired ones. */
const IDLE_LOOKS_PER_LEASE = 2;
/** Beyond the drain: on a busy host it takes a while to abort, kill and release. */
const MIN_RELEASE_MS = 5000;
/** So far into what is left of Update System. */
const LOOK_LATE = 0.75;

function openIn({ tasks, inProgress, delayed }: Snapshot): number {
  return tasks.size + inProgress + delayed;
}

export class CycleLoop {
  readonly #ports: LoopPorts;
  readonly #worker: WorkerInfo;
  readonly #options: LoopOptions;
  readonly queue: LocalQueue;
  readonly #wakeup: Wakeup;
  #operations!: VolumeOperations;
  /** It has expired, and that was logged: the volume may refuse a new one for a while. */
  #expired: VolumeOperations | undefined;
  #announced: ReturnType<WorkerInfo['machines']> | undefined;
  #turn: PhaseTurn | undefined;
  #plan!: ClaimPlan;
  #fleet!: KnownFleet;
  #gate: ClaimGate | undefined;
  /** Nothing is claimed: see `ClaimGate`. */
  #paused = false;
  /** Nothing to do until something changes. */
  #idle = false;
  /** A user has paused the volume, and this session holds nothing. */
  #halted = false;
  /** Claims of all sessions, as of the last Update System. */
  #claims = 0;
  #stillness!: Stillness;
  readonly #foreign: ForeignFlagLog;
  #isEnding = false;
  /** The flag is down and nothing is held. */
  #finished = false;
  #problem: unknown;
  #bug: InvariantError | undefined;
  /** Monotonic, ms: a session that ends aborts its ticks by then. */
  #deadline = Number.POSITIVE_INFINITY;
  #isWatching = false;
  /** See `#update`. */
  #hinted = false;
  /** See `#update`. */
  #again = false;
  #uncertain = false;
  #registration!: Registration;
  #hints = new FileHints();

  constructor(ports: LoopPorts, worker: WorkerInfo, options: LoopOptions) {
    this.#ports = ports;
    this.#worker = worker;
    this.#options = options;
    this.#wakeup = new Wakeup(ports.clock);
    this.#foreign = new ForeignFlagLog(ports.log);
    this.queue = new LocalQueue(ports, worker, options, () => this.#wakeup.signal());
  }

  /** Opens the first session. Throws a `UserError` for what a user must change on the volume. */
  async open(): Promise<void> {
    await this.#begin();
  }

  /** The present session's. */
  get operations(): VolumeOperations {
    return this.#operations;
  }

  /** After `open`: until `end`, or an error that a user must see, which it throws when all is settled or given back. */
  async run(): Promise<void> {
    let unwatch: (() => Promise<void>) | undefined;
    try {
      unwatch = await this.#watch();
      while (!this.#finished && this.#bug === undefined) await this.#step();
    } catch (error) {
      if (this.crash(error) === undefined) throw error;
    } finally {
      this.queue.abandon();
      await this.#release('watching no more', unwatch);
      await this.#release('leaving', () =>
        this.#bug === undefined ? this.#operations.leave() : this.#operations.halt(),
      );
    }
    if (this.#bug !== undefined) throw this.#bug;
    if (this.#problem !== undefined) throw this.#problem;
  }

  /** File events only save time: where they cannot be had, the session lists once a cycle. */
  async #watch(): Promise<(() => Promise<void>) | undefined> {
    try {
      const unwatch = await this.#ports.watch?.((name) => this.#hint(name));
      this.#isWatching = unwatch !== undefined;
      return unwatch;
    } catch (error) {
      throwBug(error);
      this.#complain(error, 'beginning to watch');
      return undefined;
    }
  }

  /** An error in one must not keep the loop from the next. */
  async #release(what: string, act: (() => Promise<void>) | undefined): Promise<void> {
    try {
      await act?.();
    } catch (error) {
      if (this.crash(error) === undefined) this.#complain(error, what);
    }
  }

  /** The failed assertion that has ended this session. */
  get bug(): InvariantError | undefined {
    return this.#bug;
  }

  /**
   * Ends the session at once if the error is a bug, which it returns. Operations that are under way find that they may neither
   * begin nor finish anything: see `#act`.
   */
  crash(error: unknown): InvariantError | undefined {
    const bug = bugOf(error);
    if (bug === undefined || this.#bug !== undefined) return bug;
    this.#bug = bug;
    this.queue.abandon();
    this.queue.fail(bug);
    this.#wakeup.signal();
    return bug;
  }

  async #begin(): Promise<void> {
    this.#announced = this.#worker.machines();
    this.#operations = await this.#ports.openOperations();
    this.queue.operations = this.#operations;
    const { token, lease } = this.#operations;
    const onSilent = (flag: string): void => this.#foreign.leftOut(flag);
    this.#plan = new ClaimPlan(token.session, lease, this.#options.assign, onSilent);
    this.#stillness = new Stillness(lease);
    this.#fleet = new KnownFleet(token.session, lease);
    // Once: a new session of a worker that was at work already does not wait again.
    const cycle = cycleLength(this.#operations.phases);
    this.#gate ??= new ClaimGate(this.#options.gathering, cycle, this.#ports.log);
    this.#registration = new Registration(this.#operations, this.#ports.log);
    const { session, worker } = token;
    this.#ports.log.info({ session, worker }, 'waiting for Update System to register');
  }

  async #step(): Promise<void> {
    const { log } = this.#ports;
    if (this.#isOverdue()) return void (this.#finished = true);
    const now = this.#operations.time();
    if (now === undefined) {
      if (!this.#uncertain) {
        const doubt = this.#operations.timeDoubt();
        log.warn({ ...doubt }, 'volume time too uncertain to act; still measuring');
      }
      this.#uncertain = true;
      await this.#guard('measuring', () => this.#isOurs());
      return this.#sleep(this.#operations.lease / 10);
    }
    this.#uncertain = false;
    const wait = nextTurn(this.#operations.phases, now, this.#again ? undefined : this.#turn);
    if (wait.kind === 'turn') {
      this.#turn = wait.turn;
      this.#again = false;
      await this.#act(wait.turn);
    } else if (this.#mayNap()) {
      const { phases, lease, token } = this.#operations;
      const ms = untilNextLook(phases, now, lease / IDLE_LOOKS_PER_LEASE, token.session);
      await this.#sleep(ms, () => this.#hinted);
      [this.#idle, this.#halted] = [false, false];
    } else if (this.queue.hasUnread) {
      // Reading changes nothing, so any phase will do: what Update System had no time for is read now.
      await this.queue.examine(false);
      this.queue.handOut();
    } else {
      this.#again = false;
      await this.#sleep(wait.ms, () => this.#again);
    }
  }

  /** Only after Update System: it has registered by then, and recovered dead sessions. */
  #mayNap(): boolean {
    const afterUpdate = this.#turn?.phase === 'update';
    return this.#isResting && afterUpdate && !this.#hinted && this.#isWatching;
  }

  /** While the volume is paused, claims that may be a dead session's are still to be recovered in time. */
  get #isResting(): boolean {
    return this.#idle || (this.#halted && this.#claims === 0);
  }

  /** The volume does not let us settle: the others will take what we hold when our lease runs out. */
  #isOverdue(): boolean {
    const grace = Math.max(MIN_RELEASE_MS, 2 * cycleLength(this.#operations.phases));
    return this.#ports.clock.monotonic() > this.#deadline + grace;
  }

  async #act(turn: PhaseTurn): Promise<void> {
    const { phases } = this.#operations;
    this.queue.when.cycle = turn.cycle;
    const follow = this.#options.follow && !this.#paused && !this.#isEnding;
    const time = (): Interval | undefined =>
      this.#bug === undefined ? this.#operations.time() : undefined;
    const hasCrashed = (): boolean => this.#bug !== undefined;
    const guard = { ...guardFor(phases, turn, time, follow), hasCrashed };
    await this.#guard(turn.phase, async () => {
      if (!(await this.#isOurs())) return;
      if (turn.phase === 'assignment') await this.#assign(turn);
      else if (turn.phase === 'commitment') await this.#commit(turn, guard);
      else await this.#update(turn, guard);
    });
  }

  /** Errors of the volume pass, or they come again: nothing is lost by trying the next cycle. */
  async #guard(where: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (error instanceof UserError) this.#fail(error);
      else if (this.crash(error) === undefined) this.#complain(error, where);
    }
  }

  /** Is the volume still there, and are we alive to the others? If not, a new session begins. */
  async #isOurs(): Promise<boolean> {
    const isAlive = (await this.#operations.check()) === 'alive';
    if (isAlive || this.#bug !== undefined) return isAlive && this.#bug === undefined;
    await this.#beginAgain();
    return false;
  }

  async #assign(turn: PhaseTurn): Promise<void> {
    this.#hinted = false;
    const { clock, log } = this.#ports;
    const began = clock.monotonic();
    const view = await this.#operations.readRoster();
    const { session } = this.#operations.token;
    this.#paused = !this.#gate!.mayClaim(session, view, { cycle: turn.cycle, at: began });
    this.queue.when.seen = turn.cycle;
    await this.#announce();
    this.#fleet.see(view.roster, began);
    const demand = this.queue.demand;
    const isOnRoster = view.roster.some((entry) => entry.session === session);
    this.#idle = false;
    this.#halted = view.paused && this.queue.isEmpty;
    if (this.#plan.isSufficient(view, demand, began)) {
      this.queue.isScarce = false;
      return this.#plan.reuse(view, turn.cycle);
    }
    // Off the roster it gets no share; but whether another worker could begin what it holds, only a listing tells.
    const isFull = !this.queue.isEmpty && !isOnRoster;
    if (isFull && !this.queue.hasUnstarted) return this.#plan.end(view, turn.cycle);
    const snapshot = await this.#operations.snapshot(this.#arrived(), view);
    const now = clock.monotonic();
    this.#plan.split(snapshot, turn.cycle, demand, now - began, now);
    const { roster, tasks } = snapshot;
    log.debug({ cycle: turn.cycle, available: tasks.size, workers: roster.length }, 'assignment');
    this.queue.isScarce = this.#fleet.isScarce(snapshot.tasks.size);
    this.queue.isIdle = snapshot.tasks.size === 0;
    await this.#tellIfDrained(snapshot);
  }

  /** Others know of the worker's machines by the session's token. */
  async #announce(): Promise<void> {
    const machines = this.#worker.machines();
    if (machines === this.#announced || this.#bug !== undefined) return;
    await this.#operations.announce(machines);
    this.#announced = machines;
  }

  /** Undefined without file events. */
  #arrived(): ReadonlySet<string> | undefined {
    return this.#isWatching ? this.#hints.take() : undefined;
  }

  async #tellIfDrained(snapshot: Snapshot): Promise<void> {
    const { stays } = this.#worker;
    const isNothingLeft = openIn(snapshot) === 0 && this.queue.isEmpty && !snapshot.paused;
    this.#idle = isNothingLeft && stays;
    const now = this.#ports.clock.monotonic();
    const isOver = this.#stillness.hasLasted(isNothingLeft, this.#options.freshListings, now);
    if (!isOver || stays || this.#isEnding) return;
    // File events may have been lost.
    const all = this.#isWatching ? await this.#operations.snapshot() : snapshot;
    // A volume that was unmounted in the middle of this looks empty too.
    const isEmpty = openIn(all) === 0 && (await this.#operations.check()) === 'alive';
    if (isEmpty && (await this.#operations.countUnfinishedCommits()) === 0)
      this.queue.tellDrained();
  }

  async #commit(turn: PhaseTurn, guard: PhaseGuard): Promise<void> {
    if (this.#isEnding) return this.#takeLeave(guard);
    await this.#fetch(turn, guard);
    // Said before it is begun: a tick may block this process, and people ask who holds what.
    await this.queue.report();
    this.queue.handOut();
    if (!this.queue.needsShare) await this.#operations.withdraw(guard);
  }

  /** Claims of this cycle's share what there is room for, and reads it. */
  async #fetch({ phase, cycle }: PhaseTurn, guard: PhaseGuard): Promise<void> {
    if (this.#isEnding) return this.#plan.forgetOffers();
    // Once a cycle, and when files have arrived: what did not parse may be whole by now.
    const readsAgain = phase === 'commitment' || this.#plan.hasOffers;
    const next = (): string | undefined => (this.#paused ? undefined : this.#plan.next(cycle));
    await this.queue.claim(next, guard);
    // Names that are not claimed now must not wake the loop: they would do so at once, again and again.
    if (this.queue.room <= 0 || this.#paused) this.#plan.forgetOffers();
    await this.queue.examine(readsAgain);
  }

  /**
   * Update System, in this order:
   *
   *   settle     what finished, first: successors are claimed with it, and it makes room
   *   register   before the other workers' next split, if there is room
   *   recover    other sessions' claims and commits; then failed states that may run again
   *   fetch      claims from this session's own slice or share, reads and hands out
   *   archive    until something finishes
   *   wait       while ticks run: settle, fetch and register as they end or as files arrive, until the phase ends
   *   look again late, when idle: all of what other sessions have left
   *
   * `#again`: this phase is to run once more, since a file has arrived that only this session may claim now, or since it is
   * to end. `#hinted`: something has changed, so an idle session must not nap; Worker Assignment looks.
   */
  async #update(turn: PhaseTurn, guard: PhaseGuard): Promise<void> {
    if (this.#deadline !== Number.POSITIVE_INFINITY) this.#letGoInTime(turn);
    await this.queue.settle(guard);
    if (this.#isEnding) await this.#takeLeave(guard);
    let isRegistered = await this.#registerForRoom(guard);
    await this.#recover(turn, guard, false);
    await this.#fetch(turn, guard);
    this.queue.handOut();
    await this.#guard('archiving', () =>
      this.#operations.archive(turn.cycle, guard, () => this.queue.hasFinished),
    );
    const late = this.#timeLeft(turn) * (1 - LOOK_LATE);
    while (this.queue.isRunning && guard.canBegin()) {
      const left = this.#timeLeft(turn);
      if (left <= 0) break;
      // Late enough that ticks may have turned long, and early enough for other workers' next claims.
      const ms = this.queue.hasUnstarted && left > late ? left - late : left;
      await this.#sleep(Math.max(1, ms), () => this.queue.hasFinished || this.#plan.hasOffers);
      await this.queue.settle(guard);
      // No other worker claims from this one's slice, nor from its part of this cycle's split: no need to wait.
      await this.#fetch(turn, guard);
      this.queue.handOut();
      // A worker that has room only now would else miss the next cycle.
      isRegistered ||= await this.#registerForRoom(guard);
    }
    await this.queue.report();
    await this.#lookAgain(turn, guard);
    if (this.#isEnding) await this.#takeLeave(guard);
  }

  /** Milliseconds that are surely left of this phase; 0 while the volume's time is uncertain. */
  #timeLeft({ end }: PhaseTurn): number {
    const now = this.#operations.time();
    return now === undefined ? 0 : end - now.latest;
  }

  async #recover({ cycle }: PhaseTurn, guard: PhaseGuard, all: boolean): Promise<void> {
    const isHeld = (name: string): boolean => this.queue.knows(name);
    const recovery = await this.#operations.recover(cycle, guard, { isHeld, all });
    this.#claims = recovery.claims;
    logRecovery(this.#ports.log, recovery);
    if (this.queue.isEmpty && this.queue.isIdle) {
      this.#foreign.waitsFor(recovery.foreign, this.#ports.clock.monotonic());
    }
    // A session that ends would leave them to others, and there may be none.
    if (this.#isEnding) return;
    await this.#guard('looking at failed states', () => this.queue.bringBack(cycle, guard));
  }

  /**
   * Late in this phase, when idle: recovers what other sessions have not come to, as they may be dead themselves, undetected.
   * Where listings are fresh, the end shows as soon as the last claim is released.
   */
  async #lookAgain(turn: PhaseTurn, guard: PhaseGuard): Promise<void> {
    const now = this.#operations.time();
    const { freshListings } = this.#options;
    if (this.#isResting || !this.queue.isEmpty || now === undefined) return;
    await this.#sleep((turn.end - now.latest) * LOOK_LATE, () => this.#again);
    if (this.#isEnding || this.#again || !guard.canBegin()) return;
    await this.#recover(turn, guard, true);
    if (this.#worker.stays || !freshListings) return;
    await this.#tellIfDrained(await this.#operations.snapshot(this.#arrived()));
  }

  /** I4: a flag comes down in Worker Commitment or Update System only, also when leaving. */
  async #takeLeave(guard: PhaseGuard): Promise<void> {
    const isDown = await this.#operations.withdraw(guard);
    this.#finished = isDown && this.queue.isEmpty;
  }

  /** False if it needs no share in the next split, or it is too late. */
  async #registerForRoom(guard: PhaseGuard): Promise<boolean> {
    if (this.#isEnding || !this.queue.needsShare || !guard.canBegin()) return false;
    await this.#registration.renew(guard);
    return true;
  }

  /** Ends within about `drainMs`: see `Session.close`. */
  end(drainMs: number): void {
    const deadline = this.#ports.clock.monotonic() + drainMs;
    this.#deadline = Math.min(this.#deadline, deadline);
    this.#isEnding = true;
    // What this Update System can still settle or give back need not wait for the next one.
    this.#again = this.#turn?.phase === 'update';
    this.queue.stop();
    this.#wakeup.signal();
  }

  /** No later Update System comes before the deadline: what is not finished in this one is released. */
  #letGoInTime(turn: PhaseTurn): void {
    const untilNextEnd = cycleLength(this.#operations.phases);
    const now = this.#operations.time();
    if (now === undefined) return;
    const left = this.#deadline - this.#ports.clock.monotonic();
    if (turn.end - now.latest + untilNextEnd > left) this.queue.abortTicks();
  }

  /** Our lease was broken: what we held is others' business now. */
  async #beginAgain(): Promise<void> {
    if (this.#expired !== this.#operations) {
      logExpired(this.#ports.log, this.#operations, this.queue.held);
      this.queue.abandon();
      this.#expired = this.#operations;
    }
    await this.#operations.leave();
    if (!this.#isEnding) await this.#begin();
    else this.#finished = true;
  }

  #fail(error: UserError): void {
    this.#problem ??= error;
    // The volume that it holds states on is not there any more: nothing can be settled.
    if (error.code === 'volume-gone') {
      this.queue.abandon();
      this.#finished = true;
    }
    this.end(0);
  }

  #complain(error: unknown, where: string): void {
    this.#ports.log.warn(
      { err: error, phase: where },
      'volume operation failed, will retry next cycle',
    );
  }

  #hint(name: string | undefined): void {
    this.#hinted = true;
    this.#hints.note(name);
    if (this.#options.eager && name !== undefined) this.#offer(name);
    if (this.#isResting) this.#wakeup.signal();
  }

  /** If this Update System has run already, it runs again. */
  #offer(name: string): void {
    if (!this.#plan.addArrival(name)) return;
    this.#again = this.#turn?.phase === 'update';
    this.#wakeup.signal();
  }

  /** Until we are to stop, whatever else it is for. */
  #sleep(ms: number, until: () => boolean = () => false): Promise<void> {
    const wasEnding = this.#isEnding;
    const isOver = (): boolean => this.#isEnding !== wasEnding || this.#bug !== undefined;
    return this.#wakeup.sleep(ms, () => until() || isOver());
  }
}
