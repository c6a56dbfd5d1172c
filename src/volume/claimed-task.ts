/**
 * A state that this session has claimed, from claim to settlement:
 *
 *   claimed ─┬─▶ ready ─────▶ running ──┬─▶ finished ──▶ (settled: gone from here)
 *            └─▶ undecided ─▶ deciding ─┘
 *
 *   claimed                        ──▶ claimed    does not parse: read again
 *   running, deciding              ──▶ claimed    refused: asked again later
 *   claimed                        ──▶ finished   cannot run at all
 *   claimed, undecided, ready      ──▶ finished   given back
 *
 * What takes a slot of the worker is `ready`, then `running`; what it decides at once is `undecided`, then `deciding`.
 *
 * What a file that was read means is decided here; `local-queue.ts` carries it out.
 */
import { fingerprint } from './failed-files.ts';
import {
  failureRecord,
  type Attempt,
  type FailureReason,
  type FailureRecord,
} from '../machine/record.ts';
import { ATTEMPTS_EXHAUSTED } from '../machine/retry.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import type { PendingEvent } from '../machine/event-batch.ts';
import type { Outcome, Settled, Settlement, Refusal, Task } from '../engine/session.ts';
import type {
  VolumeOutcome,
  JournalEntry,
  StateRead,
  VolumeSettlement,
  Token,
} from './operations.ts';
import { decideRefusal } from '../engine/decisions.ts';
import type { PastStep } from '../machine/definition.ts';

/** What did not parse, to be compared with what is there later. */
export interface PartialFile {
  readonly content: string;
  /** Monotonic, ms: when it was first found like this. */
  readonly since: number;
}

/** A state file that parses, and what is known of it besides. */
export interface ReadState {
  readonly file: StateFile;
  readonly attempts: readonly Attempt[];
  /** Of the file's bytes, for a failure record. Undefined for a successor that this session has published itself. */
  readonly fingerprint?: () => string;
  /** See `StateRead`. */
  readonly written?: string;
  /** Sessions that have refused it. */
  readonly refusedBy: readonly string[];
  readonly needsSlot: boolean;
  readonly events: readonly PendingEvent[];
}

export interface ClaimedTask {
  readonly name: string;
  /** ISO 8601, volume time: of the claim. */
  readonly since: string;
  /** See the diagram above. */
  stage: 'claimed' | 'undecided' | 'deciding' | 'ready' | 'running' | 'finished';
  partial: PartialFile | undefined;
  read: ReadState | undefined;
  /** The task that the worker has last been given. */
  handedOut: VolumeTask | undefined;
  step: VolumeSettlement | undefined;
  entry: JournalEntry | undefined;
  /** It was decided by what is not so any more. */
  isOutdated: boolean;
}

export function newClaimedTask(name: string, since: string): ClaimedTask {
  return {
    name,
    since,
    stage: 'claimed',
    partial: undefined,
    read: undefined,
    handedOut: undefined,
    step: undefined,
    entry: undefined,
    isOutdated: false,
  };
}

export function newSettlement(name: string, change: VolumeOutcome): VolumeSettlement {
  return {
    name,
    change,
    progress: 'new',
    staged: undefined,
    assigned: 0,
    tried: false,
    retired: 0,
    lost: false,
    followed: false,
    error: undefined,
  };
}

/** The session that reads, and when. */
export interface ReadContext {
  readonly session: string;
  readonly worker: string;
  /** ISO 8601, volume time. */
  readonly now: string;
  /** Monotonic, ms. */
  readonly at: number;
  /** Milliseconds for which an unreadable file must stay as it is before it counts as complete. */
  readonly patience: number;
}

export type ParsedRead = Omit<ReadState, 'needsSlot' | 'events'>;

export type StateClass =
  | { readonly kind: 'parsed'; readonly read: ParsedRead }
  | { readonly kind: 'wait'; readonly partial: PartialFile }
  | { readonly kind: 'change'; readonly change: VolumeOutcome };

export function classifyState(
  name: string,
  read: StateRead,
  partial: PartialFile | undefined,
  context: ReadContext,
): StateClass {
  if (read.kind === 'repaired') return { kind: 'change', change: { kind: 'release' } };
  if (read.kind === 'bad') {
    // A name stays what it is: no other content would help.
    const file = read.code !== 'bad-name' && { file: read.code };
    return { kind: 'change', change: failure(name, context, { ...read, ...file }) };
  }
  if (read.kind === 'unreadable') {
    const why = { ...read, file: read.code };
    return waitFor(read.code, partial, context, () =>
      read.code === 'ENOENT' ? { kind: 'release' } : failure(name, context, why),
    );
  }
  const { attempts, refusedBy = [], written } = read;
  const file = fingerprint(read.bytes);
  const parsed = parseStateFile(read.bytes);
  if (!parsed.ok) {
    return waitFor(file, partial, context, () =>
      failure(name, context, { ...parsed, file }, attempts),
    );
  }
  const known = { file: parsed.file, attempts, refusedBy, fingerprint: () => file };
  return { kind: 'parsed', read: { ...known, ...(written !== undefined && { written }) } };
}

/** A copy under way changes; one that has stayed as it is for long enough is complete. */
function waitFor(
  content: string,
  partial: PartialFile | undefined,
  { at, patience }: ReadContext,
  settled: () => VolumeOutcome,
): StateClass {
  const since = partial?.content === content ? partial.since : at;
  return at - since >= patience
    ? { kind: 'change', change: settled() }
    : { kind: 'wait', partial: { content, since } };
}

function failure(
  name: string,
  { session, worker, now }: Pick<ReadContext, 'session' | 'worker' | 'now'>,
  why: FailureReason,
  attempts: readonly Attempt[] = [],
): VolumeOutcome {
  return { kind: 'fail', record: failureRecord(name, { session, worker, at: now }, why, attempts) };
}

/** A worker's outcome, with what only the volume knows. `cycle`: the only one in which it may commit what it has observed. */
export function changeOf(
  { outcome, tick }: Settlement,
  read: ReadState | undefined,
  cycle: number,
): VolumeOutcome {
  switch (outcome.kind) {
    case 'commit': {
      if (outcome.readSet === undefined) return outcome;
      const { kind, record, rests } = outcome;
      return { kind, record, ...(rests && { rests }), cycle };
    }
    case 'fail':
      return isForItsFile(outcome, tick)
        ? withFile(outcome.record, read?.fingerprint?.())
        : outcome;
    case 'defer':
      return { ...outcome, ...(read?.written !== undefined && { written: read.written }) };
    case 'refuse':
      return { kind: 'refuse', reason: outcome.stored?.reason ?? outcome.reason };
    default:
      return outcome;
  }
}

/** A state that failed before it could run has failed for the content of its file, unless its attempts are used up. */
function isForItsFile(
  { record }: Extract<Outcome, { kind: 'fail' }>,
  tick: Settlement['tick'],
): boolean {
  return tick === undefined && record.code !== ATTEMPTS_EXHAUSTED;
}

function withFile(record: FailureRecord, file: string | undefined): VolumeOutcome {
  return { kind: 'fail', record: file === undefined ? record : { ...record, file } };
}

/** What the worker is told of a settled step. */
export function settledOf({ change, lost }: VolumeSettlement, isOutdated: boolean): Settled {
  if (lost) return 'lost';
  if (change.kind === 'fail') return 'failed';
  return isOutdated ? 'outdated' : 'settled';
}

/** A state file that needs nothing but a slot. Undefined for any other, and for what does not parse. */
export function readPlainState(bytes: Uint8Array): ReadState | undefined {
  const parsed = parseStateFile(bytes);
  if (!parsed.ok || parsed.file.notBefore !== undefined) return undefined;
  return {
    file: parsed.file,
    attempts: [],
    refusedBy: [],
    fingerprint: () => fingerprint(bytes),
    needsSlot: true,
    events: [],
  };
}

/** A successor that this session has published and claimed: its content need not be read. */
export function readOfSuccessor(content: string): ReadState | undefined {
  const parsed = parseStateFile(new TextEncoder().encode(content));
  if (!parsed.ok) return undefined;
  return { file: parsed.file, attempts: [], refusedBy: [], needsSlot: true, events: [] };
}

/** `sessions`: all that may be alive, this one included. Those that have refused this state are not asked again. */
export function refusalChange(
  name: string,
  refusal: Refusal,
  { attempts, refusedBy, ...read }: ReadState,
  sessions: readonly Token[],
  context: Pick<ReadContext, 'session' | 'worker' | 'now'>,
): VolumeOutcome {
  const others = sessions.filter(
    ({ session }) => session !== context.session && !refusedBy.includes(session),
  );
  const decided = decideRefusal(refusal, others, sessions);
  if (decided.kind === 'leave') return { kind: 'refuse', reason: decided.reason };
  const { code, reason } = decided;
  const file = read.fingerprint !== undefined && { file: read.fingerprint() };
  return failure(name, context, { code, reason, ...file }, attempts);
}

/** What a task reads when it is asked. */
export interface TaskReader {
  /** The cycle in which other instances were read last. */
  readonly seen: number;
  observe(instance: string): StateFile | undefined;
  history(name: string): Promise<readonly PastStep[]>;
}

type OnSettled = (settled: Settled) => void;

export class VolumeTask implements Task {
  readonly claimed: ClaimedTask;
  readonly session: string;
  readonly asOf: number;
  /** Monotonic, ms: when it was handed out. */
  readonly began: number;
  /** Monotonic, ms: when the worker promises an outcome. */
  deadline: number = Number.POSITIVE_INFINITY;
  /** The cycle in which other instances were read that it has observed. */
  observedIn: number | undefined;
  readonly #reader: TaskReader;
  #controller: AbortController | undefined;
  #isAborted = false;
  #settled: Settled | undefined;
  /** Undefined until it has an outcome: see `settle`. */
  #onSettled: OnSettled | undefined;

  /** `asOf`: the cycle. */
  constructor(
    claimed: ClaimedTask,
    session: string,
    asOf: number,
    began: number,
    reader: TaskReader,
  ) {
    this.claimed = claimed;
    this.session = session;
    this.asOf = asOf;
    this.began = began;
    this.#reader = reader;
  }

  get name(): string {
    return this.claimed.name;
  }

  get file(): Task['file'] {
    return this.claimed.read!.file;
  }

  get attempts(): Task['attempts'] {
    return this.claimed.read!.attempts;
  }

  get events(): Task['events'] {
    return this.claimed.read!.events;
  }

  observe(instance: string): StateFile | undefined {
    this.observedIn ??= this.#reader.seen;
    return this.#reader.observe(instance);
  }

  history(): Promise<readonly PastStep[]> {
    return this.#reader.history(this.name);
  }

  /** Made when it is first read: what is decided without a tick costs none. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }

  /**
   * Calls `onSettled` with the result, now or when there is one. False if it has an outcome already: a repeated settlement
   * has the result of the first.
   */
  settle(onSettled: OnSettled): boolean {
    const earlier = this.#onSettled;
    // Its tick has ended; thousands of tasks may wait for Update System.
    this.#controller = undefined;
    if (this.#settled !== undefined) {
      onSettled(this.#settled);
      return false;
    }
    this.#onSettled =
      earlier === undefined
        ? onSettled
        : (settled) => {
            earlier(settled);
            onSettled(settled);
          };
    return earlier === undefined;
  }

  tell(settled: Settled): void {
    if (this.#settled !== undefined) return;
    this.#settled = settled;
    this.#onSettled?.(settled);
    this.#onSettled = undefined;
  }
}
