/**
 * WHO: one worker's loop. The clock says which phase it is; in each one the worker does what the phase
 * is for, once, and otherwise sleeps. Ticks run through all phases.
 *
 *   Worker Assignment   read the snapshot, compute the split, write nothing
 *   Worker Commitment   claim, read, start ticks; take the flag down when there is no more room
 *   Update System       settle what finished, follow chains, register, finish for the dead
 */
import { UserError } from '../machine/errors.ts';
import { cycleLength } from './phases/cycle.ts';
import type { Session, Snapshot, Window } from './operations.ts';
import { Alarm } from './wakeup.ts';
import { Arrivals } from './file-hints.ts';
import { ClaimGate } from './claim-gate.ts';
import { Crew } from './local-queue.ts';
import { logLost, logRecovery, stoppingMessage } from './log-recovery.ts';
import type { Summary, WorkerOptions, WorkerPorts } from '../worker/ports.ts';
import { Registration } from './registration.ts';
import { ForeignFlagLog } from './foreign-flag-log.ts';
import { KnownFleet } from './phases/prefetch.ts';
import { Stillness } from './phases/stillness.ts';
import { Supply } from './phases/claim-plan.ts';
import { nextTurn, windowFor, type PhaseTurn } from './phases/timetable.ts';

/** An idle worker still looks after the dead this many times a lease. */
const IDLE_LOOKS_PER_LEASE = 2;
/** Beyond the drain, for a host so busy that what is aborted, killed and released takes its time. */
const LEAST_GRACE_MS = 5000;
/** So far into what is left of Update System. */
const LOOK_LATE = 0.75;

function openIn({ tasks, inProgress, delayed }: Snapshot): number {
  return tasks.size + inProgress + delayed;
}

export class Worker {
  readonly #ports: WorkerPorts;
  readonly #options: WorkerOptions;
  readonly #crew: Crew;
  readonly #alarm: Alarm;
  #session!: Session;
  /** It was broken, and that was told: the volume may refuse us a new one for a while. */
  #lost: Session | undefined;
  #turn: PhaseTurn | undefined;
  #supply!: Supply;
  #fleet!: KnownFleet;
  #gate: ClaimGate | undefined;
  /** Nothing is claimed: see `ClaimGate`. */
  #paused = false;
  /** Nothing to do until something changes. */
  #idle = false;
  #stillness!: Stillness;
  readonly #foreign: ForeignFlagLog;
  #ending: Summary['end'] | undefined;
  /** The flag is down and nothing is held: nothing keeps us. */
  #finished = false;
  #problem: unknown;
  /** On the monotonic clock: a stopping worker lets go of its ticks by then. */
  #deadline = Number.POSITIVE_INFINITY;
  #hinted = false;
  /** Something has come that is to be claimed before this Update System is over. */
  #again = false;
  #uncertain = false;
  #registration!: Registration;
  #arrivals = new Arrivals();

  constructor(ports: WorkerPorts, options: WorkerOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#alarm = new Alarm(ports.clock);
    this.#foreign = new ForeignFlagLog(ports.log);
    this.#crew = new Crew(ports, options, () => this.#alarm.nudge());
  }

  /** Works until nothing is left, or until `stop` aborts and its ticks are settled or released. */
  async run(stop: AbortSignal): Promise<Summary> {
    await this.#begin();
    const onStop = (): void => this.#stop();
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
    const unwatch = await this.#ports.watch?.((name) => this.#hint(name));
    this.#ports.slots.join(this.#crew);
    try {
      while (!this.#finished) await this.#step();
    } finally {
      stop.removeEventListener('abort', onStop);
      await unwatch?.();
      this.#crew.abandon();
      this.#ports.slots.leave(this.#crew);
      await this.#session.leave().catch((error: unknown) => this.#complain(error, 'leaving'));
    }
    if (this.#problem !== undefined) throw this.#problem;
    return { ...this.#crew.counts, end: this.#ending ?? 'stopped' };
  }

  async #begin(): Promise<void> {
    this.#session = await this.#ports.openSession();
    this.#crew.session = this.#session;
    const { token, lease } = this.#session;
    const onSilent = (flag: string): void => this.#foreign.leftOut(flag);
    this.#supply = new Supply(token.session, lease, this.#options.assign, onSilent);
    this.#stillness = new Stillness(lease);
    this.#fleet = new KnownFleet(token.session, lease);
    // Once: a new session of a worker that was at work already does not wait again.
    const cycle = cycleLength(this.#session.phases);
    this.#gate ??= new ClaimGate(this.#options.gathering, cycle, this.#ports.log);
    this.#registration = new Registration(this.#session, this.#ports.log);
    const { session, worker } = token;
    this.#ports.log.info({ session }, `worker ${worker} is waiting for Update System to register`);
  }

  async #step(): Promise<void> {
    const { log } = this.#ports;
    if (this.#isOverdue()) return void (this.#finished = true);
    const now = this.#session.time();
    if (now === undefined) {
      if (!this.#uncertain) {
        const uncertainty = Math.round(this.#session.uncertainty());
        log.warn({ uncertainty }, 'too uncertain of the volume’s time to act; still measuring');
      }
      this.#uncertain = true;
      await this.#guard('measuring', () => this.#isOurs());
      return this.#sleep(this.#session.lease / 10);
    }
    this.#uncertain = false;
    const wait = nextTurn(this.#session.phases, now, this.#again ? undefined : this.#turn);
    if (wait.kind === 'turn') {
      this.#turn = wait.turn;
      this.#again = false;
      await this.#act(wait.turn);
    } else if (this.#mayNap()) {
      await this.#sleep(this.#session.lease / IDLE_LOOKS_PER_LEASE, () => this.#hinted);
      this.#idle = false;
    } else if (this.#crew.hasUnread) {
      // Reading changes nothing, so any phase will do: what Update System had no time for is read now.
      await this.#crew.examine(false);
      this.#crew.startTicks();
    } else {
      this.#again = false;
      await this.#sleep(wait.ms, () => this.#again);
    }
  }

  /** Only after Update System: it has registered by then, and looked after the dead. */
  #mayNap(): boolean {
    const afterUpdate = this.#turn?.phase === 'update';
    return this.#idle && afterUpdate && !this.#hinted && this.#ports.watch !== undefined;
  }

  /** The volume does not let us settle: the others will take what we hold when our lease runs out. */
  #isOverdue(): boolean {
    const grace = Math.max(LEAST_GRACE_MS, 2 * cycleLength(this.#session.phases));
    return this.#ports.clock.monotonic() > this.#deadline + grace;
  }

  async #act(turn: PhaseTurn): Promise<void> {
    const { phases } = this.#session;
    this.#crew.when.cycle = turn.cycle;
    const follow = this.#options.follow && !this.#paused && this.#ending === undefined;
    const window = windowFor(phases, turn, () => this.#session.time(), follow);
    await this.#guard(turn.phase, async () => {
      if (!(await this.#isOurs())) return;
      if (turn.phase === 'assignment') await this.#assign(turn);
      else if (turn.phase === 'commitment') await this.#commit(turn, window);
      else await this.#update(turn, window);
    });
  }

  /** Errors of the volume pass, or they come again: nothing is lost by trying the next cycle. */
  async #guard(where: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (error instanceof UserError) this.#fail(error);
      else this.#complain(error, where);
    }
  }

  /** Is the volume still there, and are we alive to the others? If not, a new session begins. */
  async #isOurs(): Promise<boolean> {
    if ((await this.#session.check()) === 'alive') return true;
    await this.#beginAgain();
    return false;
  }

  async #assign(turn: PhaseTurn): Promise<void> {
    this.#hinted = false;
    const { clock, log } = this.#ports;
    const began = clock.monotonic();
    const glance = await this.#session.glance();
    const { session } = this.#session.token;
    this.#paused = !this.#gate!.mayClaim(session, glance, { cycle: turn.cycle, at: began });
    this.#crew.when.seen = turn.cycle;
    await this.#crew.library.renew(this.#session);
    this.#fleet.see(glance.roster, began);
    const wanted = this.#crew.appetite;
    const isOnRoster = glance.roster.some((entry) => entry.session === session);
    this.#idle = false;
    if (this.#supply.lasts(glance, wanted, began)) {
      this.#crew.isScarce = false;
      return this.#supply.goOn(glance, turn.cycle);
    }
    // Off the roster it gets no share; but whether another worker could begin what it holds, only a listing tells.
    const isFull = !this.#crew.isEmpty && !isOnRoster;
    if (isFull && !this.#crew.hasUnstarted) return this.#supply.end(glance, turn.cycle);
    const snapshot = await this.#session.snapshot(this.#arrived(), glance);
    const now = clock.monotonic();
    this.#supply.split(snapshot, turn.cycle, wanted, now - began, now);
    log.debug(
      { cycle: turn.cycle, available: snapshot.tasks.size },
      `assignment among ${snapshot.roster.length} workers`,
    );
    this.#crew.isScarce = this.#fleet.isScarce(snapshot.tasks.size);
    this.#crew.isIdle = snapshot.tasks.size === 0;
    await this.#endIfNothing(snapshot);
  }

  /** Undefined where nobody tells of what arrives. */
  #arrived(): ReadonlySet<string> | undefined {
    return this.#ports.watch === undefined ? undefined : this.#arrivals.take();
  }

  async #endIfNothing(snapshot: Snapshot): Promise<void> {
    const nothing = openIn(snapshot) === 0 && this.#crew.isEmpty && !snapshot.paused;
    this.#idle = nothing && this.#options.watch;
    const isNothingLeft = nothing && this.#ports.moreToCome?.() !== true;
    const now = this.#ports.clock.monotonic();
    const isOver = this.#stillness.hasLasted(isNothingLeft, this.#options.freshListings, now);
    if (!isOver || this.#options.watch || this.#ending !== undefined) return;
    // Nobody may have told of what has come.
    const all = this.#ports.watch === undefined ? snapshot : await this.#session.snapshot();
    // A volume that was unmounted in the middle of this looks empty too.
    const isEmpty = openIn(all) === 0 && (await this.#session.check()) === 'alive';
    if (isEmpty && (await this.#session.owed()) === 0) this.#ending = 'empty';
  }

  async #commit(turn: PhaseTurn, window: Window): Promise<void> {
    if (this.#ending !== undefined) return this.#takeLeave(window);
    await this.#fetch(turn, window);
    // Said before it is begun: a tick may block this process, and people ask who holds what.
    await this.#crew.report();
    this.#crew.startTicks();
    if (!this.#crew.needsShare) await this.#session.withdraw(window);
  }

  /** Claims of this cycle's share what there is room for, and reads it. */
  async #fetch({ phase, cycle }: PhaseTurn, window: Window): Promise<void> {
    if (this.#ending !== undefined) return this.#supply.forgetOffers();
    const again = phase === 'commitment' || this.#supply.hasOffers;
    const next = (): string | undefined => (this.#paused ? undefined : this.#supply.next(cycle));
    await this.#crew.claim(next, window);
    // What is not taken now must not wake anybody: it would do so at once, again and again.
    if (this.#crew.room <= 0 || this.#paused) this.#supply.forgetOffers();
    await this.#crew.examine(again);
  }

  async #update(turn: PhaseTurn, window: Window): Promise<void> {
    if (this.#deadline !== Number.POSITIVE_INFINITY) this.#letGoInTime(turn);
    await this.#crew.settle(window);
    if (this.#ending !== undefined) await this.#takeLeave(window);
    let isRegistered = await this.#registerForRoom(window);
    await this.#recover(turn, window, false);
    await this.#fetch(turn, window);
    this.#crew.startTicks();
    await this.#guard('archiving', () =>
      this.#session.archive(turn.cycle, window, () => this.#crew.hasFinished),
    );
    const late = this.#timeLeft(turn) * (1 - LOOK_LATE);
    while (this.#crew.isRunning && window.mayStart()) {
      const left = this.#timeLeft(turn);
      if (left <= 0) break;
      // Late enough that ticks may have turned long, and early enough for other workers' next claims.
      const ms = this.#crew.hasUnstarted && left > late ? left - late : left;
      await this.#sleep(Math.max(1, ms), () => this.#crew.hasFinished || this.#supply.hasOffers);
      await this.#crew.settle(window);
      // Nobody else claims of a slice but its worker, nor what this cycle's split gave him: no need to wait.
      await this.#fetch(turn, window);
      this.#crew.startTicks();
      // Whoever has room only now would else sit the next cycle out.
      isRegistered ||= await this.#registerForRoom(window);
    }
    await this.#crew.report();
    await this.#lookAgain(turn, window);
    if (this.#ending !== undefined) await this.#takeLeave(window);
  }

  /** Milliseconds that are surely left of this phase; 0 while the volume's time is uncertain. */
  #timeLeft({ end }: PhaseTurn): number {
    const now = this.#session.time();
    return now === undefined ? 0 : end - now.latest;
  }

  async #recover({ cycle }: PhaseTurn, window: Window, all: boolean): Promise<void> {
    const isHeld = (name: string): boolean => this.#crew.knows(name);
    const recovery = await this.#session.recover(cycle, window, { isHeld, all });
    logRecovery(this.#ports.log, recovery);
    if (this.#crew.isEmpty && this.#crew.isIdle) {
      this.#foreign.waitsFor(recovery.foreign, this.#ports.clock.monotonic());
    }
    await this.#guard('looking at failed states', () => this.#crew.bringBack(cycle, window));
  }

  /**
   * Late in this phase, with nothing in hand: what the others have not come to, dead perhaps without anybody's notice, is
   * done for them. Where listings are fresh the end shows as soon as the last claim is released.
   */
  async #lookAgain(turn: PhaseTurn, window: Window): Promise<void> {
    const now = this.#session.time();
    const { freshListings, watch } = this.#options;
    if (this.#idle || !this.#crew.isEmpty || now === undefined) return;
    await this.#sleep((turn.end - now.latest) * LOOK_LATE, () => this.#again);
    if (this.#ending !== undefined || this.#again || !window.mayStart()) return;
    await this.#recover(turn, window, true);
    if (watch || !freshListings) return;
    await this.#endIfNothing(await this.#session.snapshot(this.#arrived()));
  }

  /** I4: a flag comes down in Worker Commitment or Update System only, also when leaving. */
  async #takeLeave(window: Window): Promise<void> {
    const isDown = await this.#session.withdraw(window);
    this.#finished = isDown && this.#crew.isEmpty;
  }

  /** False if it needs no share in the next split, or it is too late. */
  async #registerForRoom(window: Window): Promise<boolean> {
    if (this.#ending !== undefined || !this.#crew.needsShare || !window.mayStart()) return false;
    await this.#registration.renew(window);
    return true;
  }

  #stop(): void {
    if (this.#ending !== undefined) return;
    this.#ending = 'stopped';
    this.#deadline = this.#ports.clock.monotonic() + this.#options.drain;
    this.#crew.stopStarting();
    const { running } = this.#crew;
    this.#ports.log.info({ running }, stoppingMessage(running, this.#options.drain));
    this.#alarm.nudge();
  }

  /** No later Update System comes before the deadline: what is not finished in this one is released. */
  #letGoInTime(turn: PhaseTurn): void {
    const untilNextEnd = cycleLength(this.#session.phases);
    const now = this.#session.time();
    if (now === undefined) return;
    const left = this.#deadline - this.#ports.clock.monotonic();
    if (turn.end - now.latest + untilNextEnd > left) this.#crew.abortTicks();
  }

  /** Our lease was broken: what we held is others' business now. */
  async #beginAgain(): Promise<void> {
    if (this.#lost !== this.#session) {
      logLost(this.#ports.log, this.#session.token.session, this.#crew.held);
      this.#crew.abandon();
      this.#lost = this.#session;
    }
    await this.#session.leave();
    if (this.#ending === undefined) await this.#begin();
    else this.#finished = true;
  }

  #fail(error: UserError): void {
    this.#problem ??= error;
    // The volume that it holds states on is not there any more: nothing can be settled.
    if (error.code === 'volume-gone') {
      this.#crew.abandon();
      this.#finished = true;
    }
    this.#stop();
    this.#deadline = this.#ports.clock.monotonic();
  }

  #complain(error: unknown, where: string): void {
    this.#ports.log.warn(
      { err: error },
      `${where}: the volume did not do as asked; trying again next cycle`,
    );
  }

  #hint(name: string | undefined): void {
    this.#hinted = true;
    this.#arrivals.note(name);
    if (this.#options.eager && name !== undefined) this.#offer(name);
    if (this.#idle) this.#alarm.nudge();
  }

  /** Whoever has been through this Update System goes through it again. */
  #offer(name: string): void {
    if (!this.#supply.offer(name)) return;
    this.#again = this.#turn?.phase === 'update';
    this.#alarm.nudge();
  }

  /** Until we are to stop, whatever else it is for. */
  #sleep(ms: number, until: () => boolean = () => false): Promise<void> {
    const ending = this.#ending;
    return this.#alarm.sleep(ms, () => until() || this.#ending !== ending);
  }
}
