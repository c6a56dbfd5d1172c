/**
 * What has to hold of chains that never stop, looked at again and again: only what is new is read, and what
 * is old is cleared away, as whoever runs such a volume would.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseCommitRecord } from '../../src/machine/record.ts';
import { stateName } from '../../src/machine/name.ts';
import type { Fleet } from '../fleet.ts';

/** Steps of a chain that are left where they are. */
const KEPT = 20;

export class Chains {
  readonly #fleet: Fleet;
  /** Instance → the first step whose state file, and the first one whose flag, is still there. */
  readonly #cleared: Map<string, { files: number; flags: number }>;
  /** Instance → the step that was not yet done when we looked. */
  readonly #reached: Map<string, number>;
  /** State → the session whose record is its done flag. */
  readonly #committedBy = new Map<string, string>();

  constructor(fleet: Fleet, instances: readonly string[]) {
    this.#fleet = fleet;
    this.#reached = new Map(instances.map((instance) => [instance, 0]));
    this.#cleared = new Map(instances.map((instance) => [instance, { files: 0, flags: 0 }]));
    for (const instance of instances) {
      fleet.put(stateName(instance, 0), { state: 'endless', payload: { step: 0 } });
    }
  }

  /** Steps done, of all chains. */
  get steps(): number {
    return [...this.#reached.values()].reduce((sum, step) => sum + step, 0);
  }

  /** The fewest steps a chain has done: none may be left behind. */
  get slowest(): number {
    return Math.min(...this.#reached.values());
  }

  /** Follows every chain from where it was; says what is wrong with it. */
  follow(): string[] {
    return [...this.#reached.keys()].flatMap((instance) => this.#followOne(instance));
  }

  #followOne(instance: string): string[] {
    const problems: string[] = [];
    const done = new Set(this.#fleet.list('done'));
    let step = this.#reached.get(instance)!;
    while (done.has(stateName(instance, step))) {
      problems.push(...this.#check(instance, step));
      step += 1;
    }
    this.#reached.set(instance, step);
    return problems;
  }

  #check(instance: string, step: number): string[] {
    const name = stateName(instance, step);
    const successor = stateName(instance, step + 1);
    const record = parseCommitRecord(this.#fleet.read('done', name), name);
    if (record === undefined) return [`done/${name} is no commit record`];
    this.#committedBy.set(name, record.session);
    const { payload } = JSON.parse(this.#fleet.read(name)) as { payload: { step: unknown } };
    const next = JSON.parse(record.next?.content ?? '{}') as { payload?: { step: unknown } };
    return [
      ...(payload.step === step ? [] : [`${name} says it is step ${String(payload.step)}`]),
      ...(record.next?.name === successor ? [] : [`${name} leads to ${record.next?.name}`]),
      ...(next.payload?.step === step + 1
        ? []
        : [`${name} makes the next step ${String(next.payload?.step)}`]),
    ];
  }

  /**
   * Removes what was done long ago: state files first, and their flags only when this is called again. A
   * worker that has listed the one and not yet the other would take such a state for available.
   */
  clear(): void {
    for (const [instance, cleared] of this.#cleared) {
      const { files, flags } = cleared;
      for (let step = flags; step < files; step += 1) this.#remove('done', instance, step);
      const kept = Math.max(files, this.#reached.get(instance)! - KEPT);
      for (let step = files; step < kept; step += 1) this.#remove('.', instance, step);
      this.#cleared.set(instance, { files: kept, flags: files });
    }
  }

  #remove(place: string, instance: string, step: number): void {
    rmSync(join(this.#fleet.dir, place, stateName(instance, step)));
  }

  /** States that two sessions say they have committed, or another one than the flag says. */
  doubleCommits(): string[] {
    const seen = new Map<string, string>();
    const problems: string[] = [];
    for (const { state, session, result } of this.#fleet.journal()) {
      if (result !== 'done') continue;
      const winner = seen.get(state) ?? this.#committedBy.get(state) ?? session;
      if (seen.has(state) || winner !== session) {
        problems.push(`${state} was committed by ${winner} and by ${session}`);
      }
      seen.set(state, session);
    }
    return problems;
  }

  /** When nobody works any more: each chain's last state is there, with no flag but its parent's. */
  lost(): string[] {
    const states = new Set(this.#fleet.list('.').filter((name) => name.includes('.state')));
    const problems = this.#fleet.list('failed').map((name) => `${name} has failed`);
    for (const [instance, step] of this.#reached) {
      const last = stateName(instance, step);
      if (!states.has(last)) problems.push(`${last} is lost`);
    }
    const cleared = [...this.#cleared.values()];
    const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
    const files = sum(cleared.map((one) => one.files));
    const flags = sum(cleared.map((one) => one.flags));
    const expected = this.steps + this.#reached.size - files;
    if (states.size !== expected) problems.push(`${states.size} state files, not ${expected}`);
    const done = this.#fleet.list('done').length;
    if (done !== this.steps - flags) {
      problems.push(
        `${done} are done, but chains have ${this.steps} steps, and ${flags} were cleared`,
      );
    }
    return problems;
  }
}
