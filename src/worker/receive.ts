/** What events, and what other instances are seen to be at, mean for a state that this worker holds. */
import { applyJoinEvents } from '../machine/join-events.ts';
import { applyEvents, type PendingEvent } from '../machine/event-batch.ts';
import type { Machine } from '../machine/definition.ts';
import { isOpen } from '../machine/join.ts';
import { parseStateName } from '../machine/name.ts';
import type { CommitRecord } from '../machine/record.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import type { StateFile } from '../machine/state-file.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import type { Change } from '../store/session.ts';
import type { Resting, Scene } from './holding.ts';
import type { Sights } from './ports.ts';

/** Of another instance's last state file. */
export function readingOf(
  registry: Registry,
  file: StateFile | undefined,
): InstanceSnapshot | undefined {
  if (file === undefined) return undefined;
  const resolved = resolveState(registry, file);
  return { state: resolved.ok ? resolved.state : file.state, payload: file.payload };
}

/** What its machine may look at, for a tick that begins now: it is told, and decides nothing (see I11). */
export function sightsOf({ sensors }: Machine, sensor: Scene['sensor']): Sights {
  return Object.fromEntries(sensors.map((instance) => [instance, sensor(instance) ?? null]));
}

/** What the events that wait for a state mean for it; without any, its timers are set, once. */
export function receive(
  name: string,
  { machine, state, file }: Resting,
  events: readonly PendingEvent[],
  scene: Scene,
): Change {
  const isJoining = isOpen(file.join);
  const hasTimers = !isJoining && machine.timers.has(state) && file.since === undefined;
  if (events.length === 0 && !hasTimers) return { kind: 'wait' };
  const { instance } = parseStateName(name)!;
  const finished = scene.now;
  const input = { machine, instance, name, file, state, events, finished, sensor: scene.sensor };
  const burst = isJoining ? applyJoinEvents(input) : applyEvents(input);
  const record: CommitRecord = {
    flockwork: 1,
    state: name,
    session: scene.token.session,
    worker: scene.token.worker,
    started: finished,
    finished,
    machine: machine.name,
    ...(burst.events.length > 0 && { events: burst.events }),
    ...(burst.emit.length > 0 && { emit: burst.emit }),
    next: burst.next,
  };
  const { rests } = burst;
  if (!burst.hasLooked) return { kind: 'commit', record, rests };
  // What was seen is of this cycle, or it is no news.
  if (scene.seen !== scene.cycle) return { kind: 'release' };
  return { kind: 'commit', record, rests, cycle: scene.cycle };
}
