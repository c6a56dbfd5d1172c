/**
 * Checks chains that never end, incrementally: each check reads the new steps only, and old ones are removed, as an
 * operator of such a volume would.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseCommitRecord } from '../../src/machine/record.ts';
import { stateName } from '../../src/machine/name.ts';
import type { Fleet } from '../fleet.ts';

/** Last steps of a chain that are not removed. */
const KEPT_STEPS = 20;

export class Chains {
  readonly #fleet: Fleet;
  /** Instance → the first step whose state file, and the first one whose flag, is still there. */
  readonly #cleared: Map<string, { files: number; flags: number }>;
  /** Instance → the first step that was not done at the last check. */
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

  /** Done steps of all chains. */
  get steps(): number {
    return [...this.#reached.values()].reduce((sum, step) => sum + step, 0);
  }

  /** Done steps of the slowest chain. */
  get slowest(): number {
    return Math.min(...this.#reached.values());
  }

  /** Checks the new steps of every chain; returns the problems. */
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
    if (record === undefined) return [`expected a commit record in done/${name}`];
    this.#committedBy.set(name, record.session);
    const { payload } = JSON.parse(this.#fleet.read(name)) as { payload: { step: unknown } };
    const next = JSON.parse(record.next?.content ?? '{}') as { payload?: { step: unknown } };
    return [
      ...(payload.step === step
        ? []
        : [`expected step ${step} in ${name}, got ${String(payload.step)}`]),
      ...(record.next?.name === successor
        ? []
        : [`expected ${successor} after ${name}, got ${record.next?.name}`]),
      ...(next.payload?.step === step + 1
        ? []
        : [`expected step ${step + 1} after ${name}, got ${String(next.payload?.step)}`]),
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
      const kept = Math.max(files, this.#reached.get(instance)! - KEPT_STEPS);
      for (let step = files; step < kept; step += 1) this.#remove('.', instance, step);
      this.#cleared.set(instance, { files: kept, flags: files });
    }
  }

  #remove(place: string, instance: string, step: number): void {
    rmSync(join(this.#fleet.dir, place, stateName(instance, step)));
  }

  /** States that two sessions report as committed, or another session than the flag names. */
  doubleCommits(): string[] {
    const seen = new Map<string, string>();
    const problems: string[] = [];
    for (const { state, session, result } of this.#fleet.journal()) {
      if (result !== 'done') continue;
      const winner = seen.get(state) ?? this.#committedBy.get(state) ?? session;
      if (seen.has(state) || winner !== session) {
        problems.push(`expected one commit of ${state}, got ${winner} and ${session}`);
      }
      seen.set(state, session);
    }
    return problems;
  }

  /** After all workers have ended: lost states, failed states and wrong counts of files and flags. */
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
    if (states.size !== expected)
      problems.push(`expected ${expected} state files, got ${states.size}`);
    const done = this.#fleet.list('done').length;
    if (done !== this.steps - flags) {
      problems.push(
        `expected ${this.steps - flags} done states (${this.steps} steps, ${flags} removed), got ${done}`,
      );
    }
    return problems;
  }
}
