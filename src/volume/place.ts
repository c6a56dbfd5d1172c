/**
 * An operator's step on a volume, by a session of its own. It has a lease and a heartbeat as any session, so that others finish
 * what it leaves behind; it does not register, so that it gets no share of the work; and it changes things in Update System only.
 */
import type { NewPlace, PlaceResult } from '../engine/engine.ts';
import { untickedEntry } from '../engine/journal-entry.ts';
import { isPlaced, placementOf } from '../engine/placement.ts';
import type { Clock } from '../engine/ports.ts';
import { UserError } from '../machine/errors.ts';
import { parseStateFile } from '../machine/state-file.ts';
import { retryState } from './admin.ts';
import { isDone } from './archive.ts';
import { lastState } from './chain-steps.ts';
import { newSettlement } from './claimed-task.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type {
  OpenOperations,
  PhaseGuard,
  VolumeOperations,
  VolumeSettlement,
} from './operations.ts';
import { placeOf } from './overview.ts';
import { guardFor, nextTurn, type PhaseTurn } from './phases/timetable.ts';

/** Update Systems after which it gives up: the volume fails each time. */
const MAX_TURNS = 20;

export interface PlacePorts {
  readonly files: Files;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly open: OpenOperations;
}

/** See `Engine.place`. Throws `unreadable` for a state file that does not parse. */
export async function placeInstance(
  ports: PlacePorts,
  instance: string,
  to: NewPlace,
): Promise<PlaceResult> {
  // Most answers need no session.
  const known = await lookAt(ports, instance, to);
  if (typeof known !== 'string') return known;
  const operations = await ports.open();
  try {
    return await new Placement(ports, operations, to).make(instance);
  } finally {
    await operations.leave();
  }
}

/** The name of the state that can be claimed, or the result. */
async function lookAt(
  { files, layout }: PlacePorts,
  instance: string,
  to: NewPlace,
): Promise<string | PlaceResult> {
  const last = await lastState(files, layout, instance);
  if (last === undefined) return { kind: 'missing' };
  const { name } = last;
  if (await isDone(files, layout, name)) return { kind: 'ended' };
  const place = await placeOf(files, layout, name);
  const hasFailed = (await files.stat(layout.flag('failed', name))) !== undefined;
  if (place !== undefined && !hasFailed && isPlaced(place.file, to)) {
    return { kind: 'there already', name };
  }
  const isHeld = (await files.stat(layout.flag('in_progress', name))) !== undefined;
  return isHeld ? { kind: 'held' } : name;
}

class Placement {
  readonly #ports: PlacePorts;
  readonly #operations: VolumeOperations;
  readonly #to: NewPlace;
  /** Once the state is claimed. */
  #step: VolumeSettlement | undefined;

  constructor(ports: PlacePorts, operations: VolumeOperations, to: NewPlace) {
    this.#ports = ports;
    this.#operations = operations;
    this.#to = to;
  }

  async make(instance: string): Promise<PlaceResult> {
    for (let turns = 0; turns < MAX_TURNS; turns += 1) {
      const guard = await this.#nextUpdate();
      if (guard === undefined) throw new Error(`cannot place ${instance}: the session has expired`);
      const result = await this.#act(instance, guard);
      if (result !== undefined) return result;
    }
    const cause = this.#step?.error;
    throw new Error(`cannot place ${instance} in ${MAX_TURNS} cycles`, { cause });
  }

  /** Waits for the next Update System. Undefined if the session has expired. */
  async #nextUpdate(): Promise<PhaseGuard | undefined> {
    const { phases, lease } = this.#operations;
    let turn: PhaseTurn | undefined;
    for (;;) {
      if ((await this.#operations.check()) === 'broken') return undefined;
      const now = this.#operations.time();
      const wait = now && nextTurn(phases, now, turn);
      if (wait?.kind !== 'turn') await this.#ports.clock.sleep(wait?.ms ?? lease / 10);
      else {
        turn = wait.turn;
        const time = (): ReturnType<VolumeOperations['time']> => this.#operations.time();
        if (turn.phase === 'update') return guardFor(phases, turn, time, false);
      }
    }
  }

  /** Undefined: the phase has ended, or the volume has failed. */
  async #act(instance: string, guard: PhaseGuard): Promise<PlaceResult | undefined> {
    if (this.#step === undefined) {
      const claimed = await this.#claim(instance, guard);
      if (claimed !== undefined) return claimed;
    }
    const step = this.#step;
    if (step === undefined) return undefined;
    await this.#operations.settle([step], guard);
    if (step.progress !== 'settled') return undefined;
    const { change } = step;
    if (change.kind !== 'commit') {
      const message = `cannot place ${instance}: ${step.name} cannot be read; flockwork show prints why`;
      throw new UserError('unreadable', message, { instance });
    }
    if (step.lost) return { kind: 'held' };
    const entry = untickedEntry(step.name, change.record!.machine, change, this.#operations);
    // Only users read it.
    if (entry !== undefined) await this.#operations.journal([entry]).catch(() => undefined);
    return { kind: 'placed', name: change.record!.next!.name };
  }

  /** Claims the last state and decides the step; else the result. */
  async #claim(instance: string, guard: PhaseGuard): Promise<PlaceResult | undefined> {
    const { files, layout } = this.#ports;
    const operations = this.#operations;
    const name = await lookAt(this.#ports, instance, this.#to);
    if (typeof name !== 'string') return name;
    if (!guard.canBegin()) return undefined;
    await retryState(files, layout, name);
    const claimed = await operations.claim(name, guard);
    // Another session was first: the next cycle shows what it has done.
    if (claimed !== 'ours') return undefined;
    // After the claim: what waits, and what was attempted, is to be cleared with the step.
    await operations.snapshot();
    const read = await operations.readState(name);
    const parsed = read.kind === 'text' ? parseStateFile(read.bytes) : undefined;
    const { session, worker } = operations.token;
    const hold = { name, session };
    this.#step = newSettlement(
      name,
      parsed?.ok === true
        ? {
            kind: 'commit',
            record: placementOf(hold, worker, parsed.file, this.#to, operations.stamp()),
          }
        : { kind: 'release' },
    );
    return undefined;
  }
}
