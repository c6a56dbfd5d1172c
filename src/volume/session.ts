/** A session on a real volume: lease, clock and token, and the operations of `contract.ts` put together. */
import { UserError } from '../machine/errors.ts';
import { momentOf, type Interval, type PhaseLengths } from '../semaphore/cycle.ts';
import type { Clock, Random } from '../semaphore/ports.ts';
import {
  addSample,
  estimateAt,
  formatInstant,
  intervalAt,
  startVolumeClock,
  uncertaintyAt,
  type VolumeClock,
} from '../semaphore/volume-clock.ts';
import { ARCHIVE_AGE, ARCHIVE_PAUSE, type ArchiveRules } from './archivable.ts';
import { Archiver } from './archiver.ts';
import { readTried } from './attempts.ts';
import { ClaimAges } from './claim-ages.ts';
import { OpenStates } from './open-states.ts';
import { claim } from './claim.ts';
import type {
  Glance,
  Held,
  Intake,
  JournalEntry,
  Recovery,
  Session,
  Snapshot,
  Step,
  Window,
} from './contract.ts';
import { createAnew, listOrNone, readText, remove, removeOurs } from './exclusive.ts';
import { errnoOf, type Files } from './files.ts';
import type { Heartbeat, StartHeartbeat } from './heartbeat.ts';
import { intake } from './intake.ts';
import { Journal } from './journal.ts';
import { Layout } from './layout.ts';
import { Listings } from './listings.ts';
import { Member } from './member.ts';
import { readSessions } from './overview.ts';
import { Pauses } from './pauses.ts';
import { formatCounter } from './pulse.ts';
import { Recoverer } from './recovery.ts';
import { settle } from './settle.ts';
import { takeGlance, takeSnapshot, type Instruments } from './snapshot.ts';
import { holdsRecords } from './staging.ts';
import { newSessionId, parseToken, type Token } from './token.ts';
import { parseVolumeFile, type VolumeFile } from './volume-file.ts';

export interface SessionOptions {
  readonly directory: string;
  readonly volume: VolumeFile;
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  readonly concurrency: number;
  readonly capacity: number;
  readonly machines: readonly string[];
  /** This host's kernel stamps what is written: the volume's clock is its own. */
  readonly ownClock?: boolean;
  /** What is looked at is what is there: no caches in between. */
  readonly freshListings?: boolean;
  /** Undefined: this session archives nothing. */
  readonly archive?: ArchiveRules;
}

/** It still respects what others archive. */
const NO_ARCHIVE: ArchiveRules = {
  keep: Number.POSITIVE_INFINITY,
  age: ARCHIVE_AGE,
  pause: ARCHIVE_PAUSE,
};

export interface SessionPorts {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly startHeartbeat: StartHeartbeat;
}

/** Writes to the lease before the first phase, so that the volume's time is known from the start. */
const FIRST_SAMPLES = 5;
const BEATS_PER_LEASE = 5;
/** Part of a lease: nobody's clock runs so much faster. */
const SAFE = 0.9;
/** No volume's time stamps are coarser, ms. */
const COARSE = 2000;

export async function openSession(
  ports: SessionPorts,
  options: SessionOptions,
): Promise<VolumeSession> {
  const session = new VolumeSession(ports, options);
  await session.open();
  return session;
}

export class VolumeSession implements Session {
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly token: Token;
  readonly #ports: SessionPorts;
  readonly #volume: VolumeFile;
  readonly #layout: Layout;
  readonly #member: Member;
  readonly #recoverer: Recoverer;
  readonly #archiver: Archiver;
  readonly #listings: Listings;
  readonly #ownClock: boolean;
  readonly #freshListings: boolean;
  readonly #pauses: Pauses;
  readonly #instruments: Instruments;
  readonly #journal: Journal;
  #volumeClock: VolumeClock = startVolumeClock();
  #heartbeat: Heartbeat | undefined;
  /** The last stamp: a burst asks for many in a millisecond. */
  #stamped = { time: Number.NaN, text: formatInstant(Number.NaN) };

  constructor(ports: SessionPorts, options: SessionOptions) {
    const { clock, random, files } = ports;
    this.#ports = ports;
    this.#volume = options.volume;
    this.phases = options.volume.phases;
    this.lease = options.volume.lease;
    this.#ownClock = options.ownClock ?? false;
    this.#freshListings = options.freshListings ?? false;
    this.#layout = new Layout(options.directory);
    this.token = {
      flockwork: 1,
      session: newSessionId(options.worker, random),
      worker: options.worker,
      host: options.host,
      pid: options.pid,
      started: formatInstant(clock.now()),
      concurrency: options.concurrency,
      capacity: options.capacity,
      machines: [...options.machines],
    };
    this.#member = new Member(
      files,
      this.#layout,
      this.token,
      () => this.stamp(),
      () => this.#isSafe(),
    );
    this.#recoverer = new Recoverer(this.#member, this.lease, () => clock.monotonic());
    const rules = options.archive ?? NO_ARCHIVE;
    const clocks = (): number[] => [clock.monotonic(), clock.now()];
    this.#member.claims = new ClaimAges(clocks, rules.pause / 2);
    this.#archiver = new Archiver(this.#member, rules, {
      monotonic: () => clock.monotonic(),
      volumeTime: () => this.time()?.earliest,
      living: () => this.#recoverer.living(),
    });
    this.#listings = new Listings(files, Math.max(this.lease, COARSE), () => clock.monotonic());
    this.#journal = new Journal(files, this.#layout, this.token.session);
    this.#pauses = new Pauses(() => clock.monotonic());
    const openStates = new OpenStates(files, this.#layout, this.#listings, this.lease, () =>
      clock.monotonic(),
    );
    const pauses = this.#pauses;
    this.#instruments = {
      files,
      layout: this.#layout,
      listings: this.#listings,
      openStates,
      pauses,
    };
  }

  async open(): Promise<void> {
    const { files, clock } = this.#ports;
    const { lease } = this.#member;
    await createAnew(files, lease, formatCounter(0));
    for (let counter = 1; counter <= FIRST_SAMPLES; counter += 1) {
      const before = Math.floor(clock.now());
      await files.overwrite(lease, formatCounter(counter));
      const after = Math.floor(clock.now()) + 1;
      const mtime = (await files.stat(lease))?.mtime ?? Number.NaN;
      this.#volumeClock = addSample(this.#volumeClock, {
        before,
        after,
        mtime,
        monotonic: clock.monotonic(),
      });
    }
    this.#heartbeat = this.#ports.startHeartbeat({
      lease,
      counter: FIRST_SAMPLES,
      interval: this.lease / BEATS_PER_LEASE,
      onSample: (sample) => (this.#volumeClock = addSample(this.#volumeClock, sample)),
      onBroken: () => undefined,
    });
    await this.#member.introduce();
    await this.#recoverer.observe();
  }

  time(): Interval | undefined {
    const { clock } = this.#ports;
    const interval = intervalAt(this.#volumeClock, clock.now(), clock.monotonic(), this.#ownClock);
    if (interval === undefined) return undefined;
    const isExact = interval.latest - interval.earliest <= 1;
    return isExact || this.uncertainty() <= this.phases.buffer ? interval : undefined;
  }

  uncertainty(): number {
    return uncertaintyAt(this.#volumeClock, this.#ports.clock.monotonic());
  }

  stamp(): string {
    const time = Math.floor(estimateAt(this.#volumeClock, this.#ports.clock.monotonic()));
    if (time !== this.#stamped.time) this.#stamped = { time, text: formatInstant(time) };
    return this.#stamped.text;
  }

  async check(): Promise<'alive' | 'broken'> {
    const { files, clock } = this.#ports;
    const text = await readText(files, this.#layout.volumeFile);
    if (text === undefined || parseVolumeFile(text)?.id !== this.#volume.id) {
      throw new UserError(
        'volume-gone',
        `${this.#layout.root} is not the volume it was (unmounted, or replaced?); mount it again and start again`,
        { directory: this.#layout.root, expected: this.#volume.id },
      );
    }
    const heartbeat = this.#heartbeat;
    if (heartbeat === undefined || heartbeat.broken) return 'broken';
    // Silent for longer than the lease (stopped, suspended, starved): the lease itself tells.
    if (clock.monotonic() - heartbeat.lastBeat < this.lease) return 'alive';
    return (await files.stat(this.#member.lease)) === undefined ? 'broken' : 'alive';
  }

  /**
   * A beat that found the lease there was before anybody's look that found it unmoved, and who breaks it has to
   * have looked for a whole lease. Only where looks show what is there: not through caches (I8).
   */
  #isSafe(): boolean {
    const heartbeat = this.#heartbeat;
    if (!this.#freshListings || heartbeat === undefined || heartbeat.broken) return false;
    return this.#ports.clock.monotonic() - heartbeat.lastBeat < SAFE * this.lease;
  }

  setDeadline(monotonic: number): void {
    this.#heartbeat?.setDeadline(monotonic);
  }

  async rival(): Promise<Token | undefined> {
    const { files } = this.#ports;
    const key = (token: Token): string => `${token.started} ${token.session}`;
    for (const token of await readSessions(files, this.#layout, `${this.token.worker}.`)) {
      if (token.worker !== this.token.worker || token.session === this.token.session) continue;
      if (this.#recoverer.isAlive(token.session) && key(token) < key(this.token)) return token;
    }
    return undefined;
  }

  async register(window: Window): Promise<boolean> {
    const flag = this.#layout.flag('workers', this.token.worker);
    const { files } = this.#ports;
    if (!window.mayStart()) return false;
    if ((await this.#member.setFlag(flag)) === 'ours') return true;
    const text = await readText(files, flag);
    const other = parseToken(text);
    // A foreign flag under our own name was left behind by a program without sessions.
    if (
      text === undefined ||
      (other !== undefined && !this.#recoverer.isKnownDead(other.session))
    ) {
      return false;
    }
    if (!(await removeOurs(files, flag, text, window.mayStart))) return false;
    return this.register(window);
  }

  withdraw(window: Window): Promise<boolean> {
    return this.#takeFlagDown(window.mayStart);
  }

  #takeFlagDown(may: () => boolean): Promise<boolean> {
    const flag = this.#layout.flag('workers', this.token.worker);
    return removeOurs(this.#ports.files, flag, this.#member.tokenText, may);
  }

  async glance(): Promise<Glance> {
    const glance = await takeGlance(this.#ports.files, this.#layout);
    const attempted = await this.#listings.list(this.#layout.internal('attempts'));
    this.#member.attempted = new Set(attempted);
    this.#member.registered = glance.roster.map(({ session: name }) => name);
    return glance;
  }

  async snapshot(arrived?: ReadonlySet<string>, glance?: Glance): Promise<Snapshot> {
    const earliest = this.time()?.earliest;
    const snapshot = await takeSnapshot(this.#instruments, arrived, glance, earliest);
    this.#member.attempted = snapshot.attempted;
    this.#member.registered = snapshot.roster.map(({ session: name }) => name);
    return snapshot;
  }

  owed(): Promise<number> {
    return this.#recoverer.owed();
  }

  async claim(name: string, window: Window): ReturnType<Session['claim']> {
    // An attempt may have been counted since the listing that the name is from.
    if (this.#member.attempted.has(name)) {
      const tried = await readTried(this.#ports.files, this.#layout, name);
      const isDue = this.#pauses.isOver(name, tried, this.time()?.earliest);
      if (!isDue || !window.mayStart()) return 'delayed';
    }
    return claim(this.#member, name, window);
  }

  intake(name: string): Promise<Intake> {
    return intake(this.#member, name);
  }

  sessions(): Promise<readonly Token[]> {
    return readSessions(this.#ports.files, this.#layout);
  }

  settle(steps: readonly Step[], window: Window): Promise<void> {
    return settle(this.#member, steps, window);
  }

  recover(cycle: number, window: Window, isHeld?: (name: string) => boolean): Promise<Recovery> {
    return this.#recoverer.recover(cycle, window, isHeld);
  }

  archive(cycle: number, window: Window, isBusy: () => boolean): Promise<number> {
    return this.#archiver.work(cycle, window, isBusy);
  }

  journal(entries: readonly JournalEntry[]): Promise<void> {
    return this.#journal.append(entries);
  }

  async reportHeld(held: readonly Held[]): Promise<void> {
    const { files } = this.#ports;
    const path = this.#heldFile;
    if (held.length === 0) return remove(files, path);
    const temporary = this.#layout.internal('journal', `.${this.token.session}`);
    await createAnew(files, temporary, JSON.stringify(held));
    await files.rename(temporary, path);
  }

  get #heldFile(): string {
    return this.#layout.internal('journal', `${this.token.session}.held`);
  }

  /** I4: a flag that may not come down now is left to the others. */
  #isFrozen(): boolean {
    const now = this.time();
    if (now === undefined) return false;
    const phase = momentOf(this.phases, now)?.phase;
    return phase !== 'commitment' && phase !== 'update';
  }

  /** The lease goes last: until then the others can tell that somebody is still at it. */
  async leave(): Promise<void> {
    const { files } = this.#ports;
    const staging = this.#member.staging();
    await this.#heartbeat?.stop();
    await this.#takeFlagDown(() => !this.#isFrozen());
    await remove(files, this.#heldFile);
    const names = await listOrNone(files, staging);
    if (!names.some(holdsRecords)) {
      for (const name of names) await remove(files, `${staging}/${name}`);
      await files.removeDirectory(staging).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') throw error;
      });
      const { tokenFile } = this.#member;
      if (tokenFile !== undefined) await remove(files, tokenFile);
    }
    await remove(files, this.#member.lease);
  }
}
