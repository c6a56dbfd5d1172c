/** What is to become of claimed states, carried out in memory: each of them whole, or not at all. */
import { publishedStates, type PublishedState } from '../machine/record.ts';
import type { Change, Step, Window } from './session.ts';
import type { Participant, Row, Rows } from './memory-rows.ts';

const encoder = new TextEncoder();

/** `at`: ISO 8601, now. */
export function settleStep(
  rows: Rows,
  by: Participant,
  step: Step,
  window: Window,
  at: string,
): void {
  const row = rows.states.get(step.name);
  // I1: a claim is of one session, and only of what is neither done nor failed. Whoever has lost his has no say in it.
  if (row === undefined || row.claim !== by) step.lost = true;
  else {
    if (step.change.kind === 'commit') commit(rows, row, by, step, step.change, window, at);
    else giveUp(rows, row, by, step.change);
    rows.release(row);
  }
  step.progress = 'settled';
}

function giveUp(
  rows: Rows,
  row: Row,
  by: Participant,
  change: Exclude<Change, { kind: 'commit' }>,
): void {
  if (change.kind === 'fail') rows.fail(row, change.record);
  else if (change.kind === 'retry') rows.count(row, change.attempt);
  else if (change.kind === 'refuse') row.refusedBy.add(by.token.session);
  else if (change.kind === 'defer') row.notBefore = change.notBefore;
  else if (change.kind === 'wait') {
    row.isWaiting = true;
    // Whoever was lost while it only looked has not tried anything.
    row.attempts = [];
  }
}

function commit(
  rows: Rows,
  row: Row,
  by: Participant,
  step: Step,
  change: Extract<Change, { kind: 'commit' }>,
  window: Window,
  at: string,
): void {
  const { record, rests = false, cycle } = change;
  // I11, I10.
  const isOutdated = cycle !== undefined && cycle !== window.cycle;
  const isOthers = record?.events?.some(({ id }) => rows.over.has(id)) === true;
  step.lost = isOutdated || isOthers;
  if (step.lost) return;
  row.done = { token: by.token, record };
  row.attempts = [];
  rows.open.delete(row);
  for (const outcome of record?.events ?? []) {
    rows.conclude(outcome.id, { kind: 'over', outcome, state: row.name });
  }
  for (const { name, content } of record?.emit ?? []) rows.post(name, content);
  const followers = publishedStates(record).map((one) => publish(rows, row.name, one, by, at));
  // The branches come before it.
  const next = record?.next === undefined ? undefined : followers.at(-1);
  if (next === undefined) return;
  next.isWaiting = rests;
  if (!window.follow || rests || !window.mayStart()) return;
  rows.claim(next, by);
  step.followed = true;
}

/** I9: undefined if the name is taken by a file that somebody else has put there. Both are kept; ours is in the reason. */
function publish(
  rows: Rows,
  state: string,
  { name, content }: PublishedState,
  { token: { session, worker } }: Participant,
  at: string,
): Row | undefined {
  const bytes = encoder.encode(content);
  const added = rows.add(name, bytes);
  if (added !== undefined) return added;
  const there = rows.states.get(name)!;
  if (Buffer.compare(there.bytes, bytes) === 0) return undefined;
  const reason = `${state} leads to ${name}, but something else has that name; it is kept as it is, and was to be: ${content}`;
  const code = 'successor-taken';
  rows.fail(there, { flockwork: 1, state: name, session, worker, at, code, reason });
  return undefined;
}
