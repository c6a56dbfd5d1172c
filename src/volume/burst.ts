/**
 * What most states need, many at a time: claimed, read, committed without a record, released. Whatever is unusual is left to
 * `claim.ts`, `read-state.ts` and `commit.ts`, which find what was begun here: a name that this session has linked holds its
 * token. Each file call is a `yield`: see `calls.ts`.
 */
import { invariant, throwBug } from '../machine/invariant.ts';
import type { Calls } from './calls.ts';
import { errnoOf } from './files.ts';
import type { Claims, PhaseGuard, VolumeSettlement } from './operations.ts';
import type { SessionContext } from './session-context.ts';

/** To list `failed/` once costs as much as to look for three names in it. */
const MIN_CLAIMS_PER_LISTING = 4;
/** With more failed states than these, each claim looks for its own. */
const MAX_FAILED_NAMES = 256;
/** Names that have no problem for sure: nothing but these is in most volumes. */
const PLAIN_NAME = /^[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,59}\.state(?:-[1-9]\d{0,8})?$/;
/** A longer state file is read after its size is known. */
const PLAIN_STATE_BYTES = 4000;

interface Candidates {
  readonly next: () => string | undefined;
  readonly limit: number;
  /** Listings are fresh (I8). */
  readonly isFresh: boolean;
}

/**
 * Claims up to `limit` of the names that `next` gives, until the phase ends, and checks then that they are not settled: as
 * `claim` does, see there.
 */
export function* claimPlain(
  context: SessionContext,
  { next, limit, isFresh }: Candidates,
  guard: PhaseGuard,
): Calls<Claims> {
  const { layout } = context;
  const linked: string[] = [];
  const unsure: string[] = [];
  const others: string[] = [];
  while (linked.length + unsure.length + others.length < limit && guard.canBegin()) {
    const name = next();
    if (name === undefined) break;
    const isPlain = isFresh && !context.attempted.has(name);
    if (!isPlain || context.spareFlag === undefined) {
      others.push(name);
      continue;
    }
    context.claims.begin(name);
    // After an error the owner is unknown: `releaseClaim` must read the flag.
    context.doubtful.add(name);
    try {
      yield ['link', context.spareFlag, layout.flag('in_progress', name)];
    } catch (error) {
      throwBug(error);
      // `claim` reads who has it.
      unsure.push(name);
      continue;
    }
    context.doubtful.delete(name);
    context.countFlag();
    linked.push(name);
  }
  const ours = yield* unsettled(context, linked, unsure);
  return { ours, unsure, others };
}

/** Of claimed states, those that are neither done nor failed; the rest goes to `unsure`. */
function* unsettled(
  context: SessionContext,
  claimed: readonly string[],
  unsure: string[],
): Calls<string[]> {
  const { layout, noArchive } = context;
  const ours: string[] = [];
  const failed = yield* failedNames(context, claimed.length);
  for (const name of claimed) {
    let isSettled = failed?.has(name) === true;
    try {
      isSettled ||= (yield ['stat', layout.flag('done', name)]) !== undefined;
      // After `done/`: a flag is in the archive long before it leaves `done/`.
      if (!isSettled && noArchive.isOld(layout.archive)) {
        isSettled = (yield ['stat', layout.archivedFlag(name)]) !== undefined;
      }
      if (failed === undefined && !isSettled) {
        isSettled = (yield ['stat', layout.flag('failed', name)]) !== undefined;
      }
    } catch (error) {
      throwBug(error);
      isSettled = true;
    }
    (isSettled ? unsure : ours).push(name);
  }
  return ours;
}

/** Listed after the claims: who fails a state does so before the claim is released. Undefined: to be looked for one by one. */
function* failedNames(
  { failed, layout }: SessionContext,
  claims: number,
): Calls<ReadonlySet<string> | undefined> {
  if (claims < MIN_CLAIMS_PER_LISTING || failed.size > MAX_FAILED_NAMES) return undefined;
  const names: string[] = [];
  try {
    yield ['list', layout.flags('failed'), names];
    return new Set(names);
  } catch (error) {
    throwBug(error);
    return undefined;
  }
}

/**
 * Reads small state files that have not been tried before; calls `onRead` with the content of each. What cannot be read so is
 * left out.
 */
export function* readPlain(
  { attempted, layout }: SessionContext,
  names: readonly string[],
  onRead: (name: string, bytes: Uint8Array) => void,
): Calls<void> {
  for (const name of names) {
    if (attempted.has(name) || !PLAIN_NAME.test(name)) continue;
    let bytes: Uint8Array;
    try {
      bytes = (yield ['read', layout.state(name), PLAIN_STATE_BYTES]) as Uint8Array;
    } catch (error) {
      throwBug(error);
      continue;
    }
    if (bytes.length <= PLAIN_STATE_BYTES) onRead(name, bytes);
  }
}

/** I1: links the `done/` flags of staged steps without a record. I4: never begun after the phase. */
export function* linkPlain(
  context: SessionContext,
  steps: readonly VolumeSettlement[],
  guard: PhaseGuard,
): Calls<void> {
  for (const step of steps) {
    if (!isPlainCommit(step) || step.tried) continue;
    if (context.spareFlag === undefined || !guard.canBegin()) return;
    step.tried = true;
    try {
      yield ['link', context.spareFlag, context.layout.flag('done', step.name)];
    } catch (error) {
      throwBug(error);
      // Tried again, and read.
      continue;
    }
    context.countFlag();
    step.progress = 'committed';
  }
}

/** Releases the claims of committed steps without a record: as `releaseClaim` does, see there. */
export function* releasePlain(
  context: SessionContext,
  steps: readonly VolumeSettlement[],
  guard: PhaseGuard,
): Calls<void> {
  const { attempted, claims, doubtful, layout } = context;
  for (const step of steps) {
    const { name } = step;
    if (!isPlainCommit(step) || attempted.has(name)) continue;
    const isOver = step.progress === 'published' && (step.lost || step.tried);
    invariant(isOver, 'I3: expected a published commit before its claim is released', name);
    if (!context.isSafe() || doubtful.has(name) || claims.isOld(name)) continue;
    if (!guard.canFinish()) return;
    claims.end(name);
    doubtful.add(name);
    try {
      yield ['unlink', layout.flag('in_progress', name)];
    } catch (error) {
      throwBug(error);
      if (errnoOf(error) !== 'ENOENT') continue;
    }
    doubtful.delete(name);
    step.progress = 'settled';
  }
}

function isPlainCommit({ change }: VolumeSettlement): boolean {
  return change.kind === 'commit' && change.record === undefined;
}
