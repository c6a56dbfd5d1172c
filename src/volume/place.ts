/**
 * An operator's step on a volume, by a session of its own. It has a lease and a heartbeat as any session, so that others finish
 * what it leaves behind; it does not register, so that it gets no share of the work; and it changes things in Update System only.
 */
import type { NewPlace, PlaceResult } from '../engine/engine.ts';
import { untickedEntry } from '../engine/journal-entry.ts';
import { isPlaced, placementOf } from '../engine/decisions.ts';
import type { Clock } from '../engine/ports.ts';
import { checkPlace } from '../engine/validate.ts';
import { UserError } from '../machine/errors.ts';
import { bugOf, invariant } from '../machine/invariant.ts';
import { instanceProblem } from '../machine/name.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { retryState } from './admin.ts';
import { isDone } from './archive.ts';
import { readIfAllowed } from './atomic-files.ts';
import { lastState } from './chain-steps.ts';
import { newSettlement } from './claimed-task.ts';
import { errnoOf, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import type {
  OpenOperations,
  PhaseGuard,
  VolumeOperations,
  VolumeSettlement,
} from './operations.ts';
import { guardFor, nextTurn, type PhaseTurn } from './phases/cycle.ts';
import { parseToken } from './token.ts';
import { readStateFile } from './read-state.ts';

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
  checkPlace(to);
  if (instanceProblem(instance) !== undefined) return { kind: 'missing' };
  // Most answers need no session.
  const known = await lookAt(ports, instance, to);
  if (known.kind === 'problem') throw known.error;
  if (known.kind === 'result') return known.result;
  const operations = await ports.open();
  const placement = new Placement(ports, operations, to);
  let result: PlaceResult;
  try {
    result = await placement.make(instance);
  } catch (error) {
    // What is left of a claim or a commit is recovered by others, once the lease has expired.
    const isClean = bugOf(error) === undefined && !placement.isUnderWay;
    await (isClean ? operations.leave() : operations.halt());
    throw error;
  }
  await operations.leave();
  return result;
}

/** What is to be done with an instance. */
type Look =
  /** Its last state can be claimed. `isOwn`: this session has claimed it already. */
  | { readonly kind: 'open'; readonly name: string; readonly isOwn: boolean }
  | { readonly kind: 'result'; readonly result: PlaceResult }
  | { readonly kind: 'problem'; readonly error: UserError };

/** `session`: of this placement. */
async function lookAt(
  { files, layout }: PlacePorts,
  instance: string,
  to: NewPlace,
  session?: string,
): Promise<Look> {
  const resultOf = (result: PlaceResult): Look => ({ kind: 'result', result });
  const last = await lastState(files, layout, instance);
  if (last === undefined) return resultOf({ kind: 'missing' });
  const { name } = last;
  if (await isDone(files, layout, name)) return resultOf({ kind: 'ended' });
  const hasFailed = (await files.stat(layout.flag('failed', name))) !== undefined;
  const file = await readStateFile(files, layout, name);
  if (file !== undefined && !hasFailed && isPlaced(file, to)) {
    return resultOf({ kind: 'there already', name });
  }
  const flag = layout.flag('in_progress', name);
  const isHeld = (await files.stat(flag)) !== undefined;
  const isOwn =
    isHeld &&
    session !== undefined &&
    parseToken(await readIfAllowed(files, flag))?.session === session;
  if (isHeld && !isOwn) return resultOf({ kind: 'held' });
  const error = file === undefined ? unreadable(instance, name) : placeProblem(to, file);
  return error === undefined ? { kind: 'open', name, isOwn } : { kind: 'problem', error };
}

function placeProblem(to: NewPlace, file: StateFile): UserError | undefined {
  try {
    checkPlace(to, file);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

function unreadable(instance: string, name: string): UserError {
  const message = `cannot place ${instance}: ${name} cannot be read; flockwork show prints why`;
  return new UserError('unreadable', message, { instance });
}

/** Result of one try to claim. `again`: in the next Update System. */
type Claimed =
  | { readonly kind: 'claimed'; readonly step: VolumeSettlement }
  | { readonly kind: 'again' }
  | Exclude<Look, { readonly kind: 'open' }>;

const AGAIN: Claimed = { kind: 'again' };

class Placement {
  readonly #ports: PlacePorts;
  readonly #operations: VolumeOperations;
  readonly #to: NewPlace;
  /** The last one that it acted in, or waited in. */
  #turn: PhaseTurn | undefined;
  /** A state that this session has claimed, or has tried to: it may have a flag of this session. */
  #claimed: string | undefined;
  /** Once the claimed state is read. */
  #step: VolumeSettlement | undefined;
  /** Of the last try. */
  #error: unknown;

  constructor(ports: PlacePorts, operations: VolumeOperations, to: NewPlace) {
    this.#ports = ports;
    this.#operations = operations;
    this.#to = to;
  }

  /** It may have left a claim, or an unfinished commit. */
  get isUnderWay(): boolean {
    return this.#claimed !== undefined;
  }

  async make(instance: string): Promise<PlaceResult> {
    for (let turns = 0; turns < MAX_TURNS; turns += 1) {
      const guard = await this.#nextUpdate();
      if (guard === undefined) throw new Error(`cannot place ${instance}: the session has expired`);
      const result = await this.#act(instance, guard);
      if (result !== undefined) return result;
    }
    const guard = await this.#nextUpdate();
    // A commit that has been tried may count: then others finish it.
    if (guard !== undefined && this.#step?.tried !== true)
      await this.#try(() => this.#release(guard));
    throw new Error(`cannot place ${instance} in ${MAX_TURNS} cycles`, { cause: this.#error });
  }

  /** Waits for the next Update System. Undefined if the session has expired. */
  async #nextUpdate(): Promise<PhaseGuard | undefined> {
    const { phases, lease } = this.#operations;
    for (;;) {
      if ((await this.#operations.check()) === 'broken') return undefined;
      const now = this.#operations.time();
      const wait = now && nextTurn(phases, now, this.#turn);
      if (wait?.kind !== 'turn') await this.#ports.clock.sleep(wait?.ms ?? lease / 10);
      else {
        this.#turn = wait.turn;
        const time = (): ReturnType<VolumeOperations['time']> => this.#operations.time();
        if (wait.turn.phase === 'update') return guardFor(phases, wait.turn, time, false);
      }
    }
  }

  /** Undefined after an error of the volume, which may pass. */
  async #try<Result>(act: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await act();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#error = error;
      return undefined;
    }
  }

  /** Undefined: the phase has ended, or the volume has failed. */
  async #act(instance: string, guard: PhaseGuard): Promise<PlaceResult | undefined> {
    if (this.#step === undefined) {
      const claimed = (await this.#try(() => this.#claim(instance, guard))) ?? AGAIN;
      if (claimed.kind === 'again') return undefined;
      if (claimed.kind !== 'claimed') {
        if ((await this.#try(() => this.#release(guard))) !== true) return undefined;
        if (claimed.kind === 'problem') throw claimed.error;
        return claimed.result;
      }
      this.#step = claimed.step;
    }
    return this.#try(() => this.#settle(this.#step!, guard));
  }

  async #settle(step: VolumeSettlement, guard: PhaseGuard): Promise<PlaceResult | undefined> {
    await this.#operations.settle([step], guard);
    this.#error = step.error;
    if (step.progress !== 'settled') return undefined;
    this.#claimed = undefined;
    if (step.lost) return { kind: 'held' };
    const { change, name } = step;
    invariant(
      change.kind === 'commit' && change.record?.next !== undefined,
      'I2: expected a next',
      name,
    );
    const { machine, next } = change.record;
    const entry = untickedEntry(name, machine, change, this.#operations);
    // Only users read it.
    if (entry !== undefined) await this.#operations.journal([entry]).catch(() => undefined);
    return { kind: 'placed', name: next.name };
  }

  /** Releases what this session has claimed, if anything. False if it is too late in the phase, or the volume has failed. */
  async #release(guard: PhaseGuard): Promise<boolean> {
    if (this.#claimed === undefined) return true;
    const step = newSettlement(this.#claimed, { kind: 'release' });
    await this.#operations.settle([step], guard);
    if (step.progress !== 'settled') return false;
    this.#claimed = undefined;
    return true;
  }

  /** Claims the last state and decides the step. */
  async #claim(instance: string, guard: PhaseGuard): Promise<Claimed> {
    const { files, layout } = this.#ports;
    const operations = this.#operations;
    const { session, worker } = operations.token;
    const look = await lookAt(this.#ports, instance, this.#to, session);
    if (look.kind !== 'open') return look;
    const { name, isOwn } = look;
    if (!guard.canBegin()) return AGAIN;
    await retryState(files, layout, name);
    if (!isOwn) {
      this.#claimed = name;
      const claimed = await operations.claim(name, guard);
      if (claimed !== 'ours' && claimed !== 'late') this.#claimed = undefined;
      // Another session was first: the next cycle shows what it has done.
      if (claimed !== 'ours') return AGAIN;
    }
    // After the claim: what waits, and what was attempted, is to be cleared with the step.
    await operations.snapshot();
    const read = await operations.readState(name);
    const parsed = read.kind === 'text' ? parseStateFile(read.bytes) : undefined;
    if (parsed?.ok !== true) {
      if (read.kind !== 'repaired') return { kind: 'problem', error: unreadable(instance, name) };
      // As its contract says. The next cycle reads it.
      await this.#release(guard);
      return AGAIN;
    }
    const at = operations.stamp();
    const record = placementOf({ name, session }, worker, parsed.file, this.#to, at);
    return { kind: 'claimed', step: newSettlement(name, { kind: 'commit', record }) };
  }
}
