/**
 * A state this worker has claimed, from claim to settlement:
 *
 *   claimed ──▶ ready ──▶ running ──▶ finished ──▶ (settled: gone from here)
 *     │ ▲ does not parse: look again        ▲
 *     └─┴───────────────────────────────────┘ cannot run at all
 *
 * The decisions about it are functions of values; `worker.ts` carries them out.
 */
import type { Answer } from '../machine/answer.ts';
import { parseStateName, successorName } from '../machine/name.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import { retryVerdict } from '../machine/retry.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { successorContent } from '../machine/successor.ts';
import type { Change, Intake, JournalEntry, Step, Token } from '../volume/contract.ts';
import type { TickResult, TickTask } from './ports.ts';

export interface Work {
  readonly file: StateFile;
  readonly task: TickTask;
  readonly attempts: readonly Attempt[];
}

/** What did not parse, to be compared with what is there a while later. */
export interface Suspicion {
  readonly content: string;
  /** On the monotonic clock, ms: when it was first found like this. */
  readonly since: number;
}

export interface Holding {
  readonly name: string;
  /** ISO 8601, volume time: of the claim. */
  readonly since: string;
  stage: 'claimed' | 'ready' | 'running' | 'finished';
  suspicion: Suspicion | undefined;
  work: Work | undefined;
  /** While running: where to stop it, and when it is overdue on the monotonic clock (ms). */
  running: { readonly abort: AbortController; readonly overdue: number } | undefined;
  step: Step | undefined;
  entry: JournalEntry | undefined;
}

export function newHolding(name: string, since: string): Holding {
  return {
    name,
    since,
    stage: 'claimed',
    suspicion: undefined,
    work: undefined,
    running: undefined,
    step: undefined,
    entry: undefined,
  };
}

export function newStep(name: string, change: Change): Step {
  return {
    name,
    change,
    progress: 'new',
    staged: undefined,
    lost: false,
    followed: false,
    error: undefined,
  };
}

/** Who decides, and when: what every record says. */
export interface Scene {
  readonly token: Token;
  /** ISO 8601, volume time. */
  readonly now: string;
  /** The monotonic clock, ms. */
  readonly at: number;
  /** Milliseconds for which what cannot be read has to stay as it is before it counts as whole. */
  readonly patience: number;
  readonly volumeId: string;
  readonly registry: Registry;
}

export type Verdict =
  | { readonly kind: 'ready'; readonly work: Work }
  | { readonly kind: 'wait'; readonly suspicion: Suspicion }
  | { readonly kind: 'change'; readonly change: Change }
  /** Not known here: whether anybody knows it, the volume's sessions tell. */
  | { readonly kind: 'unknown'; readonly machine: string; readonly reason: string };

export function judge(
  name: string,
  intake: Intake,
  suspicion: Suspicion | undefined,
  scene: Scene,
): Verdict {
  if (intake.kind === 'mended') return { kind: 'change', change: { kind: 'release' } };
  if (intake.kind === 'bad') return { kind: 'change', change: failure(name, scene, intake) };
  if (intake.kind === 'unreadable') {
    const settled = (): Change =>
      intake.code === 'ENOENT' ? { kind: 'release' } : failure(name, scene, intake);
    return waitFor(intake.code, suspicion, scene, settled);
  }
  const parsed = parseStateFile(intake.bytes);
  if (!parsed.ok) {
    const content = Buffer.from(intake.bytes).toString('latin1');
    const settled = (): Change => failure(name, scene, parsed, intake.attempts);
    return waitFor(content, suspicion, scene, settled);
  }
  return prepare(name, parsed.file, intake.attempts, scene);
}

/** A copy under way changes; one that has stayed as it is for long enough is all there will be. */
function waitFor(
  content: string,
  suspicion: Suspicion | undefined,
  { at, patience }: Scene,
  settled: () => Change,
): Verdict {
  const since = suspicion?.content === content ? suspicion.since : at;
  return at - since >= patience
    ? { kind: 'change', change: settled() }
    : { kind: 'wait', suspicion: { content, since } };
}

/** A state file that parses, made ready to tick. */
export function prepare(
  name: string,
  file: StateFile,
  attempts: readonly Attempt[],
  scene: Scene,
): Verdict {
  const { notBefore } = file;
  if (notBefore !== undefined && Date.parse(notBefore) > Date.parse(scene.now)) {
    return { kind: 'change', change: { kind: 'defer', notBefore } };
  }
  const resolved = resolveState(scene.registry, file);
  if (!resolved.ok) {
    if (resolved.code === 'unknown-machine') {
      return { kind: 'unknown', machine: file.machine ?? file.state, reason: resolved.reason };
    }
    return { kind: 'change', change: failure(name, scene, resolved, attempts) };
  }
  const { machine, state, activity } = resolved;
  // A state that kills its worker has no failed attempt to its name, only lost ones.
  const verdict =
    attempts.length === 0 ? undefined : retryVerdict(activity.retry, attempts, () => 0.5);
  if (verdict?.kind === 'give-up') {
    const given = { code: 'attempts-exhausted', reason: verdict.reason };
    return { kind: 'change', change: failure(name, scene, given, attempts) };
  }
  const task: TickTask = {
    instance: parseStateName(name)!.instance,
    name,
    machine: machine.name,
    state,
    payload: file.payload,
    attempt: attempts.length + 1,
    idempotencyKey: `${scene.volumeId}/${name}`,
    activity,
  };
  return { kind: 'ready', work: { file, task, attempts } };
}

interface Reason {
  readonly code: string;
  readonly reason: string;
  readonly line?: number;
  readonly column?: number;
}

function failure(
  name: string,
  scene: Scene,
  why: Reason,
  attempts: readonly Attempt[] = [],
): Change {
  const record: FailureRecord = {
    flockwork: 1,
    state: name,
    session: scene.token.session,
    worker: scene.token.worker,
    at: scene.now,
    code: why.code,
    reason: why.reason,
    ...(why.line !== undefined && { line: why.line }),
    ...(why.column !== undefined && { column: why.column }),
    ...(attempts.length > 0 && { attempts: [...attempts] }),
  };
  return { kind: 'fail', record };
}

/** Nobody alive knows the machine: put the state aside, with the names they do know. */
export function refusal(
  name: string,
  machine: string,
  reason: string,
  sessions: readonly Token[],
  scene: Scene,
): Change {
  const wanted = machine.split(':')[0];
  const others = sessions.filter((token) => token.session !== scene.token.session);
  const known = (token: Token): boolean =>
    token.machines.some(
      (one) => one === machine || (one.split(':')[0] === wanted && !machine.includes(':')),
    );
  if (others.some(known)) return { kind: 'refuse', reason };
  const names = [...new Set([scene.token, ...others].flatMap((token) => token.machines))].sort();
  return failure(name, scene, {
    code: 'unknown-machine',
    reason: `no worker here knows machine ${machine}; they know ${names.join(', ') || 'none'}`,
  });
}

/** What a finished tick means for its state. */
export function conclude(
  work: Work,
  result: TickResult,
  started: string,
  scene: Scene,
  random: () => number,
): Change {
  if (result.kind === 'aborted') return { kind: 'release' };
  if (result.kind === 'answer') {
    return { kind: 'commit', record: recordOf(work, result.answer, started, scene) };
  }
  const attempt: Attempt = {
    attempt: work.task.attempt,
    session: scene.token.session,
    worker: scene.token.worker,
    started,
    ended: scene.now,
    result: 'failed',
    error: result.error,
  };
  const attempts = [...work.attempts, attempt];
  const verdict = retryVerdict(work.task.activity.retry, attempts, random);
  if (verdict.kind === 'give-up') {
    const code = result.error.fatal === true ? 'fatal' : 'attempts-exhausted';
    return failure(work.task.name, scene, { code, reason: verdict.reason }, attempts);
  }
  const notBefore = new Date(Date.parse(scene.now) + verdict.after).toISOString();
  return { kind: 'retry', attempt: { ...attempt, notBefore } };
}

/** A terminal step without output or history leaves nothing behind: its flag is a link to the token. */
function recordOf(
  work: Work,
  answer: Answer,
  started: string,
  scene: Scene,
): CommitRecord | undefined {
  const { task, file, attempts } = work;
  const leaves = answer.kind === 'next' || answer.output !== undefined || attempts.length > 0;
  if (!leaves) return undefined;
  return {
    flockwork: 1,
    state: task.name,
    session: scene.token.session,
    worker: scene.token.worker,
    started,
    finished: scene.now,
    machine: task.machine,
    ...(answer.kind === 'done' && answer.output !== undefined && { output: answer.output }),
    ...(answer.kind === 'next' && {
      next: {
        name: successorName(task.name),
        content: successorContent(file, task.machine, answer),
      },
    }),
    ...(attempts.length > 0 && { attempts: [...attempts] }),
  };
}
