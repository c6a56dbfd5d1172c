/** Rejects events that no open state waits for: their instance does not exist yet, or has ended. */
import { eventIdOf, parseEvent, parseEventName } from '../machine/event.ts';
import { originName, parseStateName, stateName } from '../machine/name.ts';
import { DEFAULT_GRACE_MS, unroutableReason, type LastStep } from '../machine/decide.ts';
import { formatRecord, parseCommitRecord, type RejectionRecord } from '../machine/record.ts';
import { readDoneFlag } from './archive.ts';
import { lastState } from './chain-steps.ts';
import type { PhaseGuard } from './operations.ts';
import { dropEvent } from './effects.ts';
import { remove, writeAtomically } from './atomic-files.ts';
import { readEvent } from './inbox.ts';
import type { SessionContext } from './session-context.ts';
import { eventStatus } from './outcomes.ts';

export class UnroutableEvents {
  readonly #context: SessionContext;
  readonly #monotonic: () => number;
  /** When this session first saw each of these events. On our own clock: the time in its name may be from any other. */
  #seen = new Map<string, number>();

  constructor(context: SessionContext, monotonic: () => number) {
    this.#context = context;
    this.#monotonic = monotonic;
  }

  /** In Update System only (I4). */
  async rejectUnroutable(guard: PhaseGuard, ownsKey: (instance: string) => boolean): Promise<void> {
    const { orphans, inbox } = this.#context;
    const seen = new Map<string, number>();
    for (const instance of orphans) {
      for (const file of inbox.due.get(instance) ?? []) {
        seen.set(file, this.#seen.get(file) ?? this.#monotonic());
      }
    }
    this.#seen = seen;
    for (const instance of orphans) {
      if (!ownsKey(instance)) continue;
      for (const file of inbox.due.get(instance) ?? []) {
        if (!guard.canBegin()) return;
        await this.#context.passedOver.guard(`events/${file}`, () =>
          this.#rejectOne(instance, file, guard),
        );
      }
    }
  }

  async #rejectOne(instance: string, file: string, guard: PhaseGuard): Promise<void> {
    const context = this.#context;
    const { files, layout } = context;
    const { key } = parseEventName(file)!;
    const status = await eventStatus(files, layout, key);
    if (status.kind === 'over') return void (await dropEvent(context, file, guard.canFinish));
    if (status.kind !== 'free') return;
    const text = await readEvent(files, layout, file, context.inbox.unreadable);
    if (text === undefined) return;
    const event = parseEvent(text);
    const grace = typeof event === 'string' ? DEFAULT_GRACE_MS : (event.grace ?? DEFAULT_GRACE_MS);
    const isLate = this.#monotonic() - this.#seen.get(file)! >= grace;
    // I12: never reject the end of a branch. Its fork is committed, so the join exists even if a stale cache hides it (I8).
    const isAwaited = typeof event !== 'string' && isForkOf(instance, event.branch?.ended);
    const last = await lastStepOf(context, instance);
    const reason = unroutableReason(instance, last, isLate && !isAwaited);
    if (reason === undefined) return;
    const { session, worker } = context.token;
    const record: RejectionRecord = {
      flockwork: 1,
      id: eventIdOf(key, text),
      file,
      ...reason,
      session,
      worker,
      at: context.stamp(),
    };
    await context.ensureStaging();
    const path = layout.outcome(key, status.generation);
    const may = guard.canFinish;
    const temporary = context.staging(`.verdict.${key}`);
    const outcome = await writeAtomically(files, temporary, path, formatRecord(record), { may });
    if (outcome !== 'ours') return;
    await files.sync(layout.outcomes);
    if (may()) await remove(files, layout.event(file));
  }
}

/** Did a step of `instance` fork into the branch that has ended with this state file? */
function isForkOf(instance: string, ended: string | undefined): boolean {
  const branch = ended === undefined ? undefined : parseStateName(ended)?.instance;
  const origin = branch === undefined ? undefined : originName(stateName(branch, 0));
  return origin !== undefined && parseStateName(origin)?.instance === instance;
}

async function lastStepOf(
  context: SessionContext,
  instance: string,
): Promise<LastStep | undefined> {
  const { files, layout } = context;
  const last = await lastState(files, layout, instance);
  if (last === undefined) return undefined;
  const done = await readDoneFlag(files, layout, last.name);
  const hasEnded = done !== undefined && parseCommitRecord(done, last.name)?.next === undefined;
  return { name: last.name, hasEnded };
}
