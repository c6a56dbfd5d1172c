/** Events that no open state waits for, in memory: their instance is not there yet, has ended, or has failed. */
import type { Clock } from '../semaphore/ports.ts';
import { DEFAULT_GRACE_MS, unroutableReason } from '../machine/unroutable.ts';
import type { RejectionRecord } from '../machine/record.ts';
import type { Rows } from './memory-rows.ts';

type Signature = Pick<RejectionRecord, 'session' | 'worker' | 'at'>;

export function answerOrphans(rows: Rows, by: Signature, clock: Clock): void {
  const waited = new Set(Array.from(rows.open, ({ instance }) => instance));
  for (const [instance, queue] of rows.events) {
    if (waited.has(instance)) continue;
    const row = rows.last(instance);
    const hasEnded = row?.done !== undefined && row.done.record?.next === undefined;
    const last = row && { name: row.name, hasEnded };
    for (const posted of queue.filter((one) => rows.isEventDue(one, clock.now()))) {
      const { id, name: file, arrived, delay, grace = DEFAULT_GRACE_MS } = posted;
      const isLate = clock.monotonic() - arrived - delay >= grace;
      const verdict = unroutableReason(instance, last, isLate);
      if (verdict === undefined) continue;
      const outcome: RejectionRecord = { flockwork: 1, id, file, ...verdict, ...by };
      rows.conclude(id, { kind: 'over', outcome });
    }
  }
}
