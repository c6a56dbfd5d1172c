/**
 * Commits, in bursts: stage → fsync → link `done/` → fsync → claim successors → publish → fsync →
 * unstage → release. After a crash anywhere in between, the staged record says what is still owed (I2, I3).
 */
import type { CommitRecord, FailureRecord } from '../machine/record.ts';
import { formatRecord, holdsRecord } from '../machine/record.ts';
import type { Step, Window } from './contract.ts';
import { isArchived, recount } from './archive.ts';
import { exactly, linkOnce, publish, remove } from './exclusive.ts';
import { clearAttempts } from './attempts.ts';
import { releaseClaim } from './claim.ts';
import type { Member } from './member.ts';
import { mendTorn } from './torn.ts';
import { stageAlone, stageBundle, stageSuccessor, successorFile, toBundles } from './staging.ts';

/** At most, in UTF-8. */
const BYTES_PER_CHARACTER = 3;

export async function commit(member: Member, steps: Step[], window: Window): Promise<void> {
  await stage(member, at(steps, 'new'));
  await link(member, at(steps, 'staged'), window);
  await publishSuccessors(member, at(steps, 'committed'), window);
  await unstage(member, at(steps, 'published'), window);
}

const at = (steps: Step[], progress: Step['progress']): Step[] =>
  steps.filter((step) => step.progress === progress);

function recordOf(step: Step): CommitRecord | undefined {
  return step.change.kind === 'commit' ? step.change.record : undefined;
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
  // Of an earlier try, which was not synced.
  await each(recorded, (step) => letGo(member, step));
  const bundles = toBundles(recorded, (step) => formatRecord(recordOf(step)!), member.bundleSize);
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

const written = (steps: Step[]): Step[] => steps.filter((step) => step.error === undefined);

/** I1: the one operation that makes a step count. I4: not a moment after the phase. */
async function link(member: Member, steps: Step[], window: Window): Promise<void> {
  const { files, layout } = member;
  let linked = false;
  await each(steps, async (step) => {
    if (!window.mayStart()) return;
    const record = recordOf(step);
    const flag = layout.flag('done', step.name);
    const outcome =
      record === undefined
        ? await member.setFlag(flag)
        : await linkRecord(member, step, record, flag);
    step.lost = outcome === 'taken';
    step.progress = step.lost ? 'published' : 'committed';
    linked ||= !step.lost;
  });
  await lookBack(member, at(steps, 'committed'), window);
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
      if (alone !== step.staged) await letGo(member, step);
      step.staged = alone;
    }
    throw error;
  }
}

/**
 * Whoever may have lost his claim meanwhile, by the lease or by the length of it, asks the archive whether
 * somebody else's commit has been there and gone.
 */
async function lookBack(member: Member, steps: Step[], window: Window): Promise<void> {
  if (steps.length === 0) return;
  const lease = await member.files.stat(member.lease).catch(() => undefined);
  const isBroken = lease === undefined;
  await each(steps, async (step) => {
    if (!isBroken && !member.claims.isOld(step.name)) return;
    const record = recordOf(step);
    const isOurs = record === undefined ? exactly(member.tokenText) : holding(record);
    // What meets an error here is linked, and looked at, again.
    step.progress = 'staged';
    const verdict = await recount(member, step.name, isOurs, window.mayStart);
    step.lost = verdict === 'overtaken';
    if (verdict !== 'late') step.progress = step.lost ? 'published' : 'committed';
  });
}

async function publishSuccessors(member: Member, steps: Step[], window: Window): Promise<void> {
  const withSuccessor = steps.filter((step) => recordOf(step)?.next !== undefined);
  for (const step of steps) if (recordOf(step)?.next === undefined) step.progress = 'published';
  if (withSuccessor.length === 0) return;
  const landed: Step[] = [];
  await each(withSuccessor, async (step) => {
    if (await publishOne(member, step, window)) landed.push(step);
  });
  const synced = await attempt(landed, () => member.files.sync(member.layout.root));
  if (synced) for (const step of landed) step.progress = 'published';
}

/** False if it is too late for this window. */
async function publishOne(member: Member, step: Step, window: Window): Promise<boolean> {
  const { files, layout } = member;
  const next = recordOf(step)!.next!;
  // Somebody else had put a file of that name there, and it is done: as one in the root, it stays as it is.
  if (await isArchived(files, layout, next.name)) return true;
  // Following: claim first, then publish, so that nobody can come in between.
  if (window.follow && !step.followed && window.mayStart()) {
    const flag = layout.flag('in_progress', next.name);
    member.claims.begin(next.name);
    step.followed = (await member.setFlag(flag)) === 'ours';
  }
  if (!window.mayLand()) return false;
  const outcome = await linkOnce(
    files,
    successorFile(member, step.name),
    layout.state(next.name),
    exactly(next.content),
  );
  if (outcome === 'ours') return true;
  if (!(await setAsideConflict(member, recordOf(step)!, window))) return false;
  if (step.followed && !(await releaseClaim(member, next.name, window.mayLand))) return false;
  step.followed = false;
  return true;
}

/** I9: the name is taken by a file somebody else put there. Both are kept; ours is in the reason. */
async function setAsideConflict(
  member: Member,
  record: CommitRecord,
  window: Window,
): Promise<boolean> {
  const next = record.next!;
  const failure: FailureRecord = {
    flockwork: 1,
    state: next.name,
    session: member.token.session,
    worker: member.token.worker,
    at: member.stamp(),
    code: 'successor-taken',
    reason:
      `${record.state} leads to ${next.name}, but another file has that name; it is kept as it is, ` +
      `and the successor was to be: ${next.content}`,
  };
  return putFailed(member, failure, window);
}

/** Puts a state aside. False if it is too late for this window. */
export async function putFailed(
  member: Member,
  record: FailureRecord,
  window: Window,
): Promise<boolean> {
  const { files, layout } = member;
  await member.ensureStaging();
  const [temporary, flag] = [
    member.staging(`.failed.${record.state}`),
    layout.flag('failed', record.state),
  ];
  const outcome = await publish(files, temporary, flag, formatRecord(record), {
    may: window.mayLand,
  });
  if (outcome === 'late') return false;
  await files.sync(layout.flags('failed'));
  return true;
}

/** Has all of it to do again if the window closes on the way: each part can be done twice. */
async function unstage(member: Member, steps: Step[], window: Window): Promise<void> {
  await each(steps, async (step) => {
    await letGo(member, step);
    if (recordOf(step)?.next !== undefined)
      await remove(member.files, successorFile(member, step.name));
    if (!window.mayLand()) return;
    await clearAttempts(member, step.name);
    if (await releaseClaim(member, step.name, window.mayLand)) step.progress = 'settled';
  });
}

/**
 * Finishes another session's commit from its record: a copy of our own, linked (see I2). False if it is
 * too late for this window.
 */
export async function publishFromRecord(
  member: Member,
  record: CommitRecord,
  window: Window,
): Promise<boolean> {
  if (record.next === undefined) return true;
  const { files, layout } = member;
  await member.ensureStaging();
  const { name, content } = record.next;
  if (await isArchived(files, layout, name)) return true;
  const temporary = member.staging(`.swept.${name}`);
  const outcome = await publish(files, temporary, layout.state(name), content, {
    may: window.mayLand,
  });
  if (outcome === 'late') return false;
  if (outcome === 'taken') {
    const there = await files.read(layout.state(name), content.length * BYTES_PER_CHARACTER);
    const isMended = await mendTorn(member, record.next, there);
    if (!isMended && !(await setAsideConflict(member, record, window))) return false;
  }
  await files.sync(layout.root);
  return true;
}
