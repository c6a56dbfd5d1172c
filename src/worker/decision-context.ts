/** What decisions go by besides the task itself. */
import type { Task } from '../engine/session.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import type { InstanceSnapshot } from '../machine/table.ts';

/** Who decides, when, and with which machines: what every record says. */
export interface DecisionContext {
  readonly session: string;
  readonly worker: string;
  /** ISO 8601, the store's time. */
  readonly now: string;
  readonly engineId: string;
  readonly registry: Registry;
  /** Of machines that are stored: see `resolveState`. */
  readonly newest: ReadonlyMap<string, string>;
}

/** Of another instance's last state file. */
export function readingOf(
  instance: string,
  { observe }: Pick<Task, 'observe'>,
  { registry }: Pick<DecisionContext, 'registry'>,
): InstanceSnapshot | undefined {
  const file = observe(instance);
  if (file === undefined) return undefined;
  const resolved = resolveState(registry, file);
  return { state: resolved.ok ? resolved.state : file.state, payload: file.payload };
}
