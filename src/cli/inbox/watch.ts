/** Runs an inbox: chokidar reports files whose writing has finished; a regular look finds those that it missed. */
import { basename } from 'node:path';
import { watch, type FSWatcher } from 'chokidar';
import type { Clock, Log } from '../../engine/ports.ts';
import { Wakeup } from '../../volume/wakeup.ts';
import type { HotFolder } from './inbox.ts';
import { isLeft, STABLE_MS, type Mode } from './rules.ts';

/** Milliseconds between looks while a file is being written, and while nothing is. */
const BUSY_MS = 250;
const IDLE_MS = 30_000;
/** If chokidar cannot watch, for example without free inotify watches. */
const BLIND_MS = 2000;
/** Interval of chokidar's polling, on network file systems. */
const POLLING_MS = 1000;

export interface WatchPorts {
  readonly clock: Clock;
  readonly log: Log;
}

export class InboxWatch {
  readonly #inbox: HotFolder;
  readonly #ports: WatchPorts;
  readonly #alarm: Wakeup;
  readonly #watcher: FSWatcher;
  readonly #running: Promise<void>;
  #written = new Set<string>();
  #isClosed = false;
  /** The last look, with a recovery, had no error. */
  #isSettled = false;
  #isBlind = false;
  #isLooking = false;
  #complaint: string | undefined;

  /** `isNetwork`: the kernel does not report changes by other hosts. */
  constructor(inbox: HotFolder, mode: Mode, isNetwork: boolean, ports: WatchPorts) {
    this.#inbox = inbox;
    this.#ports = ports;
    this.#alarm = new Wakeup(ports.clock);
    const { directory } = inbox;
    this.#watcher = watch(directory, {
      depth: 0,
      ignored: (path) => path !== directory && isLeft(basename(path), mode),
      // `awaitWriteFinish` does not wait for files that exist at the start.
      ignoreInitial: true,
      followSymlinks: false,
      awaitWriteFinish: { stabilityThreshold: STABLE_MS, pollInterval: BUSY_MS },
      backend: isNetwork ? 'polling' : 'native',
      pollingInterval: POLLING_MS,
      pollingBinaryInterval: POLLING_MS,
      persistent: false,
    });
    const note = (path: string): void => {
      this.#written.add(basename(path));
      this.#alarm.signal();
    };
    this.#watcher.on('add', note).on('change', note);
    this.#watcher.on('error', (error) => {
      this.#isBlind = true;
      this.#complain(error, 'cannot watch inbox; polling instead');
    });
    this.#running = this.#run();
  }

  /** True if the last look left nothing to take. */
  get isEmpty(): boolean {
    const isIdle = !this.#isLooking && this.#written.size === 0;
    return this.#isSettled && isIdle && !this.#inbox.isPending;
  }

  get taken(): number {
    return this.#inbox.taken;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#alarm.signal();
    await this.#watcher.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#ports;
    let recovered = Number.NEGATIVE_INFINITY;
    while (!this.#isClosed) {
      const now = clock.monotonic();
      const isDue =
        now - recovered >= (this.#isSettled && !this.#inbox.isPending ? IDLE_MS : BLIND_MS);
      const isSettled = await this.#pass(isDue);
      if (isDue) recovered = now;
      this.#isSettled = isSettled && (isDue || this.#isSettled);
      await this.#alarm.sleep(this.#pause(), () => this.#isClosed || this.#written.size > 0);
    }
  }

  #pause(): number {
    if (!this.#isSettled || this.#inbox.isPending) return BUSY_MS;
    return this.#isBlind ? BLIND_MS : IDLE_MS;
  }

  async #pass(recovers: boolean): Promise<boolean> {
    const written = [...this.#written];
    this.#written.clear();
    this.#isLooking = true;
    try {
      for (const name of written) await this.#inbox.noteWritten(name);
      await this.#inbox.look();
      if (recovers) await this.#inbox.recover();
      this.#complaint = undefined;
      return true;
    } catch (error) {
      this.#complain(error, 'cannot process inbox; will retry');
      return false;
    } finally {
      this.#isLooking = false;
    }
  }

  /** Logs an error once, until a look succeeds. */
  #complain(error: unknown, what: string): void {
    const complaint = `${what}: ${(error as Error).message}`;
    if (complaint !== this.#complaint) {
      this.#ports.log.warn({ inbox: this.#inbox.directory, err: error }, what);
    }
    this.#complaint = complaint;
  }
}
