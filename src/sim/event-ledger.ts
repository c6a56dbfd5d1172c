/** Checks the part of I10 that is the same on every engine: an event that was sent is applied once, and no other is. */
import { parseEventName } from '../machine/event.ts';
import type { CommitRecord } from '../machine/record.ts';

export class EventLedger {
  /** File names of all events sent by users or by committed steps, by id: ids in a simulation are their own keys. */
  readonly known: Map<string, string> = new Map();
  /** By id: the state that it was applied in. */
  readonly applied: Map<string, string> = new Map();

  sent(file: string): void {
    this.known.set(parseEventName(file)!.key, file);
  }

  /** The event `id` is applied in `state`: returns what is wrong with that, if anything. */
  apply(id: string, state: string): string | undefined {
    const other = this.applied.get(id);
    if (other !== undefined && other !== state)
      return `expected ${id} to be applied once, got ${other} and ${state}`;
    if (!this.known.has(id)) return `expected only sent events in ${state}, got ${id}`;
    this.applied.set(id, state);
    return undefined;
  }

  /** `record` is committed, with its events: what it sends is known from now on. */
  emitted({ emit }: CommitRecord): void {
    for (const { name } of emit ?? []) this.sent(name);
  }
}
