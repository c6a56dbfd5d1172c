/** What a worker holds, for people: claims are links to one file, and have no time of their own. */
import type { Held } from '../volume/operations.ts';
import type { Holdings } from '../volume/claimed-tasks.ts';

/** People look at so many. */
const REPORTED = 256;

export function heldOf(holdings: Holdings): Held[] {
  const held: Held[] = [];
  for (const stage of ['running', 'claimed', 'ready', 'finished'] as const) {
    for (const { name, since, work } of holdings.in(stage)) {
      if (held.length >= REPORTED) return held;
      const { machine, attempt = 1 } = work?.task ?? {};
      held.push({ state: name, machine, stage, since, attempt });
    }
  }
  return held;
}
