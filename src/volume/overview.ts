/** The volume as status commands show it, and a census of its states: read without joining, changing nothing. */
import { z } from 'zod';
import { subjectOfProblem, isDroppedName } from '../machine/dropped.ts';
import { isStateName, compareCodePoints } from '../machine/name.ts';
import { parseFailureRecord, type FailureRecord } from '../machine/record.ts';
import { machineNamed, type StateFile } from '../machine/state-file.ts';
import type { HeldClaim } from './operations.ts';
import { listInto, listOrNone, readIfAllowed } from './atomic-files.ts';
import { Names } from './phases/names.ts';
import { errnoOf, type Files } from './files.ts';
import { readTails, JournalCounter, type HistoryFiles, type Tails } from './history.ts';
import type { Layout } from './layout.ts';
import { numberOfTokenFile } from './session-context.ts';
import { claimReportPath } from './staging.ts';
import { readRoster } from './snapshot.ts';
import { MAX_TOKEN_BYTES, parseToken, type Token } from './token.ts';
import { readStateFile } from './read-state.ts';
import {
  readSigns,
  newSilenceMemory,
  silencesOf,
  type Signs,
  type SilenceMemory,
} from './vitals.ts';
import type { WorkerView } from '../engine/engine.ts';
import type { Clock } from '../engine/ports.ts';
import { parseEventName } from '../machine/event.ts';
import { isDone } from './archive.ts';
import { readTried } from './attempts.ts';

export interface ClaimInfo {
  readonly state: string;
  /** Undefined for a foreign flag. */
  readonly token: Token | undefined;
  /** Reported by its worker. */
  readonly held: HeldClaim | undefined;
  /** When a foreign flag was created, ms, volume time. */
  readonly since?: number;
}

/** A flag in `workers/`. */
export interface WorkerFlagInfo {
  readonly name: string;
  /** Undefined for a foreign flag: of the original program, or left behind by it. */
  readonly session: string | undefined;
  /** When it was created, ms, volume time. */
  readonly since: number;
}

/** Machine and state of an instance, from its state file. */
export interface InstancePlace {
  /** NAME or NAME:VERSION. */
  readonly machine: string;
  readonly state: string;
  readonly file: StateFile;
}

export interface Overview {
  readonly paused: boolean;
  readonly census: Census;
  readonly inProgress: readonly ClaimInfo[];
  /** Failures of the first MAX_REASONS states, by name. */
  readonly failed: readonly FailureRecord[];
  /** Problems of files that were dropped into `events/`, a sentence each: the first MAX_REASONS by name. */
  readonly problems: readonly string[];
  /** Workers that registered as available, by name. */
  readonly registered: readonly WorkerFlagInfo[];
  readonly sessions: readonly Token[];
  /** The leases of the sessions. */
  readonly signs: Signs;
  readonly tails: Tails;
}

/** Failures that are read; problems, too. */
const MAX_REASONS = 1000;

/** The format that `reportClaims` writes: JSON has no key for an undefined value. */
type HeldFile = readonly (Omit<HeldClaim, 'machine'> & { readonly machine?: string | undefined })[];

const heldSchema: z.ZodType<HeldFile> = z.array(
  z.object({
    state: z.string(),
    machine: z.string().optional(),
    stage: z.enum(['claimed', 'ready', 'running', 'finished']),
    since: z.string(),
    attempt: z.number(),
  }),
);

/** `counter`: kept from one call to the next. */
export async function readOverview(
  files: HistoryFiles,
  layout: Layout,
  counter: JournalCounter = new JournalCounter(),
): Promise<Overview> {
  const census = await takeCensus(files, layout);
  return {
    paused: (await files.stat(layout.paused)) !== undefined,
    census,
    inProgress: await readClaims(files, layout, census.names.inProgress),
    failed: await readFailures(files, layout, census),
    problems: await readProblems(files, layout),
    registered: await readRegistered(files, layout),
    sessions: await readSessions(files, layout),
    signs: await readSigns(files, layout),
    tails: await readTails(files, layout, undefined, undefined, counter),
  };
}

export async function readClaims(
  files: Files,
  layout: Layout,
  names: readonly string[],
): Promise<ClaimInfo[]> {
  const held = new Map<string, Map<string, HeldClaim>>();
  const claims: ClaimInfo[] = [];
  for (const state of names) {
    const text = await readIfAllowed(files, layout.flag('in_progress', state), MAX_TOKEN_BYTES);
    if (text === undefined) continue;
    const token = parseToken(text);
    const session = token?.session;
    if (session !== undefined && !held.has(session)) {
      held.set(session, await readHeld(files, layout, session));
    }
    if (token === undefined) {
      const since = (await files.stat(layout.flag('in_progress', state)))?.mtime;
      claims.push({ state, token, held: undefined, ...(since !== undefined && { since }) });
    } else claims.push({ state, token, held: held.get(session ?? '')?.get(state) });
  }
  return claims;
}

async function readRegistered(files: Files, layout: Layout): Promise<WorkerFlagInfo[]> {
  const registered: WorkerFlagInfo[] = [];
  for (const { name, session } of await readRoster(files, layout)) {
    const since = (await files.stat(layout.flag('workers', name)))?.mtime;
    if (since === undefined) continue;
    // A foreign flag has a name, and no session.
    registered.push({ name, session: session === name ? undefined : session, since });
  }
  return registered.sort((a, b) => compareCodePoints(a.name, b.name));
}

async function readHeld(
  files: Files,
  layout: Layout,
  session: string,
): Promise<Map<string, HeldClaim>> {
  const text = await readIfAllowed(files, claimReportPath(layout, session));
  const held = heldSchema.safeParse(parseOr(text));
  return new Map((held.data ?? []).map((one) => [one.state, { machine: undefined, ...one }]));
}

function parseOr(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

/** Of the first MAX_REASONS failed states, by name. */
export async function readFailures(
  files: Files,
  layout: Layout,
  { names }: Pick<Census, 'names'>,
): Promise<FailureRecord[]> {
  const failures: FailureRecord[] = [];
  for (const state of names.failed.slice(0, MAX_REASONS)) {
    const text = await readIfAllowed(files, layout.flag('failed', state));
    const unknown = { flockwork: 1 as const, session: '', worker: '', at: '', code: 'unknown' };
    failures.push(
      parseFailureRecord(text ?? '', state) ?? {
        ...unknown,
        state,
        reason: 'the flag gives no reason',
      },
    );
  }
  return failures;
}

async function readProblems(files: Files, layout: Layout): Promise<string[]> {
  const names = (await listOrNone(files, layout.events)).filter(
    (name) => subjectOfProblem(name) !== undefined,
  );
  const problems: string[] = [];
  for (const name of names.sort().slice(0, MAX_REASONS)) {
    problems.push((await readIfAllowed(files, layout.event(name)))?.trim() ?? '');
  }
  return problems.filter((problem) => problem !== '');
}

/** Tokens of all sessions whose names begin with `prefix`. */
export async function readSessions(
  files: Files,
  layout: Layout,
  prefix: string = '',
): Promise<Token[]> {
  const directory = layout.internal('sessions');
  const tokens = new Map<string, Token>();
  const numbers = new Map<string, number>();
  for (const name of await listOrNone(files, directory)) {
    if (!name.startsWith(prefix)) continue;
    const token = parseToken(await readIfAllowed(files, `${directory}/${name}`, MAX_TOKEN_BYTES));
    const number = numberOfTokenFile(name);
    if (token === undefined || number < (numbers.get(token.session) ?? 0)) continue;
    numbers.set(token.session, number);
    tokens.set(token.session, token);
  }
  return [...tokens.values()];
}

/**
 * Names of done states that are in no journal: the journals were moved away, or the flags are not a worker's. Empty if
 * journals were read in part only; at most MAX_REASONS names.
 */
export async function doneWithout(
  files: HistoryFiles,
  layout: Layout,
  { census, tails }: Overview,
): Promise<string[]> {
  if (tails.cut.size > 0) return [];
  const recorded = new Set<string>();
  for (const { state, result } of tails.entries) if (result === 'done') recorded.add(state);
  if (census.done <= recorded.size) return [];
  const names: string[] = [];
  for await (const name of files.names(layout.flags('done'))) {
    if (isStateName(name) && !recorded.has(name)) names.push(name);
    if (names.length === MAX_REASONS) break;
  }
  return names;
}

/** Undefined for a state file that does not exist, or does not parse. */
export async function placeOf(
  files: Files,
  layout: Layout,
  name: string,
): Promise<InstancePlace | undefined> {
  const file = await readStateFile(files, layout, name);
  return file && { machine: machineNamed(file), state: file.state, file };
}

export interface WorkerViewsPorts {
  readonly files: Files;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly ownClock: boolean;
  /** Undefined before the first worker. */
  readonly leaseMs: number | undefined;
}

/** The sessions of a volume as others see them: from their tokens, leases, claims and reports. */
export class WorkerViews {
  readonly #ports: WorkerViewsPorts;
  readonly #memory: SilenceMemory = newSilenceMemory();

  constructor(ports: WorkerViewsPorts) {
    this.#ports = ports;
  }

  async read(): Promise<WorkerView[]> {
    const { files, layout, leaseMs = 0 } = this.#ports;
    const claimed = (await listOrNone(files, layout.flags('in_progress'))).filter(isStateName);
    const claims = Map.groupBy(
      await readClaims(files, layout, claimed),
      ({ token }) => token?.session,
    );
    const tokens = await readSessions(files, layout);
    const signs = await readSigns(files, layout);
    const silences = await silencesOf(this.#ports, signs, this.#memory);
    const views = tokens.map(({ worker, session, concurrency, machines }): WorkerView => {
      // Without a lease: other sessions have removed it.
      const silentMs = silences.get(session);
      const holds = (claims.get(session) ?? []).map(({ state: name, held }) => ({
        name,
        machine: held?.machine,
        since: held?.since,
        attempt: held?.attempt,
      }));
      const isAlive = silentMs !== undefined && silentMs <= leaseMs;
      return { worker, session, isAlive, silentMs, concurrency, machines, holds };
    });
    return views.sort((a, b) => compareCodePoints(a.session, b.session));
  }
}

export interface Census {
  readonly available: number;
  /** Of these, states whose next attempt is still to come, among the first `MAX_READ_STATES` that were tried. */
  readonly delayed: number;
  readonly inProgress: number;
  /** Waiting for events; neither available nor done. */
  readonly waiting: number;
  /** Pending events; not dropped files with a reported problem. */
  readonly events: number;
  /** In `done/`. */
  readonly done: number;
  /** In `archive/`; states that are being moved are in both. */
  readonly archived: number;
  /** `archived` is an estimate from some of the shards. */
  readonly isArchiveSampled: boolean;
  readonly failed: number;
  /** All claimed and failed states, and up to `MAX_READ_STATES` available and waiting ones. */
  readonly names: {
    readonly available: readonly string[];
    readonly waiting: readonly string[];
    readonly inProgress: readonly string[];
    readonly failed: readonly string[];
  };
}

/** Numbers of states by their flags, and of pending events. */
export type FlagCounts = Omit<Census, 'names' | 'isArchiveSampled'>;

/** Available, waiting and tried states that are named, or read. */
const MAX_READ_STATES = 2000;
/** Shards are counted up to this sum; the others have about as many each. */
const SAMPLED_FLAGS = 20_000;

/** Counts states of each kind. Memory: the names in the root and in `done/`, packed. */
export async function takeCensus(
  files: HistoryFiles,
  layout: Layout,
  sampledFlags: number = SAMPLED_FLAGS,
): Promise<Census> {
  const states = (directory: string): Promise<Names> => statesIn(files, directory);
  // Claims first, as in `snapshot.ts`: a state that is settled meanwhile is counted twice rather than never.
  const inProgress = await states(layout.flags('in_progress'));
  const root = await files.list(layout.entries, new StateNames());
  const done = await states(layout.flags('done'));
  const withFlag = await states(layout.flags('failed'));
  const undone = root.without(inProgress).without(done).without(withFlag);
  const failed: string[] = [];
  for (const name of withFlag) {
    // A state with both flags is done.
    if (!(await isDone(files, layout, name))) failed.push(name);
  }
  const flags = await states(layout.flags('waiting'));
  const open = undone.without(flags);
  let events = 0;
  for await (const name of namesOrNone(files, layout.events)) {
    if (parseEventName(name) !== undefined || isDroppedName(name)) events += 1;
    else if (subjectOfProblem(name) !== undefined) events -= 1;
  }
  return {
    available: open.size,
    delayed: await countDelayed(files, layout, open),
    inProgress: inProgress.size,
    waiting: undone.size - open.size,
    events: Math.max(0, events),
    done: done.size,
    ...(await countArchived(files, layout, sampledFlags)),
    failed: failed.length,
    names: {
      available: firstOf(open),
      waiting: undone.size === open.size ? [] : firstOf(undone.without(open)).sort(),
      inProgress: [...inProgress],
      failed: failed.sort(),
    },
  };
}

/** States that `seesOpenState` looks at. */
const MAX_PROBED_STATES = 100;

/**
 * Is one of the first states of the root neither done nor failed nor waiting? False says nothing of the others. For a caller
 * that would count a million pending states only to learn that there are some.
 */
export async function seesOpenState(files: HistoryFiles, layout: Layout): Promise<boolean> {
  let probed = 0;
  for await (const name of files.names(layout.entries)) {
    if (!isStateName(name)) continue;
    if (await isOpen(files, layout, name)) return true;
    probed += 1;
    if (probed === MAX_PROBED_STATES) break;
  }
  return false;
}

async function isOpen(files: Files, layout: Layout, name: string): Promise<boolean> {
  if (await isDone(files, layout, name)) return false;
  for (const flag of ['failed', 'waiting'] as const) {
    if ((await files.stat(layout.flag(flag, name))) !== undefined) return false;
  }
  return true;
}

/** Of a listing, the names of states. */
class StateNames extends Names {
  override push(name: string): void {
    if (isStateName(name)) super.push(name);
  }
}

/** Empty if there is no such directory. */
async function statesIn(files: Files, directory: string): Promise<Names> {
  try {
    return await listInto(files, directory, new StateNames());
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR') throw error;
    return new Names();
  }
}

const firstOf = (names: Names): string[] =>
  Array.from({ length: Math.min(names.size, MAX_READ_STATES) }, (_, index) => names.at(index));

export async function* namesOrNone(files: HistoryFiles, directory: string): AsyncGenerator<string> {
  try {
    yield* files.names(directory);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
  }
}

async function countDelayed(files: Files, layout: Layout, open: Names): Promise<number> {
  const tried = await statesIn(files, layout.internal('attempts'));
  if (tried.size === 0) return 0;
  let delayed = 0;
  for (const name of firstOf(tried.without(tried.without(open)))) {
    if ((await readTried(files, layout, name)).notBefore !== undefined) delayed += 1;
  }
  return delayed;
}

async function countArchived(
  files: HistoryFiles,
  layout: Layout,
  sampledFlags: number,
): Promise<Pick<Census, 'archived' | 'isArchiveSampled'>> {
  const shards: string[] = [];
  for await (const name of namesOrNone(files, layout.archive)) shards.push(name);
  let [counted, sampled] = [0, 0];
  for (const shard of shards) {
    for await (const name of namesOrNone(files, `${layout.archive}/${shard}/done`)) {
      if (isStateName(name)) counted += 1;
    }
    sampled += 1;
    if (counted >= sampledFlags) break;
  }
  const isSampled = sampled < shards.length;
  const archived = isSampled ? Math.round((counted / sampled) * shards.length) : counted;
  return { archived, isArchiveSampled: isSampled };
}
