/** A volume on the simulator's disk, in virtual time. */
import { Disk } from '../../../src/sim/disk.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import type { Random } from '../../../src/engine/ports.ts';
import { openSession, type SessionOptions } from '../../../src/volume/directory-operations.ts';
import { Pulse, type StartHeartbeat } from '../../../src/volume/heartbeat.ts';
import type { Watch } from '../../../src/volume/cycle-loop.ts';
import { volumeEngine } from '../../../src/volume/engine.ts';
import { Layout } from '../../../src/volume/layout.ts';
import { openVolume, type VolumeFile } from '../../../src/volume/open.ts';
import type { VolumeOperations } from '../../../src/volume/operations.ts';
import type { PhaseLengths } from '../../../src/volume/phases/cycle.ts';
import { DiskFiles } from './disk-files.ts';
import type { VirtualTime } from './virtual-time.ts';

const DIRECTORY = '/volume';

type OpenOptions = Omit<SessionOptions, 'directory' | 'volume' | 'ownClock' | 'freshListings'>;

interface EngineOptions {
  readonly eager?: boolean;
  readonly watch?: Watch;
}

export class DiskVolume {
  readonly layout: Layout = new Layout(DIRECTORY);
  readonly files: DiskFiles;
  readonly #disk: Disk;
  readonly #time: VirtualTime;
  /** By session: stops its heartbeat. */
  readonly #stops = new Map<string, () => void>();
  #volume!: VolumeFile;

  private constructor(time: VirtualTime) {
    this.#time = time;
    this.#disk = new Disk(() => time.now, 0);
    this.files = new DiskFiles(this.#disk, () => time.now);
  }

  static async create(
    time: VirtualTime,
    phases: PhaseLengths,
    leaseMs: number,
  ): Promise<DiskVolume> {
    const made = new DiskVolume(time);
    await made.files.makeDirectory(DIRECTORY);
    made.#volume = await openVolume(made.files, made.layout, {
      defaults: { phases, lease: leaseMs },
      newId: () => 'volume-id',
      now: time.now,
    });
    return made;
  }

  open(
    random: Random,
    options: OpenOptions,
    files: DiskFiles = this.files,
  ): Promise<VolumeOperations> {
    const { clock } = this.#time;
    return openSession(
      { files, clock, random, startHeartbeat: this.#startHeartbeat },
      {
        ...options,
        directory: DIRECTORY,
        volume: this.#volume,
        ownClock: true,
        freshListings: true,
      },
    );
  }

  /** With workers that follow chains. */
  engine(random: Random, { eager = false, watch }: EngineOptions = {}): Engine {
    const silent = (): undefined => undefined;
    return volumeEngine(
      {
        files: this.files,
        clock: this.#time.clock,
        random,
        startHeartbeat: this.#startHeartbeat,
        log: { debug: silent, info: silent, warn: silent, error: silent },
        watch,
      },
      {
        directory: DIRECTORY,
        volume: this.#volume,
        host: 'host',
        pid: 1,
        ownClock: true,
        freshListings: true,
        assign: 'slices',
        follow: true,
        eager,
        gathering: { expect: undefined, quietMs: 0 },
      },
    );
  }

  /** Stops the session's heartbeat. */
  kill({ token }: Pick<VolumeOperations, 'token'>): void {
    this.silence(token.session);
  }

  silence(session: string): void {
    this.#stops.get(session)?.();
  }

  readonly #startHeartbeat: StartHeartbeat = ({ lease, counter, interval, onSample }) => {
    const time = this.#time;
    let [deadline, isBroken] = [Number.POSITIVE_INFINITY, false];
    let lastBeat = time.now;
    const rewrite = (content: string): number => {
      this.#disk.overwrite(lease, content, { client: 'heartbeat', stamp: () => time.now });
      return time.now;
    };
    const pulse = new Pulse({ ...time.clock, rewrite }, counter);
    const beat = (): void => {
      const result = pulse.beat(deadline);
      isBroken = result.kind === 'broken';
      if (result.kind === 'beat') {
        lastBeat = result.began.monotonic;
        onSample(result.sample);
      }
      if (!isBroken) cancel = time.queue.at(time.now + interval, beat);
    };
    let cancel = time.queue.at(time.now, beat);
    const stop = (): void => cancel();
    this.#stops.set(lease.slice(lease.lastIndexOf('/') + 1), stop);
    return {
      setDeadline: (monotonic) => void (deadline = monotonic),
      get broken() {
        return isBroken;
      },
      silence: () => time.now - lastBeat,
      stop: async () => stop(),
    };
  };
}
