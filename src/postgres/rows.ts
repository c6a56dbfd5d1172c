/** Rows of the tables and functions, as an engine's values; and back. Pure. */
import type { EventResult, InstanceStatus } from '../engine/engine.ts';
import type {
  StoredSettlement,
  StoredState,
  StoredStep,
  Taken,
  TakenState,
} from '../database/database.ts';

const orUndefined = <Value>(value: Value | null): Value | undefined => value ?? undefined;

/** Of the function "take". */
export interface TakeRow {
  readonly kind: 'task' | 'seen' | 'paused' | 'idle' | 'wake';
  readonly instance: string;
  readonly step: number;
  readonly fence: number;
  readonly body: string;
  readonly attempts: string;
  readonly events: string | null;
  readonly at: number;
}

export function takenOf(rows: readonly TakeRow[]): Taken {
  const of = (kind: TakeRow['kind']): TakeRow[] => rows.filter((row) => row.kind === kind);
  const [wake] = of('wake');
  return {
    now: rows.find(({ kind }) => kind !== 'wake')!.at,
    tasks: of('task').map(({ instance, step, fence, body, attempts, events }): TakenState => {
      const due = events === null ? [] : (JSON.parse(events) as [string, string, string][]);
      const pending = due.map(([file, id, content]) => ({ file, id, content }));
      return { instance, step, fence, body, attempts, events: pending };
    }),
    seen: of('seen').map(({ instance, step, body }) => ({ instance, step, body })),
    isPaused: of('paused').length > 0,
    isDrained: of('idle').length > 0 && wake === undefined,
    wake: wake?.at,
  };
}

/** Of a query with the alias r. */
export const PRESENT = `select r.instance, r.step, r.body, $s.shown(r.status, r.holder) as status, r.holder as session, r.record,
  r.attempts, r.failure, r.fence from $s.instance r`;

export interface StepRow {
  readonly instance: string;
  readonly step: number;
  readonly body: string;
  readonly status: InstanceStatus;
  readonly session: string | null;
  readonly record: string | null;
  readonly attempts: string;
  readonly failure: string | null;
  readonly fence: number;
}

export function storedStep({ session, record, failure, ...row }: StepRow): StoredStep {
  return {
    ...row,
    session: orUndefined(session),
    record: orUndefined(record),
    failure: orUndefined(failure),
  };
}

/** Results of a call with many items, which the rows number from 0. */
export function inOrder<Result>(
  rows: readonly { readonly n: number; readonly result: Result }[],
): Result[] {
  const results: Result[] = [];
  for (const { n, result } of rows) results[n] = result;
  return results;
}

export function resultOf(outcome: string, state: string | null): EventResult {
  const parsed = JSON.parse(outcome) as EventResult['outcome'];
  return { kind: 'over', outcome: parsed, ...(state !== null && { state }) };
}

export function stateRow({ notBefore, ...state }: StoredState): object {
  return { ...state, not_before: notBefore ?? null };
}

export function settlementRow(one: StoredSettlement, n: number): object {
  const { instance, step, fence, kind, record, next, rests, events, emits, branches, reads } = one;
  const { note, notBefore, entry, lostEntry } = one;
  return {
    n,
    instance,
    step,
    fence,
    kind,
    record,
    ...(next && {
      body: next.body,
      machine: next.machine,
      state: next.state,
      priority: next.priority,
    }),
    not_before: next?.notBefore ?? notBefore,
    rests,
    events,
    emits,
    branches: branches?.map(({ taken, ...state }) => ({ ...stateRow(state), taken })),
    reads,
    note,
    // As texts: jsonb does not take every JSON.
    entry: entry && JSON.stringify(entry),
    lost_entry: lostEntry && JSON.stringify(lostEntry),
  };
}
