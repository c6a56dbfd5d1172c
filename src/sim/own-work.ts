/** What a user simulates instead of the simulator's own machines and instances. */
import type { Json } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import type { Registry } from '../machine/registry.ts';
import { chainState } from './workloads.ts';
import { Violation } from './outcome.ts';
import type { Instance } from './scenario.ts';

export interface OwnWork {
  readonly registry: Registry;
  /** State files by name. Undefined: those of the simulator, for tests of it. */
  readonly stateFiles?: ReadonlyMap<string, string>;
  /** Sent at random times. */
  readonly events?: readonly OwnEvent[];
  /** Called at the end of a run, with each instance by name; throws if the user's machines have broken a promise. */
  readonly check?: (ends: InstanceEnds) => void;
}

export interface OwnEvent {
  /** The instance. */
  readonly to: string;
  readonly id: string;
  readonly event: string;
  readonly details?: Json;
}

export type InstanceEnds = ReadonlyMap<string, InstanceEnd>;

/** Where an instance is when a run is over. */
export interface InstanceEnd {
  /** Its last state file. */
  readonly name: string;
  readonly flag: 'done' | 'failed' | 'waiting';
  readonly state: string | undefined;
  readonly payload: Json | undefined;
  readonly output: Json | undefined;
  /** Of a failure. */
  readonly reason: string | undefined;
}

/** The state files that a run begins with, by name: the user's, or the simulator's chains. */
export function firstStates(
  own: OwnWork | undefined,
  instances: readonly Instance[],
): Iterable<readonly [name: string, content: string]> {
  return (
    own?.stateFiles ??
    instances.map(({ name, steps }) => [`${name}.state`, chainState(steps)] as const)
  );
}

/** What a user's `check` says against a run that is over. */
export function complaint({ check }: OwnWork, ends: InstanceEnds): Violation | undefined {
  try {
    check?.(ends);
    return undefined;
  } catch (error) {
    return new Violation('check', error instanceof Error ? error.message : String(error));
  }
}

/** Throws `not-simulated` for commands, which do not run in virtual time. */
export function checkSimulated(registry: Registry): void {
  for (const { name, activities, rules } of [...registry.values()].flat()) {
    const all = [...activities].map(([state, { kind }]) => ({ kind, where: `in state ${state}` }));
    const hooks = [...(rules?.activities ?? [])];
    all.push(...hooks.map(([run, { kind }]) => ({ kind, where: `in hook ${run}` })));
    for (const { kind, where } of all) {
      if (kind !== 'command') continue;
      const message = `machine ${name} runs a command ${where}; only modules can be simulated`;
      throw new UserError('not-simulated', message, { machine: name });
    }
  }
}
