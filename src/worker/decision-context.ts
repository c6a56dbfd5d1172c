/** The inputs of a decision besides the task itself. */
import type { Task } from '../engine/session.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import type { InstanceSnapshot } from '../machine/table.ts';

/** The session that decides, its time and its machines. */
export interface DecisionContext {
  readonly session: string;
  readonly worker: string;
  /** ISO 8601, the engine's time. */
  readonly now: string;
  readonly engineId: string;
  readonly registry: Registry;
  /** Newest version by name of a stored machine: see `resolveState`. */
  readonly newest: ReadonlyMap<string, string>;
}

/** State and payload of another instance's last state file; undefined where there is none. */
export function readingOf(
  instance: string,
  task: Pick<Task, 'observe'>,
  { registry }: Pick<DecisionContext, 'registry'>,
): InstanceSnapshot | undefined {
  const file = task.observe(instance);
  if (file === undefined) return undefined;
  const resolved = resolveState(registry, file);
  return { state: resolved.ok ? resolved.state : file.state, payload: file.payload };
}
