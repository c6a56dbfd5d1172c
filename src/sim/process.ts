/**
 * A simulated worker process on a volume: the real worker on simulated ports. Besides what `HostProcess` can do, it can be
 * killed at any file operation, and lose its volume.
 */
import { sensorsOf, type Registry } from '../machine/registry.ts';
import { Layout } from '../volume/layout.ts';
import { openVolume } from '../volume/open.ts';
import { Pulse, silenceSince, type Heartbeat, type StartHeartbeat } from '../volume/heartbeat.ts';
import type { HostMoment } from '../volume/phases/volume-clock.ts';
import { openSession, type DirectoryOperations } from '../volume/directory-operations.ts';
import type { VolumeOperations, Snapshot } from '../volume/operations.ts';
import type { WorkerInfo } from '../engine/session.ts';
import { VolumeSession } from '../volume/engine.ts';
import type { Watch } from '../volume/cycle-loop.ts';
import { volumeConfigurations } from '../volume/client.ts';
import { SimFiles, type Caller } from './client.ts';
import { Disk, failure, MOUNT } from './disk.ts';
import { describeFault, ArmedFaults, type Fault, type FaultSource, type Method } from './faults.ts';
import type { HostClock } from './virtual-time.ts';
import {
  HostProcess,
  traceLog,
  type Exit,
  type HostProcessOptions,
  type ProcessWorld,
} from './host-process.ts';
import type { ArchiveRules } from '../volume/archiver.ts';
import type { GatheringOptions } from '../volume/phases/fleet.ts';
import type { PhaseLengths } from '../volume/phases/cycle.ts';
import type { Injection } from './outcome.ts';

/** What a simulated process on a volume is started with. */
export interface ProcessOptions extends HostProcessOptions {
  readonly phases: PhaseLengths;
  readonly assign: 'slices' | 'zip';
  readonly follow: boolean;
  readonly eager: boolean;
  /** Undefined: its first claim waits for no other worker. */
  readonly gathering?: GatheringOptions;
  readonly freshListings: boolean;
  /** What it asks for may happen twice: so it is on networks, and on no local file system. */
  readonly repeats: boolean;
  /** Milliseconds that one file operation takes, about. */
  readonly latency: number;
  /** What the volume says of a name that is taken. */
  readonly taken: 'EEXIST' | 'EPERM';
  /** Names that the volume lets one file have. */
  readonly maxLinks: number;
  /** Each worker is another user, and may not give the others' files a name. */
  readonly protectsLinks: boolean;
  /** Undefined: nothing is archived. */
  readonly archive?: ArchiveRules;
  /** Whose clock stamps mtime. */
  readonly stamps: 'volume' | 'client' | 'whole seconds';
}

/** The simulation's interface to processes on a volume. */
export interface SimulatedWorld extends ProcessWorld {
  readonly disk: Disk;
  afterUnlessPowerFails(ms: number, act: () => void): void;
  losePower(): void;
  injected(injection: Injection): void;
  /** A process begins a file operation. */
  asked(process: SimProcess, method: Method, path: string): void;
  /** A process's heartbeat reached the volume. */
  beats(process: SimProcess): void;
  ticked(process: SimProcess, state: string): void;
  /** Wraps a session, to observe its snapshots and claims. */
  observe(process: SimProcess, session: DirectoryOperations): VolumeOperations;
}

/** Milliseconds: time stamps are from the kernel's last tick. */
const STAMP_LAG = 8;

export class SimProcess extends HostProcess<ProcessOptions> {
  readonly actor: { readonly client: string; readonly stamp: () => number };
  session: DirectoryOperations | undefined;
  /** True times of the last beat that reached the volume, and of the one before. */
  lastBeat: number = Number.NEGATIVE_INFINITY;
  #beatBefore = Number.NEGATIVE_INFINITY;
  /** Until it finds its lease gone, or is told that it is. */
  beats: boolean = true;
  readonly armed: ArmedFaults = new ArmedFaults();
  readonly #world: SimulatedWorld;
  readonly #faults: FaultSource;
  #calls = 0;
  #unmounted: Disk | undefined;
  #unmountedAt = Number.NaN;
  #openedElsewhere = false;
  #hint: ((name: string) => void) | undefined;

  constructor(
    world: SimulatedWorld,
    name: string,
    clock: HostClock,
    faults: FaultSource,
    options: ProcessOptions,
  ) {
    super(world, name, clock, options);
    this.#world = world;
    this.#faults = faults;
    this.actor = { client: name, stamp: () => this.#stamp() };
  }

  /** Its heartbeats are recent and regular: no other session has reason to consider it dead. */
  get isLively(): boolean {
    const { lease } = this.options;
    const now = this.#world.now();
    return now - this.lastBeat < 0.5 * lease && now - this.#beatBefore < 0.75 * lease;
  }

  /** True time at which its volume was unmounted under it; undefined while it has it, or if it never had it. */
  get lostVolumeAt(): number | undefined {
    const hasLost = this.#unmounted !== undefined && !this.#openedElsewhere;
    return hasLost ? this.#unmountedAt : undefined;
  }

  protected async run(registry: Registry): Promise<Exit> {
    const { options } = this;
    const files = new SimFiles(this.#caller());
    const clock = this.clockPort();
    // Drawn whether the volume has an id or not: later draws are the same.
    const newId = `volume-${Math.floor(this.prng.next() * 1e9)}`;
    const volume = await openVolume(files, new Layout(MOUNT), {
      defaults: { phases: options.phases, lease: options.lease },
      newId: () => newId,
      now: this.#world.now(),
    });
    const random = (): number => this.prng.next();
    const ports = { files, clock, random, startHeartbeat: this.#heartbeat };
    const log = traceLog((text) => this.#world.trace(this.name, text));
    const { concurrency, capacity, freshListings } = options;
    const openOperations = async (info: WorkerInfo): Promise<VolumeOperations> => {
      this.session = await openSession(ports, {
        directory: MOUNT,
        volume,
        worker: options.worker,
        host: this.name,
        pid: 1,
        concurrency,
        capacity,
        ...info.machines(),
        sensors: sensorsOf(registry),
        freshListings: freshListings && !options.repeats,
        ...(options.archive && { archive: options.archive }),
      });
      this.#openedElsewhere = this.#unmounted !== undefined;
      return this.#world.observe(this, this.session);
    };
    const engine = {
      id: volume.id,
      configurations: volumeConfigurations(files, new Layout(MOUNT)),
      join: (info: WorkerInfo) =>
        VolumeSession.open(
          {
            clock,
            log,
            openOperations: () => openOperations(info),
            watch: freshListings ? this.#watch : undefined,
          },
          info,
          { gathering: { expect: undefined, quietMs: 0 }, ...options },
        ),
    };
    return this.work(engine, registry, {
      clock,
      log,
      onTick: (name) => this.#world.ticked(this, name),
    });
  }

  override resume(): void {
    this.armed.clear();
    super.resume();
  }

  /** The directory is there, and empty. */
  unmount(): void {
    this.#unmountedAt = this.#world.now();
    this.#unmounted = new Disk(() => this.#world.now(), 0);
    this.#unmounted.makeDirectory(MOUNT, this.actor);
  }

  mount(): void {
    this.#unmounted = undefined;
  }

  /** A file system event. */
  hint(name: string): void {
    this.deliver(() => this.#hint?.(name));
  }

  #stamp(): number {
    const { stamps } = this.options;
    if (stamps === 'client') return this.clock.wall();
    const lagging = this.#world.now() - this.prng.next() * STAMP_LAG;
    return stamps === 'volume' ? lagging : Math.floor(lagging / 1000) * 1000;
  }

  #caller(): Caller {
    const world = this.#world;
    return {
      begin: (method, path) => this.#begin(method, path),
      disk: () => this.#unmounted ?? world.disk,
      actor: this.actor,
      taken: this.options.taken,
      latency: () => this.options.latency * (0.5 + 1.5 * this.prng.next()) + this.#pending(),
      later: (ms, act) => world.afterUnlessPowerFails(ms, act),
      deliver: (act) => this.deliver(act),
      end: (method, path, outcome) =>
        world.trace(this.name, () => `${method} ${shorten(path)}: ${outcome}`),
      die: () => this.kill(),
      losePower: () => world.losePower(),
      now: () => world.now(),
      shuffle: (names) => this.prng.shuffle(names),
    };
  }

  /** What it asks for while a tick blocks it, it asks for afterwards. */
  #pending(): number {
    return Math.max(0, this.blockedUntil - this.#world.now());
  }

  #begin(method: Method, path: string): Fault | undefined {
    this.#calls += 1;
    const call = this.#calls;
    const armed = this.armed.fire(method, path, this.#world.now());
    if (armed?.kind === 'slow') this.suspend(armed.delay);
    const fault = armed ?? this.#faults(this.name, call, method, path);
    if (fault !== undefined) {
      const what = `${method} ${shorten(path)}: ${describeFault(fault)}`;
      // What a fault has set up is left out with the fault.
      if (armed === undefined) {
        this.#world.injected({ id: `${this.name}#${call}`, kind: fault.kind, what });
      }
      this.#world.trace(this.name, () => `#${call} ${what}`);
    }
    if (this.#unmounted === undefined) this.#world.asked(this, method, path);
    return fault;
  }

  /** File events do not cross a network. */
  readonly #watch: Watch = async (hint) => {
    this.#hint = hint;
    return async () => void (this.#hint = undefined);
  };

  /** The heartbeat's thread: SIGSTOP stops it, a tick that blocks does not. */
  readonly #heartbeat: StartHeartbeat = (options) => {
    const world = this.#world;
    let deadline = Number.POSITIVE_INFINITY;
    let [isBroken, isStopped] = [false, false];
    const now = (): HostMoment => ({ monotonic: this.clock.monotonic(), wall: this.clock.wall() });
    let lastBeat = now();
    const pulse = new Pulse(
      {
        now: () => this.clock.wall(),
        monotonic: () => this.clock.monotonic(),
        rewrite: (content) => this.#rewrite(options.lease, content),
      },
      options.counter,
    );
    this.beats = true;
    const beat = (): void => {
      if (isStopped || isBroken || !this.isAlive) return;
      const silentUntil = this.stoppedUntil;
      if (world.now() < silentUntil) {
        // A host that sleeps makes nothing overdue: what was left of the interval is left when it wakes.
        const left = this.clock.asleep > 0 ? this.prng.next() * options.interval : 0;
        return void world.at(silentUntil + left, beat);
      }
      const result = pulse.beat(deadline);
      if (result.kind === 'broken') {
        isBroken = true;
        this.beats = false;
        this.deliver(options.onBroken);
      } else if (result.kind === 'beat') {
        lastBeat = result.began;
        const { sample } = result;
        this.deliver(() => options.onSample(sample));
      }
      world.at(world.now() + this.clock.real(options.interval), beat);
    };
    beat();
    const heartbeat: Heartbeat = {
      setDeadline: (monotonic) => void (deadline = monotonic),
      get broken() {
        return isBroken;
      },
      silence: () => silenceSince(lastBeat, now()),
      stop: async () => void (isStopped = true),
    };
    return heartbeat;
  };

  #rewrite(lease: string, content: string): number {
    const fault = this.#begin('overwrite', lease);
    if (fault?.kind === 'crash-before') this.kill();
    if (fault?.kind === 'power') this.#world.losePower();
    if (fault?.kind === 'refused') throw failure(fault.errno, lease);
    if (!this.isAlive) throw failure('EIO', lease);
    const disk = this.#unmounted ?? this.#world.disk;
    disk.overwrite(lease, content, this.actor);
    if (fault?.kind === 'crash-after') this.kill();
    if (fault?.kind === 'lost') throw failure(fault.errno, lease);
    this.#beatBefore = this.lastBeat;
    this.lastBeat = this.#world.now();
    this.#world.beats(this);
    return disk.stat(lease)?.mtime ?? Number.NaN;
  }
}

/** A path relative to the volume's root. */
function shorten(path: string): string {
  return path.startsWith(MOUNT) ? path.slice(MOUNT.length + 1) || '.' : path;
}

interface Watcher {
  onSnapshot(snapshot: Snapshot): void;
  onClaim(name: string, outcome: Awaited<ReturnType<VolumeOperations['claim']>>): void;
}

/** A session that tells of what it has seen, and of what came of its claims. */
export function watched(session: VolumeOperations, watcher: Watcher): VolumeOperations {
  const own: Partial<VolumeOperations> = {
    snapshot: async (...args) => {
      const snapshot = await session.snapshot(...args);
      watcher.onSnapshot(snapshot);
      return snapshot;
    },
    claimMany: async (...args) => {
      const claims = await session.claimMany(...args);
      for (const name of claims.ours) watcher.onClaim(name, 'ours');
      return claims;
    },
    claim: async (...args) => {
      const outcome = await session.claim(...args);
      watcher.onClaim(args[0], outcome);
      return outcome;
    },
  };
  return new Proxy(session, {
    get: (target, property) => {
      const value: unknown =
        Reflect.get(own, property) ?? (Reflect.get(target, property, target) as unknown);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
