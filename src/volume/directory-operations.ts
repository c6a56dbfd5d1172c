/** `VolumeOperations` of one session on a shared directory: puts lease, clock, token and the operations' files together. */
import type { PendingEvent } from '../machine/event-batch.ts';
import { UserError } from '../machine/errors.ts';
import type { PastStep } from '../machine/definition.ts';
import { isStateName } from '../machine/name.ts';
import type { StateFile } from '../machine/state-file.ts';
import { cycleLength, momentOf, type Interval, type PhaseLengths } from './phases/cycle.ts';
import type { Clock, Random } from '../engine/ports.ts';
import { ownsKey } from './phases/liveness.ts';
import { formatInstant, readClocks } from './phases/volume-clock.ts';
import { VolumeTime } from './volume-time.ts';
import { NO_ARCHIVE, type ArchiveRules } from './archiver.ts';
import { isRewritten, readTried, RetryDelays } from './attempts.ts';
import { claimPlain, readPlain } from './burst.ts';
import { drive } from './calls.ts';
import { AgeTimer, claim, lookForArchive } from './claim.ts';
import { OpenStates, Listings } from './listings.ts';
import { getConfiguration, listConfigurations } from './configurations.ts';
import type {
  Claims,
  ClusterView,
  HeldClaim,
  StateRead,
  JournalEntry,
  Recovering,
  Recovery,
  VolumeOperations,
  Snapshot,
  TimeDoubt,
  VolumeSettlement,
  PhaseGuard,
} from './operations.ts';
import { DroppedEvents } from './dropped.ts';
import { recreate, readText, remove } from './atomic-files.ts';
import type { Files } from './files.ts';
import { FailedFiles } from './failed-files.ts';
import { formatCounter, type Heartbeat, type StartHeartbeat } from './heartbeat.ts';
import { EventIndex, takeEvents } from './inbox.ts';
import { readState } from './read-state.ts';
import { Journal } from './journal.ts';
import { Layout } from './layout.ts';
import { LeaseWatch } from './lease-watch.ts';
import { Maintenance, OUTCOMES_KEPT_MS } from './maintenance.ts';
import { SessionContext } from './session-context.ts';
import { readSessions } from './overview.ts';
import { UnroutableEvents } from './unroutable-events.ts';
import { Recoverer } from './recovery.ts';
import { readPastSteps } from './chain-steps.ts';
import { RosterReader } from './roster-reader.ts';
import { Sensors, takeSnapshot, type SnapshotReaders } from './snapshot.ts';
import { settle } from './settle.ts';
import { claimReportPath, removeStaging } from './staging.ts';
import type { KnownMachines } from '../engine/session.ts';
import { fitToken, newSessionId, type Token } from './token.ts';
import { parseVolumeFile, type VolumeFile } from './open.ts';
import { WorkerFlag } from './registration.ts';

export interface SessionOptions {
  readonly directory: string;
  readonly volume: VolumeFile;
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  /** See `Token`. */
  readonly process?: string | undefined;
  readonly concurrency: number;
  readonly capacity: number;
  readonly machines: readonly string[];
  /** Of some machines: see `Token`. */
  readonly states?: Token['states'];
  /** Instances that some of the machines observe. */
  readonly sensors?: readonly string[];
  /** The volume's time stamps come from this host's clock. */
  readonly ownClock?: boolean;
  /** Reads and listings are never stale: there are no caches. */
  readonly freshListings?: boolean;
  /** Undefined: this session archives nothing. */
  readonly archive?: ArchiveRules;
  /** Milliseconds for which the outcome of an event stays, so that its id counts once. Undefined: seven days. */
  readonly keepOutcomesMs?: number;
}

export interface SessionPorts {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly startHeartbeat: StartHeartbeat;
}

/** Writes to the lease before the first phase, to measure the volume's time. */
const FIRST_SAMPLES = 5;
const BEATS_PER_LEASE = 5;
/** No other session's clock runs so much faster that a lease expires earlier. */
const SAFE_LEASE_PART = 0.9;
/** No volume's time stamps are coarser. */
const MAX_STAMP_RESOLUTION_MS = 2000;

export async function openSession(
  ports: SessionPorts,
  options: SessionOptions,
): Promise<DirectoryOperations> {
  const session = new DirectoryOperations(ports, options);
  try {
    await session.open();
    return session;
  } catch (error) {
    // Stops the heartbeat, and leaves no files: each retry on a full volume would add some.
    await session.leave().catch(() => undefined);
    throw error;
  }
}

export class DirectoryOperations implements VolumeOperations {
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly token: Token;
  readonly configurations: VolumeOperations['configurations'];
  readonly #ports: SessionPorts;
  readonly #volume: VolumeFile;
  readonly #layout: Layout;
  readonly #context: SessionContext;
  readonly #leases: LeaseWatch;
  readonly #recoverer: Recoverer;
  readonly #flag: WorkerFlag;
  readonly #maintenance: Maintenance;
  readonly #listings: Listings;
  readonly #roster: RosterReader;
  readonly #freshListings: boolean;
  readonly #retryDelays: RetryDelays;
  readonly #snapshotReaders: SnapshotReaders;
  readonly #journal: Journal;
  readonly #sensors: Sensors;
  readonly #unroutable: UnroutableEvents;
  readonly #dropped: DroppedEvents;
  readonly #failedFiles: FailedFiles;
  readonly #time: VolumeTime;
  #heartbeat: Heartbeat | undefined;

  constructor(ports: SessionPorts, options: SessionOptions) {
    const { clock, random, files } = ports;
    const monotonic = (): number => clock.monotonic();
    this.#ports = ports;
    this.#volume = options.volume;
    this.phases = options.volume.phases;
    this.lease = options.volume.lease;
    const cycle = cycleLength(this.phases);
    this.#freshListings = options.freshListings ?? false;
    this.#layout = new Layout(options.directory);
    this.configurations = {
      get: (key) => getConfiguration(files, this.#layout, key),
      list: () => listConfigurations(files, this.#layout),
    };
    this.#time = new VolumeTime(clock, this.phases, options.ownClock ?? false);
    this.token = fitToken({
      flockwork: 1,
      session: newSessionId(options.worker, random),
      worker: options.worker,
      host: options.host,
      pid: options.pid,
      ...(options.process !== undefined && { process: options.process }),
      started: formatInstant(clock.now()),
      concurrency: options.concurrency,
      capacity: options.capacity,
      machines: [...options.machines],
      ...(options.states && { states: options.states }),
    });
    this.#context = new SessionContext(
      files,
      this.#layout,
      this.token,
      () => this.stamp(),
      () => this.#isSafe(),
    );
    this.#leases = new LeaseWatch(this.#context, this.lease, monotonic);
    this.#recoverer = new Recoverer(this.#context, this.#leases, this.lease, monotonic);
    this.#flag = new WorkerFlag(this.#context, this.#leases);
    const rules = options.archive ?? NO_ARCHIVE;
    const clocks = [monotonic, (): number => clock.now()];
    this.#context.claims = new AgeTimer(clocks, rules.pause / 2);
    this.#context.noArchive = new AgeTimer(clocks, rules.pause / 2);
    this.#maintenance = new Maintenance(this.#context, rules, {
      monotonic,
      living: () => this.#leases.living(),
      // After a lease without a sample, a bad clock may be off by more than a flag's age.
      volumeTime: () => (this.#silence < this.lease ? this.time()?.earliest : undefined),
      created: Date.parse(options.volume.created),
      keepOutcomesMs: options.keepOutcomesMs ?? OUTCOMES_KEPT_MS,
    });
    const settledMs = Math.max(this.lease, MAX_STAMP_RESOLUTION_MS);
    this.#listings = new Listings(files, settledMs, monotonic);
    const keepsRoster = this.#freshListings ? settledMs : Number.POSITIVE_INFINITY;
    this.#roster = new RosterReader(files, this.#layout, keepsRoster, monotonic);
    this.#journal = new Journal(files, this.#layout, this.token.session);
    this.#unroutable = new UnroutableEvents(this.#context, monotonic);
    this.#dropped = new DroppedEvents(this.#context, monotonic, cycle);
    this.#failedFiles = new FailedFiles(this.#context);
    this.#sensors = new Sensors(files, this.#layout, options.sensors ?? []);
    this.#retryDelays = new RetryDelays(monotonic, cycle);
    const openStates = new OpenStates(files, this.#layout, this.#listings, this.lease, monotonic);
    this.#snapshotReaders = {
      files,
      layout: this.#layout,
      listings: this.#listings,
      openStates,
      retryDelays: this.#retryDelays,
      eventIndex: new EventIndex(files, this.#layout, monotonic, cycle),
    };
  }

  async open(): Promise<void> {
    const { files, clock } = this.#ports;
    const { lease } = this.#context;
    await recreate(files, lease, formatCounter(0));
    for (let counter = 1; counter <= FIRST_SAMPLES; counter += 1) {
      const before = Math.floor(clock.now());
      await files.overwrite(lease, formatCounter(counter));
      const { wall, monotonic } = readClocks(
        () => clock.monotonic(),
        () => clock.now(),
      );
      const mtime = (await files.stat(lease))?.mtime ?? Number.NaN;
      this.#time.add({ before, after: Math.floor(wall) + 1, mtime, monotonic });
    }
    this.#heartbeat = this.#ports.startHeartbeat({
      lease,
      counter: FIRST_SAMPLES,
      interval: this.lease / BEATS_PER_LEASE,
      onSample: (sample) => this.#time.add(sample),
      onBroken: () => undefined,
    });
    await this.#context.introduce();
    await this.#recoverer.observe();
  }

  time(): Interval | undefined {
    return this.#time.interval();
  }

  timeDoubt(): TimeDoubt {
    return this.#time.doubt;
  }

  stamp(): string {
    return this.#time.stamp();
  }

  async check(): Promise<'alive' | 'broken'> {
    const { files } = this.#ports;
    const text = await readText(files, this.#layout.volumeFile);
    if (text === undefined || parseVolumeFile(text)?.id !== this.#volume.id) {
      throw new UserError(
        'volume-gone',
        `${this.#layout.root} is not the volume it was (unmounted, or replaced?); mount it again and start again`,
        { directory: this.#layout.root, expected: this.#volume.id },
      );
    }
    if (this.#heartbeat?.broken !== false) return 'broken';
    // No beat for a lease (stopped, suspended, starved): only the file tells.
    if (this.#silence < this.lease) return 'alive';
    return (await files.stat(this.#context.lease)) === undefined ? 'broken' : 'alive';
  }

  /**
   * True while no other session can have expired this lease: it must have read the same counter for a whole lease, and the
   * last beat, which found the file, is younger. Only without caches (I8).
   */
  #isSafe(): boolean {
    if (!this.#freshListings || this.#heartbeat?.broken !== false) return false;
    return this.#silence < SAFE_LEASE_PART * this.lease;
  }

  get #silence(): number {
    return this.#heartbeat?.silence() ?? Number.POSITIVE_INFINITY;
  }

  setDeadline(monotonic: number): void {
    this.#heartbeat?.setDeadline(monotonic);
  }

  rival(): Promise<Token | undefined> {
    return this.#flag.rival();
  }

  register(guard: PhaseGuard): Promise<boolean> {
    return this.#flag.set(guard);
  }

  withdraw({ canBegin }: PhaseGuard): Promise<boolean> {
    return this.#flag.takeDown(canBegin);
  }

  async readRoster(): Promise<ClusterView> {
    const view = await this.#roster.read();
    if (this.#freshListings) await lookForArchive(this.#context);
    await this.#sensors.look();
    const attempted = await this.#listings.list(this.#layout.internal('attempts'), isStateName);
    this.#context.attempted = new Set(attempted);
    this.#context.registered = view.roster.map(({ session: name }) => name);
    return view;
  }

  async snapshot(arrived?: ReadonlySet<string>, view?: ClusterView): Promise<Snapshot> {
    const now = this.#time.cycleStart();
    const snapshot = await takeSnapshot(this.#snapshotReaders, arrived, view, now);
    const { attempted, failed, waiting, overdue, inbox, orphans } = snapshot;
    Object.assign(this.#context, { attempted, failed, waiting, overdue, inbox, orphans });
    this.#context.registered = snapshot.roster.map(({ session: name }) => name);
    return snapshot;
  }

  countUnfinishedCommits(): Promise<number> {
    return this.#recoverer.countUnfinishedCommits();
  }

  claimMany(...[next, limit, guard]: Parameters<VolumeOperations['claimMany']>): Promise<Claims> {
    const names = { next, limit, isFresh: this.#freshListings };
    return drive(this.#ports.files, claimPlain(this.#context, names, guard));
  }

  readMany(...[names, onRead]: Parameters<VolumeOperations['readMany']>): Promise<void> {
    return drive(this.#ports.files, readPlain(this.#context, names, onRead));
  }

  claim(name: string, guard: PhaseGuard): ReturnType<VolumeOperations['claim']> {
    const isTried = this.#context.attempted.has(name);
    return isTried ? this.#claimAgain(name, guard) : claim(this.#context, name, guard);
  }

  /** An attempt may have been counted since the listing. */
  async #claimAgain(name: string, guard: PhaseGuard): ReturnType<VolumeOperations['claim']> {
    const tried = await readTried(this.#ports.files, this.#layout, name);
    const isDue =
      this.#retryDelays.isOver(name, tried, this.time()?.earliest) ||
      (await isRewritten(this.#ports.files, this.#layout, name, tried));
    if (!isDue || !guard.canBegin()) return 'delayed';
    return claim(this.#context, name, guard);
  }

  readState(name: string): Promise<StateRead> {
    return readState(this.#context, name);
  }

  sensor(instance: string): StateFile | undefined {
    return this.#sensors.read(instance);
  }

  history(name: string): Promise<readonly PastStep[]> {
    return readPastSteps(this.#ports.files, this.#layout, name);
  }

  events(name: string): Promise<readonly PendingEvent[]> {
    return takeEvents(this.#context, name);
  }

  announce(known: KnownMachines): Promise<void> {
    return this.#context.announce(known);
  }

  async sessions(): Promise<readonly Token[]> {
    const tokens = await readSessions(this.#ports.files, this.#layout);
    return tokens.filter(({ session }) => !this.#leases.isDead(session));
  }

  settle(steps: readonly VolumeSettlement[], guard: PhaseGuard): Promise<void> {
    return settle(this.#context, steps, guard);
  }

  async recover(cycle: number, guard: PhaseGuard, how?: Recovering): Promise<Recovery> {
    const recovery = await this.#recoverer.recover(cycle, guard, how);
    const { session } = this.token;
    const living = this.#leases.living();
    await this.#unroutable.rejectUnroutable(guard, (one) => ownsKey(one, session, living, cycle));
    await this.#dropped.take(guard, cycle, (one, turn) => ownsKey(one, session, living, turn));
    return { ...recovery, passedOver: this.#context.passedOver.take() };
  }

  bringBack(...[cycle, guard, runs]: Parameters<VolumeOperations['bringBack']>): Promise<string[]> {
    const { session } = this.token;
    const living = this.#leases.living();
    const ownsKeyIn = (name: string, turn: number): boolean => ownsKey(name, session, living, turn);
    return this.#failedFiles.bringBack({ cycle, guard, ownsKeyIn, runs });
  }

  archive(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<number> {
    return this.#maintenance.work(cycle, guard, isBusy);
  }

  journal(entries: readonly JournalEntry[]): Promise<void> {
    return this.#journal.append(entries);
  }

  async reportClaims(held: readonly HeldClaim[]): Promise<void> {
    const { files } = this.#ports;
    if (held.length === 0) return void (await remove(files, this.#claimReport));
    await this.#context.ensureStaging();
    const temporary = `${this.#claimReport}~`;
    await recreate(files, temporary, JSON.stringify(held));
    await files.rename(temporary, this.#claimReport);
  }

  get #claimReport(): string {
    return claimReportPath(this.#layout, this.token.session);
  }

  /** I4: true in a phase in which this session may not remove its flag; recovery does it then. */
  #isFrozen(): boolean {
    const now = this.time();
    if (now === undefined) return false;
    const phase = momentOf(this.phases, now)?.phase;
    return phase !== 'commitment' && phase !== 'update';
  }

  /** Removes the session from the volume. The lease goes last: until then, the session counts as alive. */
  async leave(): Promise<void> {
    const { files } = this.#ports;
    const { passedOver, ownTokenFiles } = this.#context;
    await this.#heartbeat?.stop();
    await this.#flag.takeDown(() => !this.#isFrozen());
    // NFS keeps a file that is open somewhere as `.nfsXXXX`, and so its directory: recovery removes these.
    await passedOver.guard('.flockwork/staging', async () => {
      if (!(await removeStaging(files, this.#layout, this.token.session))) return;
      for (const path of ownTokenFiles) await remove(files, path);
    });
    await remove(files, this.#context.lease);
  }

  async halt(): Promise<void> {
    await this.#heartbeat?.stop();
  }
}
