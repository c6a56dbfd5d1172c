/** Lamps on a `TestVolume`, events for them, and sessions that apply these as a worker would. */
import { expect } from 'vitest';
import type { Json } from '../../src/machine/definition.ts';
import { formatEvent, formatEventName, type EventFile } from '../../src/machine/event.ts';
import {
  appliedIn,
  parseCommitRecord,
  type AppliedEvent,
  type CommitRecord,
  type RejectionRecord,
} from '../../src/machine/record.ts';
import { createRegistry, type Registry } from '../../src/machine/registry.ts';
import { isStateName } from '../../src/machine/name.ts';
import type { VolumeSettlement, PhaseGuard } from '../../src/volume/operations.ts';
import { eventStatus } from '../../src/volume/outcomes.ts';
import { decide } from './decide.ts';
import { OPEN, quickFiles, type TestSession, type TestVolume } from './harness.ts';
import { lampMachine } from './lamp.ts';

const registry = createRegistry([lampMachine('1h')]);

export function putLamp(volume: TestVolume, name: string): void {
  volume.put(`${name}.state`, { state: 'lamp' });
}

interface Post extends Partial<EventFile> {
  readonly to?: string;
  readonly id?: string;
  /** Milliseconds after the epoch. */
  readonly at?: number;
}

/** Writes an event's file, as if it had been sent at `at`; returns its name. */
export function post(
  volume: TestVolume,
  id: string,
  { to = 'lamp', at = 0, event = 'press', ...more }: Post = {},
): string {
  const time = new Date(at).toISOString();
  const name = formatEventName({ time, isDelayed: more.delay !== undefined, id, to });
  volume.put(`events/${name}`, formatEvent({ event, ...more }, id));
  return name;
}

export const telling = (...tell: string[]): { details: Json } => ({ details: { tell } });

export function decideStep(
  { session }: TestSession,
  name: string,
  machines: Registry = registry,
): Promise<VolumeSettlement> {
  return decide(session, name, machines);
}

/** Claims all available states, and decides their outcomes. */
export async function take(one: TestSession, machines?: Registry): Promise<VolumeSettlement[]> {
  const { tasks } = await one.session.snapshot();
  const steps: VolumeSettlement[] = [];
  for (const name of tasks.names) {
    if ((await one.session.claim(name, OPEN)) !== 'ours') continue;
    steps.push(await decideStep(one, name, machines));
  }
  return steps;
}

/** Runs cycles until nothing is left to do. Returns how many states were settled. */
export async function workOff(
  one: TestSession,
  guard: PhaseGuard = OPEN,
  machines?: Registry,
): Promise<number> {
  let settled = 0;
  for (let cycle = 0; cycle < 20; cycle += 1) {
    const steps = await take(one, machines);
    await one.session.settle(steps, guard);
    expect(steps.map(({ error }) => error)).toEqual(steps.map(() => undefined));
    if (steps.length === 0) return settled;
    settled += steps.length;
  }
  throw new Error('it does not come to an end');
}

/** All commit records by state, in the order of the steps of each instance. */
export function recordsOf(volume: TestVolume): CommitRecord[] {
  const stepOf = (name: string): number => Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
  return volume
    .list('done')
    .filter(isStateName)
    .sort((a, b) => stepOf(a) - stepOf(b))
    .flatMap((name) => parseCommitRecord(volume.read('done', name), name) ?? []);
}

/** Ids of events that were applied, as often as they were. */
export function appliedIds(volume: TestVolume, instance?: string): string[] {
  return recordsOf(volume)
    .filter(({ state }) => instance === undefined || state.startsWith(`${instance}.state`))
    .flatMap(({ events = [] }) => events.map(({ id }) => id));
}

/** The outcome of an event, if it has one; several different ones are an error. */
export async function outcomeOf(
  volume: TestVolume,
  id: string,
): Promise<AppliedEvent | RejectionRecord | undefined> {
  const standing = await eventStatus(quickFiles(), volume.layout, id);
  const applied = recordsOf(volume).flatMap((record) => appliedIn(record, id) ?? []);
  if (standing.kind !== 'over') {
    expect(applied).toEqual([]);
    return undefined;
  }
  expect(applied).toEqual('flockwork' in standing.outcome ? [] : [standing.outcome]);
  return standing.outcome;
}

/** Expects waiting lamps, no pending events, and no internal files but those of `survivors`. */
export function expectRest(volume: TestVolume, ...survivors: TestSession[]): void {
  const sessions = survivors.map(({ session }) => session.token.session).sort();
  const open = volume
    .list('.')
    .filter((name) => isStateName(name) && !volume.list('done').includes(name));
  expect(volume.list('events')).toEqual([]);
  expect(volume.list('waiting')).toEqual(open);
  expect(volume.list('in_progress')).toEqual([]);
  expect(volume.list('failed')).toEqual([]);
  expect(volume.list('.flockwork', 'attempts')).toEqual([]);
  expect(volume.list('.flockwork', 'leases')).toEqual(sessions);
  const staged = volume.list('.flockwork', 'staging').flatMap((session) => {
    const names = volume.list('.flockwork', 'staging', session);
    return sessions.includes(session) ? names : [session, ...names];
  });
  expect(staged).toEqual([]);
}
