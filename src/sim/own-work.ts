/** What a user simulates instead of the simulator's own machines and instances. */
import type { Json } from '../machine/definition.ts';
import type { Registry } from '../machine/registry.ts';

export interface OwnWork {
  readonly registry: Registry;
  /** State files by name. Undefined: those of the simulator, for tests of it. */
  readonly stateFiles?: ReadonlyMap<string, string>;
  /** Sent at random times. */
  readonly events?: readonly OwnEvent[];
}

export interface OwnEvent {
  /** The instance. */
  readonly to: string;
  readonly id: string;
  readonly event: string;
  readonly details?: Json;
}
