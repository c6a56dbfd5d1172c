/**
 * A state this worker has claimed, from claim to settlement:
 *
 *   claimed ──▶ ready ──▶ running ──▶ finished ──▶ (settled: gone from here)
 *     │ ▲ does not parse: look again        ▲
 *     └─┴───────────────────────────────────┘ cannot run at all
 *
 * The decisions about it are functions of values; `worker.ts` carries them out.
 */
import type { Json, Machine, PastStep } from '../machine/definition.ts';
import { emittedEvent } from '../machine/event.ts';
import { fingerprint } from '../machine/fingerprint.ts';
import { endOfBranch } from '../machine/fork.ts';
import { outputsOf } from '../machine/join.ts';
import { parseStateName } from '../machine/name.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import { retryVerdict } from '../machine/retry.ts';
import { effectsOfAnswer, type StepEffects } from '../machine/step-effects.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import type { Change, Intake, JournalEntry, Step, Token } from '../store/session.ts';
import type { Missing } from './library.ts';
import type { TickResult, TickTask } from './ports.ts';

const EXHAUSTED = 'attempts-exhausted';

export interface Work {
  readonly machine: Machine;
  readonly file: StateFile;
  readonly task: TickTask;
  readonly attempts: readonly Attempt[];
}

/** Where nothing runs until an event comes. */
export interface Resting {
  readonly machine: Machine;
  readonly state: string;
  readonly file: StateFile;
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
  /** While running: where to stop it, and when it began and is overdue on the monotonic clock (ms). */
  running:
    | { readonly abort: AbortController; readonly began: number; readonly overdue: number }
    | undefined;
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
    tried: false,
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
  /** Of machines that there are elsewhere: see `resolveState`. */
  readonly newest?: ReadonlyMap<string, string>;
  /** This one, and the one in which `sensor` has looked: cycles since the epoch. */
  readonly cycle: number;
  readonly seen: number;
  /** Where other instances were then. */
  readonly sensor: (instance: string) => InstanceSnapshot | undefined;
  /** The steps of its instance, up to this state file. */
  readonly history: (name: string) => Promise<readonly PastStep[]>;
}

export type Verdict =
  | { readonly kind: 'ready'; readonly work: Work }
  | { readonly kind: 'wait'; readonly suspicion: Suspicion }
  /** `ended`: the machine in whose terminal state the instance has ended. */
  | { readonly kind: 'change'; readonly change: Change; readonly ended?: string }
  /** For events: what becomes of it depends on which there are. */
  | ({ readonly kind: 'waits' } & Resting)
  /** Not known here: whether anybody knows it, the volume's sessions tell. */
  | Unknown;

/** A machine, or a state of one, that this worker does not know. */
export interface Unknown {
  readonly kind: 'unknown';
  readonly code: string;
  readonly machine: string;
  /** Undefined: the machine itself is not known here. */
  readonly state?: string;
  readonly reason: string;
  readonly attempts: readonly Attempt[];
  /** Of the file that says so: see `FailureRecord`. */
  readonly file?: string;
  /** Sessions that have refused it. */
  readonly refusedBy?: readonly string[];
  /** What has come of a look for it. */
  readonly missing?: Missing;
}

export function judge(
  name: string,
  intake: Intake,
  suspicion: Suspicion | undefined,
  scene: Scene,
): Verdict {
  if (intake.kind === 'mended') return { kind: 'change', change: { kind: 'release' } };
  if (intake.kind === 'bad') {
    return { kind: 'change', change: failure(name, scene, { ...intake, file: intake.code }) };
  }
  if (intake.kind === 'unreadable') {
    const why = { ...intake, file: intake.code };
    const settled = (): Change =>
      intake.code === 'ENOENT' ? { kind: 'release' } : failure(name, scene, why);
    return waitFor(intake.code, suspicion, scene, settled);
  }
  const { attempts, refusedBy = [] } = intake;
  const file = fingerprint(intake.bytes);
  const parsed = parseStateFile(intake.bytes);
  if (!parsed.ok) {
    const settled = (): Change => failure(name, scene, { ...parsed, file }, attempts);
    return waitFor(file, suspicion, scene, settled);
  }
  const verdict = prepare(name, parsed.file, attempts, scene);
  if (verdict.kind === 'unknown') return { ...verdict, file, refusedBy };
  return verdict.kind === 'change'
    ? { kind: 'change', change: ofFile(verdict.change, file, intake.written) }
    : verdict;
}

/** What has failed before it could run has failed for what its file says; not where its attempts are used up. */
function ofFile(change: Change, file: string, written: string | undefined): Change {
  if (change.kind === 'defer') return { ...change, ...(written !== undefined && { written }) };
  if (change.kind !== 'fail' || change.record.code === EXHAUSTED) return change;
  return { kind: 'fail', record: { ...change.record, file } };
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
  const resolved = resolveState(scene.registry, file, scene.newest);
  if (!resolved.ok) {
    const { code, reason } = resolved;
    if (code === 'no-events')
      return { kind: 'change', change: failure(name, scene, resolved, attempts) };
    const place = {
      machine: file.machine ?? file.state,
      ...(code !== 'unknown-machine' && { state: file.state }),
    };
    return { kind: 'unknown', code, reason, ...place, attempts };
  }
  const { machine, state } = resolved;
  if (resolved.kind !== 'runnable') {
    return resolved.kind === 'waiting'
      ? { kind: 'waits', machine, state, file }
      : { kind: 'change', change: atTheEnd(name, resolved, file, scene), ended: machine.name };
  }
  const { activity } = resolved;
  // A state that kills its worker has no failed attempt to its name, only lost ones.
  const verdict =
    attempts.length === 0 ? undefined : retryVerdict(activity.retry, attempts, () => 0.5);
  if (verdict?.kind === 'give-up') {
    const given = { code: EXHAUSTED, reason: verdict.reason };
    return { kind: 'change', change: failure(name, scene, given, attempts) };
  }
  const task: TickTask = {
    instance: parseStateName(name)!.instance,
    name,
    machine: machine.name,
    state,
    payload: file.payload,
    outputs: outputsOf(file.join),
    attempt: attempts.length + 1,
    idempotencyKey: `${scene.volumeId}/${name}`,
    sensors: {},
    history: () => scene.history(name),
    activity,
    ...(isSuspect(attempts, activity.retry.maximumAttempts) && { isSuspect: true }),
  };
  return { kind: 'ready', work: { machine, file, task, attempts } };
}

/**
 * Whether this is the last attempt at a state that may have cost a worker. Not sooner: a lost worker proves nothing, and
 * threads for all that it held would keep the next one from its work.
 */
function isSuspect(attempts: readonly Attempt[], maximumAttempts: number): boolean {
  return (
    attempts.length + 1 === maximumAttempts && attempts.some(({ result }) => result === 'lost')
  );
}

/** Of a terminal state nothing is left behind; but where a branch has ended, the join is told, and what it ended with. */
function atTheEnd(
  name: string,
  { machine }: { readonly machine: Machine },
  file: StateFile,
  scene: Scene,
): Change {
  const told = endOfBranch(file, name, file.payload);
  if (typeof told === 'string') {
    const reason = `the payload that this branch ends with is its output: ${told}`;
    return failure(name, scene, { code: 'output-too-large', reason });
  }
  if (told.length === 0) return { kind: 'commit', record: undefined };
  const { session, worker } = scene.token;
  const [started, finished] = [scene.now, scene.now];
  const emit = told.map((one, index) => emittedEvent(one, index, { state: name, finished }));
  const common = { flockwork: 1, state: name, session, worker, started, finished } as const;
  return { kind: 'commit', record: { ...common, machine: machine.name, emit } };
}

interface Reason {
  readonly code: string;
  readonly reason: string;
  readonly line?: number;
  readonly column?: number;
  readonly file?: string;
}

export function failure(
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
    ...(why.file !== undefined && { file: why.file }),
    ...(attempts.length > 0 && { attempts: [...attempts] }),
  };
  return { kind: 'fail', record };
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
  if (result.kind === 'failed') return tryAgain(work, result.error, started, scene, random);
  const { answer } = result;
  const { name, state } = work.task;
  const { registry, newest } = scene;
  const sequel = effectsOfAnswer(answer, { ...work, name, state, registry, newest }, scene.now);
  if (typeof sequel === 'string') {
    // The tick would answer it again.
    return tryAgain(work, { message: sequel, fatal: true }, started, scene, random);
  }
  const output = answer.kind === 'done' ? answer.output : undefined;
  const record = recordOf(work, sequel, output, started, scene);
  return { kind: 'commit', record, ...(sequel.rests && { rests: true }) };
}

function tryAgain(
  work: Work,
  error: Extract<TickResult, { kind: 'failed' }>['error'],
  started: string,
  scene: Scene,
  random: () => number,
): Change {
  const attempt: Attempt = {
    attempt: work.task.attempt,
    session: scene.token.session,
    worker: scene.token.worker,
    started,
    ended: scene.now,
    result: 'failed',
    error,
  };
  const attempts = [...work.attempts, attempt];
  const verdict = retryVerdict(work.task.activity.retry, attempts, random);
  if (verdict.kind === 'give-up') {
    const code = error.fatal === true ? 'fatal' : EXHAUSTED;
    return failure(work.task.name, scene, { code, reason: verdict.reason }, attempts);
  }
  const notBefore = new Date(Date.parse(scene.now) + verdict.after).toISOString();
  return { kind: 'retry', attempt: { ...attempt, notBefore } };
}

/** A terminal step without output or history leaves nothing behind: its flag is a link to the token. */
function recordOf(
  { task, attempts }: Work,
  { emit, branches, next }: StepEffects,
  output: Json | undefined,
  started: string,
  scene: Scene,
): CommitRecord | undefined {
  const leaves =
    next !== undefined || emit.length > 0 || output !== undefined || attempts.length > 0;
  if (!leaves) return undefined;
  return {
    flockwork: 1,
    state: task.name,
    session: scene.token.session,
    worker: scene.token.worker,
    started,
    finished: scene.now,
    machine: task.machine,
    ...(output !== undefined && { output }),
    ...(emit.length > 0 && { emit }),
    ...(branches && { branches }),
    ...(next && { next }),
    ...(attempts.length > 0 && { attempts: [...attempts] }),
  };
}
