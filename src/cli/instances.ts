/** Pages through the instances of an engine. */
import type { ClientApi, InstanceFilter, ListedInstance } from '../engine/engine.ts';

const PAGE_INSTANCES = 1000;

interface ListOptions {
  readonly after?: string | undefined;
  /** Instances that are needed at most. */
  readonly limit?: number;
  /** Ends the list early. */
  readonly stop?: AbortSignal;
  /** Called after each page. */
  readonly onPage?: (last: string) => void;
}

/** In the order of their names, after `after`. */
export async function* instancesOf(
  client: ClientApi,
  filter: InstanceFilter,
  { after, limit = PAGE_INSTANCES, stop, onPage }: ListOptions = {},
): AsyncGenerator<ListedInstance, void> {
  for (let next = after; ;) {
    const page = {
      limit: Math.min(PAGE_INSTANCES, limit),
      ...(next !== undefined && { after: next }),
    };
    const listing = await client.list(filter, page);
    yield* listing.instances;
    next = listing.next;
    if (next === undefined || stop?.aborted === true) return;
    onPage?.(next);
  }
}
