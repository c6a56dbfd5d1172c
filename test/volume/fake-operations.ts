/** A session on a volume in memory, that does as it is told and notes what it was asked. */
import type { PendingEvent } from '../../src/machine/event-batch.ts';
import type { PastStep } from '../../src/machine/definition.ts';
import type { PhaseLengths } from '../../src/volume/phases/cycle.ts';
import type {
  Claims,
  ConfigurationName,
  StateRead,
  JournalEntry,
  Recovery,
  VolumeOperations,
  Snapshot,
  VolumeSettlement,
  Token,
  PhaseGuard,
} from '../../src/volume/operations.ts';
import { Ring } from '../../src/volume/phases/ring.ts';
import type { StillClock } from '../still-clock.ts';

type Claimed = Awaited<ReturnType<VolumeOperations['claim']>>;

export const NOTHING_RECOVERED: Recovery = {
  broken: [],
  dropped: [],
  finished: [],
  of: [],
  foreign: [],
  passedOver: [],
  claims: 0,
};

export class FakeOperations implements VolumeOperations {
  readonly token: Token;
  readonly lease: number = 10_000;
  readonly phases: PhaseLengths;
  /** Names it has claimed, and not given back. */
  readonly claims: Set<string> = new Set();
  /** All that it was asked to claim, in order. */
  readonly asked: string[] = [];
  /** Changes that were settled, by name. */
  readonly settled: VolumeSettlement[] = [];
  /** How many steps each call settled. */
  readonly bursts: number[] = [];
  readonly journaled: JournalEntry[] = [];
  readonly heldReports: string[] = [];
  /** Texts of configurations on the volume, by NAME:VERSION. */
  readonly stored: Map<string, string> = new Map();
  deadline: number | undefined;
  /** What the next call says, where it is not the usual. */
  onClaim: (name: string) => Claimed = () => 'ours';
  onRead: (name: string) => StateRead = () => text('{"state":"job"}');
  onEvents: () => readonly PendingEvent[] = () => [];
  /** An error that this step meets. */
  onSettle: (step: VolumeSettlement) => unknown = () => undefined;
  onJournal: () => void = () => undefined;
  readonly #clock: StillClock;

  constructor(clock: StillClock, phases: PhaseLengths, concurrency: number, capacity: number) {
    this.#clock = clock;
    this.phases = phases;
    const identity = { session: 'ant.1', worker: 'ant', host: 'h', pid: 1, machines: ['job'] };
    this.token = { flockwork: 1, ...identity, started: this.stamp(), concurrency, capacity };
  }

  time = (): { earliest: number; latest: number } => {
    const now = this.#clock.now();
    return { earliest: now, latest: now };
  };
  timeDoubt = (): {} => ({});
  sensor = (): undefined => undefined;
  history = async (): Promise<readonly PastStep[]> => [];
  events = async (): Promise<readonly PendingEvent[]> => this.onEvents();
  stamp = (): string => new Date(this.#clock.now()).toISOString();
  check = async (): Promise<'alive'> => 'alive';
  setDeadline = (monotonic: number): void => void (this.deadline = monotonic);
  rival = async (): Promise<undefined> => undefined;
  register = async (): Promise<boolean> => true;
  withdraw = async (): Promise<boolean> => true;
  readRoster = async (): Promise<Snapshot> => this.snapshot();
  countUnfinishedCommits = async (): Promise<number> => 0;
  announce = async (): Promise<void> => undefined;
  sessions = async (): Promise<readonly Token[]> => [this.token];
  configurations: VolumeOperations['configurations'] = {
    list: async () => [...this.stored.keys()].map(keyOf),
    get: async ({ name, version }) => this.stored.get(`${name}:${version}`),
  };
  recover = async (): Promise<Recovery> => NOTHING_RECOVERED;
  bringBack: VolumeOperations['bringBack'] = async () => [];
  leave = async (): Promise<void> => undefined;
  halt = async (): Promise<void> => undefined;
  archive = async (): Promise<number> => 0;

  async snapshot(): Promise<Snapshot> {
    const tasks = Ring.of([]);
    return { roster: [], paused: false, tasks, woken: new Set(), inProgress: 0, delayed: 0 };
  }

  async claim(name: string): Promise<Claimed> {
    this.asked.push(name);
    const outcome = this.onClaim(name);
    if (outcome === 'ours') this.claims.add(name);
    return outcome;
  }

  /** As on a volume, all but what is unusual. */
  async claimMany(
    next: () => string | undefined,
    limit: number,
    guard: PhaseGuard,
  ): Promise<Claims> {
    const [ours, others]: [string[], string[]] = [[], []];
    while (ours.length + others.length < limit && guard.canBegin()) {
      const name = next();
      if (name === undefined) break;
      const isPlain = !ours.includes(name) && this.#isPlain(name);
      if (isPlain) await this.claim(name);
      (isPlain ? ours : others).push(name);
    }
    return { ours, unsure: [], others };
  }

  #isPlain(name: string): boolean {
    try {
      return this.onClaim(name) === 'ours';
    } catch {
      return false;
    }
  }

  async readMany(): Promise<void> {}

  async readState(name: string): Promise<StateRead> {
    return this.onRead(name);
  }

  async settle(steps: readonly VolumeSettlement[], guard: PhaseGuard): Promise<void> {
    this.bursts.push(steps.length);
    for (const step of steps) {
      if (!guard.canBegin()) return;
      step.error = this.onSettle(step);
      if (step.error !== undefined) continue;
      const next = step.change.kind === 'commit' ? step.change.record?.next : undefined;
      step.followed = guard.follow && next !== undefined;
      if (step.followed) this.claims.add(next!.name);
      step.progress = 'settled';
      this.claims.delete(step.name);
      this.settled.push(step);
    }
  }

  async journal(entries: readonly JournalEntry[]): Promise<void> {
    this.onJournal();
    this.journaled.push(...entries);
  }

  async reportClaims(held: readonly { state: string; stage: string }[]): Promise<void> {
    this.heldReports.push(held.map(({ state, stage }) => `${state} ${stage}`).join(', '));
  }
}

function keyOf(word: string): ConfigurationName {
  const [name = '', version = ''] = word.split(':');
  return { name, version };
}

export const text = (content: string): StateRead => ({
  kind: 'text',
  bytes: new TextEncoder().encode(content),
  attempts: [],
});
