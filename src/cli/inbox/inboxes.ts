/** `--inbox`: checks, opens and watches hot folders. */
import { randomUUID } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { resolve, basename } from 'node:path';
import type { FSWatcher, watch } from 'chokidar';
import { isNetworkFileSystem, realClock } from '../../api/node-ports.ts';
import type { Log, Clock } from '../../engine/ports.ts';
import { UserError } from '../../machine/errors.ts';
import { listOrNone } from '../../volume/atomic-files.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { submitState } from '../../volume/submit.ts';
import { Wakeup } from '../../engine/waits.ts';
import type { Settings } from '../options.ts';
import { directoryOf } from '../volumes.ts';
import { HotFolder, type Submitter } from './inbox.ts';
import { isLeft, STABLE_MS, type Mode } from './rules.ts';

/** Absolute paths. Throws `no-inbox`, `bad-inbox`. */
function inboxesOf(paths: readonly string[], volumes: readonly string[]): string[] {
  const real = new Map<string, string>();
  for (const path of paths) {
    const inbox = resolve(path);
    if (statSync(inbox, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new UserError(
        'no-inbox',
        `cannot watch ${path}: it is not a directory; make it, or mount it there`,
        { path },
      );
    }
    const place = realpathSync(inbox);
    if (real.has(place)) {
      throw new UserError(
        'bad-inbox',
        `cannot watch ${path}: ${real.get(place)} is the same directory; give each inbox once`,
        { path },
      );
    }
    real.set(place, inbox);
    for (const volume of volumes) refuseOverlap(path, place, volume);
  }
  return [...real.values()];
}

function refuseOverlap(path: string, place: string, volume: string): void {
  let root: string;
  try {
    root = realpathSync(volume);
  } catch {
    // It does not exist: opening the volume reports that.
    return;
  }
  const isInside = (inner: string, outer: string): boolean => `${inner}/`.startsWith(`${outer}/`);
  const inner = ['submitted', 'refused'].some((folder) => isInside(root, `${place}/${folder}`));
  if (!isInside(place, root) && !inner) return;
  const what = inner ? `the volume ${volume} is inside it` : `it is inside the volume ${volume}`;
  throw new UserError(
    'bad-inbox',
    `cannot watch ${path}: ${what}; an inbox is a directory of its own`,
    { path, volume },
  );
}

export interface Inboxes {
  /** Returns a function to call repeatedly: false if nothing is left to take, and nothing was taken since its last call. */
  moreToCome(): () => boolean;
  close(): Promise<void>;
}

/** Throws `usage`, `several-volumes`, `no-inbox`, `bad-inbox`. */
export function checkInboxes(
  { inbox, machine, each }: Pick<Settings, 'inbox' | 'machine' | 'each'>,
  volumes: readonly string[],
): void {
  if (inbox.length === 0 && (each || machine !== undefined)) {
    throw new UserError(
      'usage',
      'cannot use --machine and --each without --inbox: they apply to its files',
    );
  }
  refuseUnclear(machine, each);
  if (inbox.length > 0) directoryOf({ dir: [...volumes] }, '--inbox');
  inboxesOf(inbox, volumes);
}

/** Resolves when all are watched. `volumes`: one, unless `paths` is empty. Throws what `inboxesOf` does. */
export async function openInboxes(
  paths: readonly string[],
  volumes: readonly string[],
  { machine, each }: Pick<Settings, 'machine' | 'each'>,
  log: Log,
): Promise<Inboxes> {
  refuseUnclear(machine, each);
  const submitter = volumeSubmitter(volumes[0]!);
  const now = (): number => realClock.monotonic();
  const directories = inboxesOf(paths, volumes);
  // Most workers have no inbox.
  const chokidar = directories.length === 0 ? undefined : await import('chokidar');
  const watches = directories.map((directory) => {
    const inbox = new HotFolder(
      { directory, machine: each ? machine : undefined },
      { submitter, log, now },
    );
    const isNetwork = isNetworkFileSystem(directory);
    log.info({ inbox: directory, polling: isNetwork }, 'watching inbox');
    return new InboxWatch(inbox, each ? 'each' : 'states', isNetwork, {
      watch: chokidar!.watch,
      clock: realClock,
      log,
    });
  });
  const taken = (): number => watches.reduce((sum, one) => sum + one.taken, 0);
  return {
    moreToCome: () => {
      let seen = 0;
      return () => {
        const before = seen;
        seen = taken();
        return seen !== before || watches.some(({ isEmpty }) => !isEmpty);
      };
    },
    close: async () => void (await Promise.all(watches.map((one) => one.close()))),
  };
}

/** Throws `usage`. */
function refuseUnclear(machine: string | undefined, each: boolean): void {
  if (each === (machine !== undefined)) {
    return;
  }
  const message = each
    ? '--each needs --machine: the machine of the instances'
    : '--machine needs --each here: any file in the inbox becomes an instance of it';
  throw new UserError('usage', message);
}

function volumeSubmitter(volume: string): Submitter {
  const files = new NodeFiles();
  const layout = new Layout(volume);
  return {
    submit: async (name, bytes) => {
      await submitState(files, layout, { name, bytes }, randomUUID());
      await files.sync(layout.root);
    },
    list: async () => new Set(await listOrNone(files, layout.entries)),
  };
}

/** Milliseconds between looks while a file is being written, and while nothing is. */
const BUSY_MS = 250;
const IDLE_MS = 30_000;
/** If chokidar cannot watch, for example without free inotify watches. */
const BLIND_MS = 2000;
/** Interval of chokidar's polling, on network file systems. */
const POLLING_MS = 1000;

interface WatchPorts {
  readonly watch: typeof watch;
  readonly clock: Clock;
  readonly log: Log;
}

/** Watches one inbox: chokidar reports files whose writing has finished; a regular look finds those that it missed. */
class InboxWatch {
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
    this.#watcher = ports.watch(directory, {
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
