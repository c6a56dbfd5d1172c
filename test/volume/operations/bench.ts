/** A volume under test: sessions that a test opens and kills, and what a worker does with them. */
import { expect } from 'vitest';
import type { ClientApi, SendResult, SubmitResult } from '../../../src/engine/engine.ts';
import { done } from '../../../src/index.ts';
import type { EventFile } from '../../../src/machine/event.ts';
import { parseStateName } from '../../../src/machine/name.ts';
import type { CommitRecord, FailureRecord } from '../../../src/machine/record.ts';
import { machineNames } from '../../../src/machine/registry.ts';
import { Prng } from '../../../src/sim/prng.ts';
import { newSettlement } from '../../../src/volume/claimed-task.ts';
import type { SessionOptions } from '../../../src/volume/directory-operations.ts';
import { volumeClient } from '../../../src/volume/client.ts';
import type {
  PhaseGuard,
  VolumeSettlement,
  VolumeOperations,
} from '../../../src/volume/operations.ts';
import { cycleLength, cycleStart, type PhaseLengths } from '../../../src/volume/phases/cycle.ts';
import { decide, DECIDED_IN } from '../decide.ts';
import { DiskVolume } from './disk-volume.ts';
import { REGISTRY } from './machines.ts';
import { VirtualTime } from './virtual-time.ts';

export const LEASE_MS = 1000;
export const PHASES: PhaseLengths = { assignment: 40, commitment: 60, update: 120, buffer: 30 };
export const CYCLE_MS: number = cycleLength(PHASES);
/** How many quarters of a lease it takes, with a margin, until a session has expired and is recovered. */
export const RECOVERY_CYCLES = 14;

export const OPEN: PhaseGuard = {
  canBegin: () => true,
  canFinish: () => true,
  follow: false,
  cycle: DECIDED_IN,
};
export const FOLLOW: PhaseGuard = { ...OPEN, follow: true };
export const CLOSED: PhaseGuard = { ...OPEN, canBegin: () => false, canFinish: () => false };

export const LAMP = { state: 'lamp' };
export const COUNT = { state: 'count', payload: { left: 0 } };

interface Counts {
  readonly tasks: number;
  readonly inProgress: number;
  readonly delayed: number;
}

export const NOTHING_LEFT: Counts = { tasks: 0, inProgress: 0, delayed: 0 };

export class Bench {
  readonly time: VirtualTime;
  readonly client: ClientApi;
  readonly #volume: DiskVolume;
  readonly #prng = new Prng('operations');

  private constructor(time: VirtualTime, volume: DiskVolume) {
    this.time = time;
    this.#volume = volume;
    const { files, layout } = volume;
    const clock = { clock: time.clock, ownClock: true };
    this.client = volumeClient({ files, layout, ...clock, leaseMs: LEASE_MS });
  }

  static async create(): Promise<Bench> {
    const time = new VirtualTime();
    return new Bench(time, await DiskVolume.create(time, PHASES, LEASE_MS));
  }

  open(worker: string, more: Partial<SessionOptions> = {}): Promise<VolumeOperations> {
    return this.#volume.open(() => this.#prng.next(), {
      worker,
      host: 'host',
      pid: 1,
      concurrency: 2,
      capacity: 10,
      machines: machineNames(REGISTRY),
      sensors: ['lamp'],
      ...more,
    });
  }

  /** Opens sessions of the workers ant and bee. */
  async openPair(): Promise<readonly [VolumeOperations, VolumeOperations]> {
    return [await this.open('ant'), await this.open('bee')];
  }

  /** Stops the session's heartbeat; it expires one lease later. */
  kill(session: VolumeOperations): void {
    this.#volume.kill(session);
  }

  async submit(instance: string, file: unknown): Promise<string> {
    const name = parseStateName(instance) === undefined ? `${instance}.state` : instance;
    expect(await this.submitState(name, bytesOf(file))).toBe('submitted');
    return name;
  }

  async submitState(name: string, bytes: Uint8Array): Promise<SubmitResult> {
    const [result] = await this.client.submit([{ name, bytes }]);
    return result!;
  }

  async retry(name: string): Promise<boolean> {
    const [result] = await this.client.retry([name]);
    return result!;
  }

  async instances(): Promise<string[]> {
    const { instances } = await this.client.list({}, { limit: 1000 });
    return instances.map(({ instance }) => instance);
  }

  /** Failed state files. */
  async failed(): Promise<string[]> {
    const { instances } = await this.client.list({ status: 'failed' }, { limit: 1000 });
    return instances.map(({ name }) => name);
  }

  async send(to: string, id: string, file: Partial<EventFile> = {}): Promise<SendResult> {
    const [result] = await this.client.send([{ to, id, file: { event: 'press', ...file } }]);
    return result!;
  }

  /** Sends an event that must be new; returns its file's name. */
  async sendNew(...all: Parameters<Bench['send']>): Promise<string> {
    const sent = await this.send(...all);
    if (sent.kind !== 'sent') throw new Error(`expected event ${all[1]} to be new, got a result`);
    return sent.name;
  }

  /** Lets time pass, in which the sessions given must stay alive. */
  async pass(ms: number, ...alive: readonly VolumeOperations[]): Promise<void> {
    const end = this.time.now + ms;
    while (this.time.now < end) {
      await this.time.pass(Math.min(LEASE_MS / 8, end - this.time.now));
      for (const session of alive) expect(await session.check()).toBe('alive');
    }
  }

  /** Until the first cycle that begins at or after `time`: what was to wait until then is due in it. */
  async passUntilDue(time: number, ...alive: readonly VolumeOperations[]): Promise<void> {
    const start = cycleStart(PHASES, time - 1) + CYCLE_MS;
    await this.pass(Math.max(0, start - this.time.now), ...alive);
  }

  /** Kills sessions, and lets `survivor` recover until all that they had begun is finished. */
  async expire(survivor: VolumeOperations, ...killed: readonly VolumeOperations[]): Promise<void> {
    for (const session of killed) this.kill(session);
    for (let cycle = 0; cycle < RECOVERY_CYCLES; cycle += 1) {
      await this.pass(LEASE_MS / 4, survivor);
      await survivor.snapshot();
      await survivor.recover(cycle, OPEN);
    }
  }

  /** Of a new snapshot. */
  async counts(session: VolumeOperations): Promise<Counts> {
    const { tasks, inProgress, delayed } = await session.snapshot();
    return { tasks: tasks.size, inProgress, delayed };
  }

  /** Claims everything that may be claimed, and decides it. */
  async claimAll(session: VolumeOperations): Promise<VolumeSettlement[]> {
    await session.readRoster();
    const { tasks } = await session.snapshot();
    const steps: VolumeSettlement[] = [];
    for (const name of tasks.names) {
      if ((await session.claim(name, OPEN)) === 'ours') {
        steps.push(await this.decide(session, name));
      }
    }
    return steps;
  }

  /** A state with an activity ends its instance, with the worker's name as output. */
  decide(session: VolumeOperations, name: string): Promise<VolumeSettlement> {
    const answer = done(session.token.worker);
    return decide(session, name, REGISTRY, async () => ({ kind: 'answer', answer }));
  }

  /** Settles steps, none of which may meet an error. */
  async settle(
    session: VolumeOperations,
    steps: readonly VolumeSettlement[],
    guard: PhaseGuard = OPEN,
  ): Promise<void> {
    await session.settle(steps, guard);
    expect(steps.map(({ error }) => error)).toEqual(steps.map(() => undefined));
  }

  /** Runs cycles until nothing can be claimed. */
  async drain(session: VolumeOperations, guard: PhaseGuard = OPEN): Promise<void> {
    for (let cycle = 0; cycle < 30; cycle += 1) {
      const steps = await this.claimAll(session);
      await this.settle(session, steps, guard);
      expect(steps.map(({ progress }) => progress)).toEqual(steps.map(() => 'settled'));
      await session.recover(cycle, guard);
      if (steps.length === 0) return;
    }
    throw new Error('expected nothing to claim after 30 cycles, got more tasks');
  }

  /** Claims a state and fails it, as one whose machine is unknown. */
  async fail(session: VolumeOperations, name: string): Promise<void> {
    expect(await session.claim(name, OPEN)).toBe('ours');
    const record: FailureRecord = {
      flockwork: 1,
      state: name,
      session: session.token.session,
      worker: session.token.worker,
      at: session.stamp(),
      code: 'unknown-machine',
      reason: 'no such thing',
    };
    await this.settle(session, [newSettlement(name, { kind: 'fail', record })]);
  }

  /** `STATE FLAG` of each step of an instance. */
  async chain(instance: string): Promise<string[]> {
    const steps = await this.client.history(instance);
    return steps.map(({ state, flag }) => `${state} ${flag}`);
  }

  /** Ids of the events that were applied to an instance, in that order. */
  async applied(instance: string): Promise<string[]> {
    const steps = await this.client.history(instance);
    return steps.flatMap(({ events }) => events.map(({ id }) => id));
  }

  async outcome(id: string): Promise<string | undefined> {
    return (await this.client.eventResult(id))?.outcome.outcome;
  }
}

/** A step with a commit record: to its successor, or to the end of its instance. */
export function commitStep(
  session: VolumeOperations,
  name: string,
  more: Pick<CommitRecord, 'output' | 'next' | 'events' | 'emit'>,
  rules: { readonly rests?: boolean; readonly cycle?: number } = {},
): VolumeSettlement {
  const record: CommitRecord = {
    flockwork: 1,
    state: name,
    session: session.token.session,
    worker: session.token.worker,
    started: session.stamp(),
    finished: session.stamp(),
    ...more,
  };
  return newSettlement(name, { kind: 'commit', record, ...rules });
}

export { newSettlement };

export function bytesOf(file: unknown): Uint8Array {
  return new TextEncoder().encode(typeof file === 'string' ? file : JSON.stringify(file));
}
