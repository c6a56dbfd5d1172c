/**
 * Group commit: stage → fsync → assign events → fsync → link `done/` → fsync → claim successors → publish → fsync →
 * unstage → release. After a crash at any point, recovery finishes the commit from the staged record (I2, I3).
 */
import { invariant, throwBug } from '../machine/invariant.ts';
import { successorName } from '../machine/name.ts';
import {
  appliedKeys,
  failureRecord,
  publishedStates,
  formatRecord,
  holdsRecord,
  type CommitRecord,
  type FailureRecord,
  type PublishedState,
} from '../machine/record.ts';
import type { VolumeSettlement, PhaseGuard } from './operations.ts';
import { isArchived, checkArchivedCommit } from './archive.ts';
import { equals, linkIfAbsent, readText, writeAtomically, remove } from './atomic-files.ts';
import { clearAttempts } from './attempts.ts';
import { linkPlain, releasePlain } from './burst.ts';
import { drive } from './calls.ts';
import { releaseClaim } from './claim.ts';
import { assignEvents, emitEvents, retireEvents } from './effects.ts';
import type { SessionContext } from './session-context.ts';
import { repairTornWrite } from './read-state.ts';
import { stageAlone, stageBundle, toBundles } from './staging.ts';
import { clearWaiting, markWaiting } from './waiting.ts';

/** Of UTF-8, per UTF-16 code unit. */
const MAX_BYTES_PER_CHARACTER = 3;

export async function commit(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  releaseDuplicateEvents(at(steps, 'new'));
  await releaseStaleDecisions(context, [...at(steps, 'new'), ...at(steps, 'staged')], guard);
  await stage(context, at(steps, 'new'), guard);
  await link(context, await assign(context, at(steps, 'staged'), guard), guard);
  await publishSuccessors(context, at(steps, 'committed'), guard);
  await unstage(context, at(steps, 'published'), guard);
}

const at = (
  steps: VolumeSettlement[],
  progress: VolumeSettlement['progress'],
): VolumeSettlement[] => steps.filter((step) => step.progress === progress);

const unsettled = (steps: VolumeSettlement[]): VolumeSettlement[] =>
  steps.filter((step) => step.progress !== 'settled');

function recordOf(step: VolumeSettlement): CommitRecord | undefined {
  return step.change.kind === 'commit' ? step.change.record : undefined;
}

/** Releases a state without its outcome, so that it is decided anew. */
function discard(step: VolumeSettlement): void {
  const isUncommitted = step.progress === 'new' || step.progress === 'staged';
  invariant(isUncommitted, 'I1: expected no commit of a step that is discarded', step.name);
  [step.lost, step.progress] = [true, 'published'];
}

/** I10: of two states with the same event, discards one: if their records shared a bundle, both would own the event. */
function releaseDuplicateEvents(steps: VolumeSettlement[]): void {
  const seen = new Set<string>();
  for (const step of steps) {
    const keys = appliedKeys(recordOf(step));
    if (keys.some((key) => seen.has(key))) discard(step);
    else for (const key of keys) seen.add(key);
  }
}

/**
 * I11: a decision that read other instances is committed in its own cycle, or not at all. If its flag was tried, the flag
 * tells whether it is committed; if not, its record stays staged.
 */
async function releaseStaleDecisions(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  // A later cycle too: the clock may have been set back.
  const isStale = ({ change }: VolumeSettlement): boolean =>
    change.kind === 'commit' && change.cycle !== undefined && change.cycle !== guard.cycle;
  await each(steps.filter(isStale), async (step) => {
    if (step.tried) {
      const flag = await readText(context.files, context.layout.flag('done', step.name));
      if (holding(recordOf(step)!)(flag ?? '')) return;
      step.staged = undefined;
      context.restagings += 1;
    }
    discard(step);
  });
}

/** Runs `act` for each step. One that throws keeps its error and its progress; the others continue. */
async function each(
  steps: VolumeSettlement[],
  act: (step: VolumeSettlement) => Promise<void>,
): Promise<void> {
  for (const step of steps) {
    try {
      await act(step);
    } catch (error) {
      throwBug(error);
      step.error = error;
    }
  }
}

/** As `each`, of what is done for all of them at once. False after an error. */
async function attempt(steps: VolumeSettlement[], act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    throwBug(error);
    for (const step of steps) step.error = error;
    return false;
  }
}

/** In any phase: no other session sees what is staged. */
async function stage(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  if (guard.hasCrashed?.() === true) return;
  const recorded = steps.filter((step) => recordOf(step) !== undefined);
  for (const step of steps) if (recordOf(step) === undefined) step.progress = 'staged';
  if (recorded.length === 0) return;
  for (const step of recorded) checkRecord(context, step, recordOf(step)!);
  await attempt(recorded, () => context.ensureStaging());
  // Never replace a staged file: a removal that the network repeats later would hit the new one.
  const unstaged = recorded.filter(({ staged }) => staged === undefined);
  const texts = unstaged.map((step) => ({
    step,
    state: step.name,
    text: formatRecord(recordOf(step)!),
  }));
  await Promise.all(
    toBundles(texts, context.bundleSize).map((bundle) => {
      const ofBundle = bundle.map(({ step }) => step);
      return attempt(ofBundle, async () => {
        const path = await stageBundle(context, bundle);
        context.staged.set(path, new Set(ofBundle.map(({ name }) => name)));
        for (const step of ofBundle) step.staged = path;
      });
    }),
  );
  if (guard.hasCrashed?.() === true) return;
  const staged = written(recorded);
  const synced = await attempt(staged, () => context.files.sync(context.staging()));
  if (synced) for (const step of staged) step.progress = 'staged';
}

/** I2: what is staged may be all that other sessions will know of this step. */
function checkRecord(
  { token: { session } }: SessionContext,
  { name }: VolumeSettlement,
  { state, session: by, next }: CommitRecord,
): void {
  invariant(state === name, 'I2: expected the record of the state that is claimed', name, session);
  invariant(by === session, 'I1: expected a record of the session that commits', name, session);
  const isNext = next === undefined || next.name === successorName(name);
  invariant(isNext, 'I2: expected the next number for the successor', name, session);
}

/** Removes a staged file once all steps that have a record in it are through. */
async function unstageOne(context: SessionContext, step: VolumeSettlement): Promise<void> {
  const staged = step.staged!;
  const waiting = context.staged.get(staged);
  waiting?.delete(step.name);
  if (waiting === undefined || waiting.size === 0) {
    await remove(context.files, staged);
    context.staged.delete(staged);
  }
  step.staged = undefined;
}

/** I10: returns the steps that may be committed. Discards a step whose events belong to another state. */
async function assign(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<VolumeSettlement[]> {
  const hasEvents = (step: VolumeSettlement): boolean => recordOf(step)?.events !== undefined;
  const receiving = steps.filter(hasEvents);
  if (receiving.length === 0) return steps;
  const assigned: VolumeSettlement[] = [];
  await each(receiving, async (step) => {
    const record = recordOf(step)!;
    const outcome = await assignEvents(context, record, step, guard.canBegin);
    if (outcome === 'ours') assigned.push(step);
    if (outcome === 'taken') discard(step);
  });
  const synced = await attempt(assigned, () => context.files.sync(context.layout.outcomes));
  return [...steps.filter((step) => !hasEvents(step)), ...(synced ? assigned : [])];
}

const written = (steps: VolumeSettlement[]): VolumeSettlement[] =>
  steps.filter((step) => step.error === undefined);

/** I1: the one operation that commits a step. I4: never begun after the phase. */
async function link(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  const { files, layout } = context;
  for (const step of steps) {
    invariant(
      step.progress === 'staged',
      'I1: expected progress staged before the link',
      step.name,
    );
  }
  await drive(files, linkPlain(context, steps, guard));
  let linked = steps.some((step) => step.progress === 'committed');
  await each(at(steps, 'staged'), async (step) => {
    if (!guard.canBegin()) return;
    const record = recordOf(step);
    invariant(
      record === undefined || step.staged !== undefined,
      'I2: expected a staged record before the link',
      step.name,
    );
    const flag = layout.flag('done', step.name);
    const isRetry = step.tried;
    step.tried = true;
    const outcome =
      record === undefined
        ? await context.setFlag(flag)
        : await linkRecord(context, step, record, flag);
    // The network may have repeated both the creation of the staged file and the link: that file was never synced.
    if (isRetry && outcome === 'ours') await files.sync(flag);
    step.lost = outcome === 'taken';
    step.progress = step.lost ? 'published' : 'committed';
    linked ||= !step.lost;
  });
  await recheckOldClaims(context, at(steps, 'committed'), guard);
  // Includes steps that were linked before an earlier fsync failed.
  const committed = steps.filter((step) => step.progress === 'committed');
  if (!linked) return;
  const synced = await attempt(committed, () => files.sync(layout.flags('done')));
  if (!synced) for (const step of committed) step.progress = 'staged';
}

/** For `linkIfAbsent`: a flag that holds this record, perhaps among others. */
const holding =
  (record: CommitRecord) =>
  (flag: string): boolean =>
    holdsRecord(flag, record);

/** Links a record to its flag. At the file's link limit, stages the record again in a file of its own, for the next try. */
async function linkRecord(
  context: SessionContext,
  step: VolumeSettlement,
  record: CommitRecord,
  flag: string,
): Promise<'ours' | 'taken'> {
  try {
    return await linkIfAbsent(context.files, step.staged!, flag, holding(record));
  } catch (error) {
    if (context.meetsBundleLimit(error)) {
      // In this order, so that the record stays staged: the commit may have happened.
      const alone = await stageAlone(context, record);
      await unstageOne(context, step);
      step.staged = alone;
    }
    throw error;
  }
}

/**
 * If the claim may have been lost (lease expired, or held longer than half the archive pause), checks whether another
 * session's commit has already been archived.
 */
async function recheckOldClaims(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  if (steps.length === 0) return;
  const lease = await context.files.stat(context.lease).catch(() => undefined);
  const isUnsure = ({ name }: VolumeSettlement): boolean =>
    lease === undefined || context.claims.isOld(name);
  await each(steps.filter(isUnsure), async (step) => {
    const record = recordOf(step);
    const isOurs = record === undefined ? equals(context.tokenText) : holding(record);
    // After an error, the step is linked and checked again.
    step.progress = 'staged';
    const verdict = await checkArchivedCommit(context, step.name, isOurs, guard.canBegin);
    step.lost = verdict === 'overtaken';
    if (verdict !== 'late') step.progress = step.lost ? 'published' : 'committed';
  });
}

async function publishSuccessors(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  const withEffects = steps.filter((step) => hasEffects(recordOf(step)));
  for (const step of steps) if (!hasEffects(recordOf(step))) step.progress = 'published';
  if (withEffects.length === 0) return;
  const complete: VolumeSettlement[] = [];
  await each(withEffects, async (step) => {
    const record = recordOf(step)!;
    const isCommitted = step.tried && !step.lost && step.progress === 'committed';
    invariant(isCommitted, 'I2: expected a commit before it is published', step.name);
    if (!(await emitEvents(context, record, step.staged!, guard.canFinish))) return;
    for (const branch of record.branches ?? []) {
      if ((await publishCopy(context, record, branch, guard)) === 'late') return;
    }
    const isComplete = record.next === undefined || (await publishOne(context, step, guard));
    if (isComplete) complete.push(step);
  });
  const { files, layout } = context;
  const emits = complete.some((step) => recordOf(step)!.emit !== undefined);
  const synced = await attempt(complete, async () => {
    await files.sync(layout.root);
    if (emits) await files.sync(layout.events);
  });
  if (synced) for (const step of complete) step.progress = 'published';
}

const hasEffects = (record: CommitRecord | undefined): boolean =>
  record?.next !== undefined || record?.emit !== undefined;

/** Publishes a step's successor. False if the phase has ended. */
async function publishOne(
  context: SessionContext,
  step: VolumeSettlement,
  guard: PhaseGuard,
): Promise<boolean> {
  const { files, layout } = context;
  const record = recordOf(step)!;
  const next = record.next!;
  // A user's file of that name is done: like one in the root, it stays as it is. Asked each time: what is followed is not
  // looked for in `done/`.
  if (await isArchived(files, layout, next.name)) return true;
  const rests = step.change.kind === 'commit' && step.change.rests === true;
  if (rests && !guard.canFinish()) return false;
  if (rests) await markWaiting(context, next.name);
  // Following: claim first, then publish, so that no other session can claim it in between.
  if (guard.follow && !rests && !step.followed && guard.canBegin()) {
    const flag = layout.flag('in_progress', next.name);
    context.claims.begin(next.name);
    step.followed = (await context.setFlag(flag)) === 'ours';
  }
  if (!guard.canFinish()) return false;
  const outcome = step.followed
    ? await publishClaimed(context, record, next, guard)
    : await publishCopy(context, record, next, guard);
  if (outcome !== 'taken') return outcome === 'published';
  if (step.followed && !(await releaseClaim(context, next.name, guard.canFinish))) return false;
  step.followed = false;
  return true;
}

type Published = 'published' | 'taken' | 'late';

/**
 * Publishes a state that this session has claimed under its own name: no other session reads it before it is whole, and what
 * is left of it after a crash is repaired from the record.
 */
async function publishClaimed(
  context: SessionContext,
  record: CommitRecord,
  state: PublishedState,
  guard: PhaseGuard,
): Promise<Published> {
  try {
    await context.files.create(context.layout.state(state.name), state.content);
    return 'published';
  } catch (error) {
    throwBug(error);
    return whatIsThere(context, record, state, { guard, error });
  }
}

/** I9: the name is taken by another file. Fails the state; the file stays, and the reason has the intended content. */
async function failConflict(
  context: SessionContext,
  record: CommitRecord,
  next: PublishedState,
  guard: PhaseGuard,
): Promise<boolean> {
  const { session, worker } = context.token;
  const reason =
    `${record.state} leads to ${next.name}, but something else has that name; it is kept as it is, ` +
    `and was to be: ${next.content}`;
  const why = { code: 'successor-taken', reason };
  const failure = failureRecord(next.name, { session, worker, at: context.stamp() }, why);
  return putFailed(context, failure, guard);
}

/** Sets the failed flag. False if the phase has ended. */
export async function putFailed(
  context: SessionContext,
  record: FailureRecord,
  guard: PhaseGuard,
): Promise<boolean> {
  const { files, layout } = context;
  await context.ensureStaging();
  const [temporary, flag] = [
    context.draft('failed', record.state),
    layout.flag('failed', record.state),
  ];
  const outcome = await writeAtomically(files, temporary, flag, formatRecord(record), {
    may: guard.canFinish,
  });
  if (outcome === 'late') return false;
  await files.sync(layout.flags('failed'));
  return true;
}

/** Each part is idempotent: all are repeated if the guard closes on the way. */
async function unstage(
  context: SessionContext,
  steps: VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  await drive(context.files, releasePlain(context, steps, guard));
  await each(unsettled(steps), async (step) => {
    const record = recordOf(step);
    const isOver = step.progress === 'published' && (step.lost || step.tried);
    invariant(isOver, 'I3: expected all to be published before it is unstaged', step.name);
    // While it is staged: after a crash here, the sweep does the rest.
    if (record !== undefined && !step.lost) {
      if (!(await retireEvents(context, record, guard.canFinish, step))) return;
      if (context.waiting.has(step.name)) await clearWaiting(context, step.name);
    }
    if (step.staged !== undefined) await unstageOne(context, step);
    if (!guard.canFinish()) return;
    if (context.attempted.has(step.name)) await clearAttempts(context, step.name);
    if (await releaseClaim(context, step.name, guard.canFinish)) step.progress = 'settled';
  });
}

/** Finishes another session's commit from its record, with private copies (I2). False if the phase has ended. */
export async function publishFromRecord(
  context: SessionContext,
  record: CommitRecord,
  guard: PhaseGuard,
): Promise<boolean> {
  const { files, layout, token } = context;
  const isOther = record.session !== token.session;
  invariant(isOther, "I2: expected another session's record", record.state, token.session);
  await context.ensureStaging();
  const source = layout.flag('done', record.state);
  if (!(await emitEvents(context, record, source, guard.canFinish))) return false;
  if (record.emit !== undefined) await files.sync(layout.events);
  if (!(await retireEvents(context, record, guard.canFinish))) return false;
  if (context.waiting.has(record.state)) await clearWaiting(context, record.state);
  for (const state of publishedStates(record)) {
    if ((await publishCopy(context, record, state, guard)) === 'late') return false;
  }
  await files.sync(layout.root);
  return true;
}

/** Publishes a state from a private copy. */
async function publishCopy(
  context: SessionContext,
  record: CommitRecord,
  state: PublishedState,
  guard: PhaseGuard,
): Promise<Published> {
  const { files, layout } = context;
  const { name, content } = state;
  if (await isArchived(files, layout, name)) return 'published';
  const temporary = context.draft('begun', name);
  const publishing = { may: guard.canFinish, durable: false };
  const outcome = await writeAtomically(files, temporary, layout.state(name), content, publishing);
  if (outcome === 'taken') return whatIsThere(context, record, state, { guard });
  return outcome === 'ours' ? 'published' : 'late';
}

/**
 * The state's name is in use, or its file could not be created. Repairs one that a power failure or a crash has torn.
 * `taken`: it is another's file, and the state has failed; `late`: the phase has ended. Throws `error` if there is none.
 */
async function whatIsThere(
  context: SessionContext,
  record: CommitRecord,
  state: PublishedState,
  { guard, error }: { readonly guard: PhaseGuard; readonly error?: unknown },
): Promise<Published> {
  const { files, layout } = context;
  const { name, content } = state;
  const kind = (await files.stat(layout.state(name)))?.kind;
  if (kind === undefined && error !== undefined) throw error;
  if (kind === 'file' || kind === undefined) {
    const there = await files.read(layout.state(name), content.length * MAX_BYTES_PER_CHARACTER);
    if (await repairTornWrite(context, state, there)) return 'published';
  }
  return (await failConflict(context, record, state, guard)) ? 'taken' : 'late';
}
