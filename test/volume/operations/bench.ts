/** A store under exercise: sessions that live and die when a test says so, and what a worker would do with them. */
import { expect } from 'vitest';
import { parseStateName } from '../../src/machine/name.ts';
import type { CommitRecord, FailureRecord } from '../../src/machine/record.ts';
import { machineNames, sensorsOf } from '../../src/machine/registry.ts';
import { cycleLength, cycleStart, type PhaseLengths } from '../../src/volume/phases/cycle.ts';
import type { Random } from '../../src/engine/ports.ts';
import { Prng } from '../../src/sim/prng.ts';
import type { Recruit, Sent, Store } from '../../src/engine/engine.ts';
import type { EventFile } from '../../src/machine/event.ts';
import type { VolumeOperations, Step, PhaseGuard } from '../../src/volume/operations.ts';
import { judge, newStep, type Scene } from '../../src/worker/plan.ts';
import { readingOf, receive } from '../../src/worker/apply-events.ts';
import { REGISTRY } from './machines.ts';
import { Time } from './time.ts';

export const LEASE = 1000;
const PHASES: PhaseLengths = { assignment: 40, commitment: 60, update: 120, buffer: 30 };
/** Milliseconds. */
export const CYCLE_LENGTH: number = cycleLength(PHASES);
/** Of the manual sessions; workers go by the clock. */
export const CYCLE = 7;
export const OPEN: PhaseGuard = {
  canBegin: () => true,
  canFinish: () => true,
  follow: false,
  cycle: CYCLE,
};
export const FOLLOW: PhaseGuard = { ...OPEN, follow: true };
export const CLOSED: PhaseGuard = { ...OPEN, canBegin: () => false, canFinish: () => false };

export interface Settings {
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly random: Random;
}

export interface Made {
  readonly store: Store;
  /** From now on this session gives no sign of life; nobody calls it any more. */
  readonly kill: (session: VolumeOperations) => void;
}

/** A new, empty store, which goes by this time and nothing else. */
export type MakeStore = (time: Time, settings: Settings) => Promise<Made>;

export class Bench {
  readonly time: Time;
  readonly made: Made;

  private constructor(time: Time, made: Made) {
    this.time = time;
    this.made = made;
  }

  static async of(make: MakeStore): Promise<Bench> {
    const time = new Time();
    const prng = new Prng('exercise');
    const random = (): number => prng.next();
    return new Bench(time, await make(time, { phases: PHASES, lease: LEASE, random }));
  }

  get store(): Store {
    return this.made.store;
  }

  open(worker: string, more: Partial<Recruit> = {}): Promise<VolumeOperations> {
    const machines = machineNames(REGISTRY);
    const sensors = sensorsOf(REGISTRY);
    const recruit = { worker, host: 'host', pid: 1, concurrency: 2, capacity: 10 };
    return this.store.work.open({ ...recruit, machines, sensors, ...more });
  }

  async submit(instance: string, file: unknown): Promise<string> {
    const name = parseStateName(instance) === undefined ? `${instance}.state` : instance;
    expect(await this.store.instances.submit(name, bytesOf(file))).toBe('submitted');
    return name;
  }

  send(to: string, id: string, file: Partial<EventFile> = {}): Promise<Sent> {
    return this.store.events.send({ to, id, file: { event: 'press', ...file } });
  }

  async sent(...all: Parameters<Bench['send']>): Promise<string> {
    const sent = await this.send(...all);
    if (sent.kind !== 'sent') throw new Error(`${all[1]} is over`);
    return sent.name;
  }

  /** While the living show that they live. */
  async pass(ms: number, ...living: readonly VolumeOperations[]): Promise<void> {
    const end = this.time.queue.now + ms;
    while (this.time.queue.now < end) {
      await this.time.pass(Math.min(LEASE / 8, end - this.time.queue.now));
      for (const session of living) expect(await session.check()).toBe('alive');
    }
  }

  /** Until a cycle has begun that begins after `time` has come: what was to wait for it is due in it. */
  async passUntilDue(time: number, ...living: readonly VolumeOperations[]): Promise<void> {
    const start = cycleStart(PHASES, time - 1) + CYCLE_LENGTH;
    await this.pass(Math.max(0, start - this.time.queue.now), ...living);
  }

  /** The dead are dead, until the survivor has finished all that they owed. */
  async bury(survivor: VolumeOperations, ...dead: readonly VolumeOperations[]): Promise<void> {
    for (const session of dead) this.made.kill(session);
    for (let cycle = 0; cycle < 14; cycle += 1) {
      await this.pass(LEASE / 4, survivor);
      await survivor.snapshot();
      await survivor.recover(cycle, OPEN);
    }
  }

  /** Claims all that may be claimed, and decides what is to become of it. */
  async take(session: VolumeOperations): Promise<Step[]> {
    await session.readRoster();
    const { tasks } = await session.snapshot();
    const steps: Step[] = [];
    for (const name of tasks.names) {
      if ((await session.claim(name, OPEN)) === 'ours')
        steps.push(await this.decide(session, name));
    }
    return steps;
  }

  async settle(
    session: VolumeOperations,
    steps: readonly Step[],
    guard: PhaseGuard = OPEN,
  ): Promise<void> {
    await session.settle(steps, guard);
    expect(steps.map(({ error }) => error)).toEqual(steps.map(() => undefined));
  }

  /** Cycles until nothing is left to do now. */
  async workOff(session: VolumeOperations, guard: PhaseGuard = OPEN): Promise<void> {
    for (let cycle = 0; cycle < 30; cycle += 1) {
      const steps = await this.take(session);
      await this.settle(session, steps, guard);
      expect(steps.map(({ progress }) => progress)).toEqual(steps.map(() => 'settled'));
      await session.recover(cycle, guard);
      if (steps.length === 0) return;
    }
    throw new Error('it does not come to an end');
  }

  /** Puts aside a state that nobody can run. */
  async putAside(session: VolumeOperations, name: string): Promise<void> {
    expect(await session.claim(name, OPEN)).toBe('ours');
    const { session: id, worker } = session.token;
    const record: FailureRecord = {
      flockwork: 1,
      state: name,
      session: id,
      worker,
      at: session.stamp(),
      code: 'unknown-machine',
      reason: 'no such thing',
    };
    await this.settle(session, [newStep(name, { kind: 'fail', record })]);
  }

  async decide(session: VolumeOperations, name: string): Promise<Step> {
    const sensor = (instance: string): ReturnType<Scene['sensor']> =>
      readingOf(REGISTRY, session.sensor(instance));
    const scene: Scene = {
      token: session.token,
      now: session.stamp(),
      at: 0,
      patience: 0,
      volumeId: this.store.work.id,
      registry: REGISTRY,
      cycle: CYCLE,
      seen: CYCLE,
      sensor,
      history: (one) => session.history(one),
    };
    const verdict = judge(name, await session.readState(name), undefined, scene);
    if (verdict.kind === 'change') return newStep(name, verdict.change);
    if (verdict.kind === 'waits') {
      return newStep(name, receive(name, verdict, await session.events(name), scene));
    }
    if (verdict.kind !== 'ready') throw new Error(`${name}: ${verdict.kind}`);
    return commitStep(session, name, { output: session.token.worker });
  }

  /** What has become of an instance, step by step: the state, and how far it is. */
  async chain(instance: string): Promise<string[]> {
    const steps = await this.store.history.steps(instance);
    return steps.map(({ state, flag }) => `${state} ${flag}`);
  }

  /** Ids of the events that were applied to an instance, in that order. */
  async applied(instance: string): Promise<string[]> {
    const steps = await this.store.history.steps(instance);
    return steps.flatMap(({ events }) => events.map(({ id }) => id));
  }

  async outcome(id: string): Promise<string | undefined> {
    return (await this.store.outcomes.of(id))?.outcome.outcome;
  }
}

/** A step that leads on, or to its end. */
export function commitStep(
  session: VolumeOperations,
  name: string,
  more: Pick<CommitRecord, 'output' | 'next' | 'events' | 'emit'>,
): Step {
  const { session: id, worker } = session.token;
  const record: CommitRecord = {
    flockwork: 1,
    state: name,
    session: id,
    worker,
    started: session.stamp(),
    finished: session.stamp(),
    ...more,
  };
  return newStep(name, { kind: 'commit', record });
}

export { newStep };

export function bytesOf(file: unknown): Uint8Array {
  return new TextEncoder().encode(typeof file === 'string' ? file : JSON.stringify(file));
}

export const LAMP = { state: 'lamp' };
