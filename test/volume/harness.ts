/** Sessions on a real temporary directory, with clocks that stand still and heartbeats on demand. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommitRecord } from '../../src/machine/record.ts';
import type { PhaseLengths } from '../../src/volume/phases/cycle.ts';
import type { ArchiveRules } from '../../src/volume/archiver.ts';
import type { VolumeSettlement } from '../../src/volume/operations.ts';
import type { Files } from '../../src/volume/files.ts';
import { formatCounter, silenceSince } from '../../src/volume/heartbeat.ts';
import type { HostMoment } from '../../src/volume/phases/volume-clock.ts';
import { Layout } from '../../src/volume/layout.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { openVolume, type VolumeFile } from '../../src/volume/open.ts';
import { openSession, type DirectoryOperations } from '../../src/volume/directory-operations.ts';
import { newSettlement as step } from '../../src/volume/claimed-task.ts';
import { CLOSED, FOLLOW, OPEN } from './guards.ts';

export { CLOSED, FOLLOW, OPEN };

export const LEASE = 10_000;
const PHASES: PhaseLengths = { assignment: 150, commitment: 150, update: 400, buffer: 100 };

/** Without fsync, which takes most of the time: these tests have no power failures. */
export const quickFiles = (): Files => new NodeFiles({ durable: false });

export interface TestSession {
  readonly session: DirectoryOperations;
  readonly beat: () => void;
}

export class TestVolume implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'flockwork-volume-'));
  readonly layout: Layout = new Layout(this.dir);
  volume!: VolumeFile;
  /** Milliseconds. */
  #passed = 0;
  #slept = 0;
  /** Number of running heartbeats. */
  beating = 0;

  static async create(phases: PhaseLengths = PHASES): Promise<TestVolume> {
    const made = new TestVolume();
    made.volume = await openVolume(quickFiles(), made.layout, {
      defaults: {
        phases,
        lease: LEASE,
      },
      newId: () => 'volume-id',
      now: Date.now(),
    });
    return made;
  }

  pass(ms: number): void {
    this.#passed += ms;
  }

  /** Suspends the hosts of all sessions: their monotonic clocks stand still. */
  sleep(ms: number): void {
    this.#slept += ms;
  }

  async join(
    worker: string,
    files: Files = quickFiles(),
    machines: string[] = ['simple'],
    archive?: ArchiveRules,
    freshListings: boolean = false,
  ): Promise<TestSession> {
    let counter = 0;
    let stopped = false;
    let lease = '';
    const clock = {
      now: () => Date.now() + this.#passed + this.#slept,
      monotonic: () => performance.now() + this.#passed,
      sleep: async () => undefined,
    };
    let broken = false;
    const now = (): HostMoment => ({ monotonic: clock.monotonic(), wall: clock.now() });
    let lastBeat = now();
    const beat = (): void => {
      if (stopped) return;
      try {
        readFileSync(lease);
        writeFileSync(lease, formatCounter((counter += 1)));
        lastBeat = now();
      } catch {
        broken = true;
      }
    };
    const session = await openSession(
      {
        files,
        clock,
        random: Math.random,
        startHeartbeat: (options) => {
          counter = options.counter;
          lease = options.lease;
          this.beating += 1;
          return {
            setDeadline: () => undefined,
            get broken() {
              return broken;
            },
            silence: () => silenceSince(lastBeat, now()),
            stop: async () => {
              if (!stopped) this.beating -= 1;
              stopped = true;
            },
          };
        },
      },
      {
        directory: this.dir,
        volume: this.volume,
        worker,
        host: 'host',
        pid: 1,
        concurrency: 2,
        capacity: 10,
        machines,
        freshListings,
        ...(archive && { archive }),
      },
    );
    return { session, beat };
  }

  /** Lets a lease pass in which only the given sessions beat; recovers until nothing changes. */
  async expire(survivor: TestSession, ...others: TestSession[]): Promise<void> {
    for (let cycle = 0; cycle < 12; cycle += 1) {
      this.pass(LEASE / 4);
      for (const one of [survivor, ...others]) one.beat();
      await survivor.session.recover(cycle, OPEN);
    }
  }

  put(name: string, content: unknown = { state: 'simple', payload: {} }): void {
    writeFileSync(
      join(this.dir, name),
      typeof content === 'string' ? content : JSON.stringify(content),
    );
  }

  list(...path: string[]): string[] {
    return readdirSync(join(this.dir, ...path)).sort();
  }

  read(...path: string[]): string {
    return readFileSync(join(this.dir, ...path), 'utf8');
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A step of `name` that leads to its successor. */
export function commitStep(
  { session }: TestSession,
  name: string,
  next?: { name: string; content: string },
): VolumeSettlement {
  const { token } = session;
  const record: CommitRecord = {
    flockwork: 1,
    state: name,
    session: token.session,
    worker: token.worker,
    started: session.stamp(),
    finished: session.stamp(),
    ...(next === undefined ? { output: token.worker } : { next }),
  };
  return step(name, { kind: 'commit', record });
}

export { step };

export const bareStep = (name: string): VolumeSettlement =>
  step(name, { kind: 'commit', record: undefined });

/** Files whose every call goes through `intercept`, with its number; `act` makes the call. */
export function interceptFiles(
  inner: Files,
  intercept: (
    call: number,
    method: keyof Files,
    args: readonly string[],
    act: () => Promise<unknown>,
  ) => Promise<unknown>,
): { files: Files; calls: () => number } {
  let calls = 0;
  const files = new Proxy(inner, {
    get(target, property) {
      // Each call is intercepted.
      if (property === 'direct') return undefined;
      const method = property as keyof Files;
      return (...args: string[]) => {
        calls += 1;
        return intercept(calls, method, args, () =>
          (target[method] as (...all: string[]) => Promise<unknown>)(...args),
        );
      };
    },
  });
  return { files, calls: () => calls };
}

/** All file operations from the `limit`-th on fail; with `after`, that one takes effect first. */
export interface CrashPoint {
  readonly limit: number;
  readonly after: boolean;
}

/** The files of a process that crashes there, counted from `arm` on; `used` is the number of operations since. */
export function crashingFiles(
  inner: Files,
  { limit, after }: CrashPoint,
  failure: Error = errno('EIO'),
): { files: Files; arm: () => void; used: () => number } {
  let isArmed = false;
  let used = 0;
  const { files } = interceptFiles(inner, async (_call, _method, _args, act) => {
    if (!isArmed) return act();
    used += 1;
    if (used < limit) return act();
    if (used === limit && after) await act();
    throw failure;
  });
  return { files, arm: () => void (isArmed = true), used: () => used };
}

/**
 * Calls `crash` for each operation in turn, before it and after it. `crash` returns the number of operations that were
 * begun: fewer than `limit` are all that there are. Returns that limit.
 */
export async function forEachCrash(crash: (point: CrashPoint) => Promise<number>): Promise<number> {
  for (let limit = 1; ; limit += 1) {
    const used = await crash({ limit, after: false });
    await crash({ limit, after: true });
    if (used < limit) return limit;
  }
}

export function errno(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
