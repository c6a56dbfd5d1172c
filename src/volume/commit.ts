/**
 * Commits, in bursts: stage → fsync → assign events → fsync → link `done/` → fsync → claim successors → publish →
 * fsync → unstage → release. After a crash anywhere in between, the staged record says what is still owed (I2, I3).
 */
import type { CommitRecord, FailureRecord, PublishedState } from '../machine/record.ts';
import { publishedStates, formatRecord, holdsRecord } from '../machine/record.ts';
import type { Step, PhaseGuard } from './operations.ts';
import { isArchived, recount } from './archive.ts';
import { exactly, isNoFile, linkOnce, publish, readText, remove } from './exclusive.ts';
import { clearAttempts } from './attempts.ts';
import { releaseClaim } from './claim.ts';
import { assignEvents, emitEvents, retireEvents } from './effects.ts';
import type { Member } from './member.ts';
import { mendTorn } from './torn.ts';
import { stageAlone, stageBundle, stageSuccessor, successorFile, toBundles } from './staging.ts';
import { park, unpark } from './waiting.ts';

/** At most, in UTF-8. */
const BYTES_PER_CHARACTER = 3;

export async function commit(member: Member, steps: Step[], guard: PhaseGuard): Promise<void> {
  giveBackTwins(at(steps, 'new'));
  await giveBackOutdated(member, [...at(steps, 'new'), ...at(steps, 'staged')], guard);
  await stage(member, at(steps, 'new'));
  await link(member, await assign(member, at(steps, 'staged'), guard), guard);
  await publishSuccessors(member, at(steps, 'committed'), guard);
  await unstage(member, at(steps, 'published'), guard);
}

const at = (steps: Step[], progress: Step['progress']): Step[] =>
  steps.filter((step) => step.progress === progress);

function recordOf(step: Step): CommitRecord | undefined {
  return step.change.kind === 'commit' ? step.change.record : undefined;
}

/** It is to be looked at anew, as if it had not been decided. */
function giveBack(step: Step): void {
  [step.lost, step.progress] = [true, 'published'];
}

/**
 * I10: of two states for which there is the same event one is given back, to be looked at anew. In one file, their
 * records would both be where it is applied.
 */
function giveBackTwins(steps: Step[]): void {
  const seen = new Set<string>();
  for (const step of steps) {
    const ids = (recordOf(step)?.events ?? []).map(({ id }) => id);
    if (ids.some((id) => seen.has(id))) giveBack(step);
    else for (const id of ids) seen.add(id);
  }
}

/**
 * I11: what was decided by the world of one cycle is committed in that cycle, or not at all. Whether one whose flag was
 * tried for is committed, the flag tells; if it does not yet, its record stays staged.
 */
async function giveBackOutdated(member: Member, steps: Step[], guard: PhaseGuard): Promise<void> {
  await each(steps, async (step) => {
    const { change } = step;
    if (change.kind !== 'commit' || change.cycle === undefined) return;
    if (change.cycle === guard.cycle) return;
    if (step.tried) {
      const flag = await readText(member.files, member.layout.flag('done', step.name));
      if (holding(change.record!)(flag ?? '')) return;
      step.staged = undefined;
      member.restagings += 1;
    }
    giveBack(step);
  });
}

/** Runs `act` for each step; one that fails keeps its error and its place, the others go on. */
async function each(steps: Step[], act: (step: Step) => Promise<void>): Promise<void> {
  for (const step of steps) await attempt([step], () => act(step));
}

async function attempt(steps: Step[], act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    for (const step of steps) step.error = error;
    return false;
  }
}

async function stage(member: Member, steps: Step[]): Promise<void> {
  const recorded = steps.filter((step) => recordOf(step) !== undefined);
  for (const step of steps) if (recordOf(step) === undefined) step.progress = 'staged';
  if (recorded.length === 0) return;
  await attempt(recorded, () => member.ensureStaging());
  // What an earlier try has staged stays: a removal that the network repeats later would take what is put in its place.
  const unstaged = recorded.filter(({ staged }) => staged === undefined);
  const bundles = toBundles(unstaged, (step) => formatRecord(recordOf(step)!), member.bundleSize);
  await Promise.all(
    bundles.map((bundle) =>
      attempt(bundle, async () => {
        const path = await stageBundle(
          member,
          bundle.map((step) => recordOf(step)!),
        );
        member.staged.set(path, new Set(bundle.map(({ name }) => name)));
        for (const step of bundle) step.staged = path;
      }),
    ),
  );
  await each(written(recorded), (step) => stageSuccessor(member, recordOf(step)!));
  const staged = written(recorded);
  const synced = await attempt(staged, () => member.files.sync(member.staging()));
  if (synced) for (const step of staged) step.progress = 'staged';
}

/** The file goes when all whose records are in it are through. */
async function letGo(member: Member, step: Step): Promise<void> {
  const { staged } = step;
  if (staged === undefined) return;
  const waiting = member.staged.get(staged);
  waiting?.delete(step.name);
  if (waiting === undefined || waiting.size === 0) {
    await remove(member.files, staged);
    member.staged.delete(staged);
  }
  step.staged = undefined;
}

/** I10: returns those that may be committed. One whose events are others' is given back, to be looked at anew. */
async function assign(member: Member, steps: Step[], guard: PhaseGuard): Promise<Step[]> {
  const hasEvents = (step: Step): boolean => recordOf(step)?.events !== undefined;
  const receiving = steps.filter(hasEvents);
  if (receiving.length === 0) return steps;
  const assigned: Step[] = [];
  await each(receiving, async (step) => {
    const record = recordOf(step)!;
    const outcome = await assignEvents(member, record, step.staged!, guard.canBegin);
    if (outcome === 'ours') assigned.push(step);
    if (outcome === 'taken') giveBack(step);
  });
  const synced = await attempt(assigned, () => member.files.sync(member.layout.outcomes));
  return [...steps.filter((step) => !hasEvents(step)), ...(synced ? assigned : [])];
}

const written = (steps: Step[]): Step[] => steps.filter((step) => step.error === undefined);

/** I1: the one operation that makes a step count. I4: not a moment after the phase. */
async function link(member: Member, steps: Step[], guard: PhaseGuard): Promise<void> {
  const { files, layout } = member;
  let linked = false;
  await each(steps, async (step) => {
    if (!guard.canBegin()) return;
    const record = recordOf(step);
    const flag = layout.flag('done', step.name);
    const isAgain = step.tried;
    step.tried = true;
    const outcome =
      record === undefined
        ? await member.setFlag(flag)
        : await linkRecord(member, step, record, flag);
    // A network may have repeated both the making of what was staged and the link: that file was never synced.
    if (isAgain && outcome === 'ours') await files.sync(flag);
    step.lost = outcome === 'taken';
    step.progress = step.lost ? 'published' : 'committed';
    linked ||= !step.lost;
  });
  await lookBack(member, at(steps, 'committed'), guard);
  // Also for those that were linked before an earlier fsync failed.
  const committed = steps.filter((step) => step.progress === 'committed');
  if (!linked) return;
  const synced = await attempt(committed, () => files.sync(layout.flags('done')));
  if (!synced) for (const step of committed) step.progress = 'staged';
}

/** For `linkOnce`: a flag with this record, whichever others it holds. */
const holding =
  (record: CommitRecord) =>
  (flag: string): boolean =>
    holdsRecord(flag, record);

/** A file that may have no more names is left to those that have one: this record gets one of its own. */
async function linkRecord(
  member: Member,
  step: Step,
  record: CommitRecord,
  flag: string,
): Promise<'ours' | 'taken'> {
  try {
    return await linkOnce(member.files, step.staged!, flag, holding(record));
  } catch (error) {
    if (member.meetsBundleLimit(error)) {
      // In this order: it is staged at every moment, for the commit may have happened all the same.
      const alone = await stageAlone(member, record);
      await letGo(member, step);
      step.staged = alone;
    }
    throw error;
  }
}

/**
 * Whoever may have lost his claim meanwhile, by the lease or by the length of it, asks the archive whether
 * somebody else's commit has been there and gone.
 */
async function lookBack(member: Member, steps: Step[], guard: PhaseGuard): Promise<void> {
  if (steps.length === 0) return;
  const lease = await member.files.stat(member.lease).catch(() => undefined);
  const isBroken = lease === undefined;
  await each(steps, async (step) => {
    if (!isBroken && !member.claims.isOld(step.name)) return;
    const record = recordOf(step);
    const isOurs = record === undefined ? exactly(member.tokenText) : holding(record);
    // What meets an error here is linked, and looked at, again.
    step.progress = 'staged';
    const verdict = await recount(member, step.name, isOurs, guard.canBegin);
    step.lost = verdict === 'overtaken';
    if (verdict !== 'late') step.progress = step.lost ? 'published' : 'committed';
  });
}

async function publishSuccessors(member: Member, steps: Step[], guard: PhaseGuard): Promise<void> {
  const withEffects = steps.filter((step) => hasEffects(recordOf(step)));
  for (const step of steps) if (!hasEffects(recordOf(step))) step.progress = 'published';
  if (withEffects.length === 0) return;
  const landed: Step[] = [];
  await each(withEffects, async (step) => {
    const record = recordOf(step)!;
    if (!(await emitEvents(member, record, step.staged!, guard.canFinish))) return;
    for (const branch of record.branches ?? []) {
      if (!(await publishFollower(member, record, branch, guard))) return;
    }
    const hasLanded = record.next === undefined || (await publishOne(member, step, guard));
    if (hasLanded) landed.push(step);
  });
  const { files, layout } = member;
  const emits = landed.some((step) => recordOf(step)!.emit !== undefined);
  const synced = await attempt(landed, async () => {
    await files.sync(layout.root);
    if (emits) await files.sync(layout.events);
  });
  if (synced) for (const step of landed) step.progress = 'published';
}

const hasEffects = (record: CommitRecord | undefined): boolean =>
  record?.next !== undefined || record?.emit !== undefined;

/** False if it is too late for this guard. */
async function publishOne(member: Member, step: Step, guard: PhaseGuard): Promise<boolean> {
  const { files, layout } = member;
  const next = recordOf(step)!.next!;
  // Somebody else had put a file of that name there, and it is done: as one in the root, it stays as it is.
  if (await isArchived(files, layout, next.name)) return true;
  const rests = step.change.kind === 'commit' && step.change.rests === true;
  if (rests && !guard.canFinish()) return false;
  if (rests) await park(member, next.name);
  // Following: claim first, then publish, so that nobody can come in between.
  if (guard.follow && !rests && !step.followed && guard.canBegin()) {
    const flag = layout.flag('in_progress', next.name);
    member.claims.begin(next.name);
    step.followed = (await member.setFlag(flag)) === 'ours';
  }
  if (!guard.canFinish()) return false;
  const outcome = await linkOnce(
    files,
    successorFile(member, step.name),
    layout.state(next.name),
    exactly(next.content),
  );
  if (outcome === 'ours') return true;
  if (!(await setAsideConflict(member, recordOf(step)!, next, guard))) return false;
  if (step.followed && !(await releaseClaim(member, next.name, guard.canFinish))) return false;
  step.followed = false;
  return true;
}

/** I9: the name is taken by a file somebody else put there. Both are kept; ours is in the reason. */
async function setAsideConflict(
  member: Member,
  record: CommitRecord,
  next: PublishedState,
  guard: PhaseGuard,
): Promise<boolean> {
  const failure: FailureRecord = {
    flockwork: 1,
    state: next.name,
    session: member.token.session,
    worker: member.token.worker,
    at: member.stamp(),
    code: 'successor-taken',
    reason:
      `${record.state} leads to ${next.name}, but something else has that name; it is kept as it is, ` +
      `and was to be: ${next.content}`,
  };
  return putFailed(member, failure, guard);
}

/** Puts a state aside. False if it is too late for this guard. */
export async function putFailed(
  member: Member,
  record: FailureRecord,
  guard: PhaseGuard,
): Promise<boolean> {
  const { files, layout } = member;
  await member.ensureStaging();
  const [temporary, flag] = [
    member.draft('failed', record.state),
    layout.flag('failed', record.state),
  ];
  const outcome = await publish(files, temporary, flag, formatRecord(record), {
    may: guard.canFinish,
  });
  if (outcome === 'late') return false;
  await files.sync(layout.flags('failed'));
  return true;
}

/** Has all of it to do again if the guard closes on the way: each part can be done twice. */
async function unstage(member: Member, steps: Step[], guard: PhaseGuard): Promise<void> {
  await each(steps, async (step) => {
    const record = recordOf(step);
    // While it is staged: whoever dies in the middle of this leaves the rest to the sweep.
    if (record !== undefined && !step.lost) {
      if (!(await retireEvents(member, record, guard.canFinish))) return;
      if (member.waiting.has(step.name)) await unpark(member, step.name);
    }
    await letGo(member, step);
    if (record?.next !== undefined) await remove(member.files, successorFile(member, step.name));
    if (!guard.canFinish()) return;
    await clearAttempts(member, step.name);
    if (await releaseClaim(member, step.name, guard.canFinish)) step.progress = 'settled';
  });
}

/**
 * Finishes another session's commit from its record: a copy of our own, linked (see I2). False if it is
 * too late for this guard.
 */
export async function publishFromRecord(
  member: Member,
  record: CommitRecord,
  guard: PhaseGuard,
): Promise<boolean> {
  const { files, layout } = member;
  await member.ensureStaging();
  const source = layout.flag('done', record.state);
  if (!(await emitEvents(member, record, source, guard.canFinish))) return false;
  if (record.emit !== undefined) await files.sync(layout.events);
  if (!(await retireEvents(member, record, guard.canFinish))) return false;
  if (member.waiting.has(record.state)) await unpark(member, record.state);
  for (const follower of publishedStates(record)) {
    if (!(await publishFollower(member, record, follower, guard))) return false;
  }
  await files.sync(layout.root);
  return true;
}

/** From a copy of our own; what the power has left of one is made whole. False if it is too late for this guard. */
async function publishFollower(
  member: Member,
  record: CommitRecord,
  follower: PublishedState,
  guard: PhaseGuard,
): Promise<boolean> {
  const { files, layout } = member;
  const { name, content } = follower;
  if (await isArchived(files, layout, name)) return true;
  const temporary = member.draft('begun', name);
  const publishing = { may: guard.canFinish, durable: false };
  const outcome = await publish(files, temporary, layout.state(name), content, publishing);
  if (outcome !== 'taken') return outcome === 'ours';
  if (await isNoFile(files, layout.state(name))) {
    return setAsideConflict(member, record, follower, guard);
  }
  const there = await files.read(layout.state(name), content.length * BYTES_PER_CHARACTER);
  if (await mendTorn(member, follower, there)) return true;
  return setAsideConflict(member, record, follower, guard);
}
