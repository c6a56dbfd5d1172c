/** The engine contract on a database: checks what clients ask, and tells what is stored. */
import { hintsOf } from '../engine/waits.ts';
import type {
  Configurations,
  Engine,
  NewEvent,
  NewPlace,
  NewState,
  PlaceResult,
  ResetFilter,
  ResetResult,
  SendResult,
  SubmitResult,
  WorkerView,
} from '../engine/engine.ts';
import {
  exactCounts,
  isPlaced,
  operatorName,
  placementOf,
  sessionName,
} from '../engine/decisions.ts';
import { untickedEntry } from '../engine/journal-entry.ts';
import {
  checkConfigurationName,
  checkEvents,
  checkPage,
  checkPlace,
  checkStates,
  checkTime,
} from '../engine/validate.ts';
import type { Session, WorkerInfo } from '../engine/session.ts';
import { configurationDifferences } from '../machine/config.ts';
import { DEFAULT_GRACE_MS } from '../machine/decide.ts';
import { eventKey, formatEvent } from '../machine/event.ts';
import { instanceProblem, parseStateName, stateName } from '../machine/name.ts';
import { UserError } from '../machine/errors.ts';
import { formatRecord } from '../machine/record.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import type { Database, StateOf, StoredEvent, StoredState } from './database.ts';
import { resetIn } from './reset.ts';
import { DatabaseSession, type EnginePorts } from './session.ts';
import { fileOf, stepOf, storedState, textOf } from './steps.ts';

export interface DatabaseEngineOptions {
  /** Time after which a session without a sign of life holds nothing. Default: 30,000. */
  readonly leaseMs?: number;
}

const DEFAULT_LEASE_MS = 30_000;
/** State files and events for one call to the database, and their characters. */
const MAX_ITEMS = 500;
const MAX_CHARACTERS = 8 * 1024 * 1024;
/** Numbers of states are 32 bits. */
const MAX_STEP = 2_000_000_000;
const encoder = new TextEncoder();

export function databaseEngine(
  database: Database,
  ports: EnginePorts,
  { leaseMs = DEFAULT_LEASE_MS }: DatabaseEngineOptions = {},
): Engine {
  const closing = new AbortController();
  return {
    id: database.id,
    configurations: configurationsIn(database),
    submit: (states, signal) => submitTo(database, states, signal),
    send: (events) => sendTo(database, events),
    eventResult: async (id) => (isStorable(id) ? database.eventResult(id) : undefined),
    get: async (instance) => {
      const last = isInstance(instance) ? await database.last(instance) : undefined;
      return last && stepOf(last);
    },
    history: async (instance) =>
      isInstance(instance) ? (await database.steps(instance)).map(stepOf) : [],
    list: async (filter, page) => {
      checkPage(page);
      const { machine = '', state = '', prefix = '' } = filter;
      if (![machine, state, prefix, page.after ?? ''].every(isStorable)) return { instances: [] };
      const { instances, next } = await database.list(filter, page);
      return { instances, ...(next !== undefined && { next }) };
    },
    counts: async () => exactCounts(await database.counts()),
    workers: () => workersOf(database),
    ticks: async (since, page) => {
      checkTime(since);
      checkPage(page);
      return database.ticks(since === undefined ? undefined : Date.parse(since), page);
    },
    retry: (states) => retryIn(database, states),
    pause: (by) => database.pause(by),
    resume: () => database.resume(),
    reset: (what: ResetFilter, signal?: AbortSignal): Promise<ResetResult> =>
      resetIn(database, what, signal),
    watch: (signal) =>
      hintsOf(
        async (note) => database.watch(({ instance }) => note(instance)),
        AbortSignal.any([signal, closing.signal]),
      ),
    inspect: () => database.inspect(),
    close: async () => {
      if (closing.signal.aborted) return;
      closing.abort('closed');
      await database.close();
    },
    place: (instance, to) => placeIn(database, ports, instance, to),
    join: async (worker: WorkerInfo): Promise<Session> => {
      const name = sessionName(worker.name, ports.random);
      const session = new DatabaseSession(database, name, worker, ports, leaseMs);
      await session.open();
      return session;
    },
  };
}

/** No other text can be stored. */
const isStorable = (text: string): boolean => !text.includes('\0');
const isInstance = (instance: string): boolean => instanceProblem(instance) === undefined;

function configurationsIn(database: Database): Configurations {
  return {
    put: async ({ name, version }, text) => {
      const key = { name, version };
      checkConfigurationName(key);
      if (await database.putConfiguration(key, text)) return { kind: 'stored' };
      const differing = configurationDifferences((await database.configuration(key))!, text);
      return differing.length > 0 ? { kind: 'differs', differing } : { kind: 'there already' };
    },
    get: async (key) =>
      isStorable(key.name) && isStorable(key.version) ? database.configuration(key) : undefined,
    list: () => database.configurations(),
  };
}

async function submitTo(
  database: Database,
  states: readonly NewState[],
  signal: AbortSignal | undefined,
): Promise<SubmitResult[]> {
  checkStates(states);
  // Instances that begin alike share one content, which is parsed once.
  let last:
    { readonly bytes: Uint8Array; readonly body: string; readonly file: StateFile } | undefined;
  const stored = states.map(({ name, bytes }): StoredState => {
    if (last?.bytes !== bytes) {
      const body = textOf(bytes);
      last = { bytes, body, file: fileOf(name, body) };
    }
    return storedState(name, last.body, last.file);
  });
  const results: SubmitResult[] = [];
  const far = stored.find(({ step }) => step > MAX_STEP);
  if (far !== undefined) {
    const problem = `${stateName(far.instance, far.step)}: its number is larger than ${MAX_STEP}`;
    throw new UserError('bad-state', problem, { problems: [problem] });
  }
  for (const part of partsOf(stored, ({ body }) => body.length)) {
    signal?.throwIfAborted();
    results.push(...(await database.submit(part)));
  }
  signal?.throwIfAborted();
  return results;
}

async function sendTo(database: Database, events: readonly NewEvent[]): Promise<SendResult[]> {
  checkEvents(events);
  const stored = events.map(({ to, id, file }): StoredEvent => {
    const { delay = 0, grace = DEFAULT_GRACE_MS } = file;
    const content = formatEvent(file, id);
    return { id, to, key: eventKey(id), content, delay: delay > 0 ? delay : undefined, grace };
  });
  const results: SendResult[] = [];
  for (const part of partsOf(stored, ({ content }) => content.length)) {
    const sent = await database.send(part);
    results.push(
      ...sent.map((one): SendResult =>
        typeof one === 'string' ? { kind: 'sent', name: one } : one,
      ),
    );
  }
  return results;
}

/** Consecutive parts that are not too large for one call. */
function* partsOf<Item>(
  items: readonly Item[],
  lengthOf: (item: Item) => number,
): Generator<Item[], void> {
  let [part, characters]: [Item[], number] = [[], 0];
  for (const item of items) {
    const length = lengthOf(item);
    if (part.length === MAX_ITEMS || (part.length > 0 && characters + length > MAX_CHARACTERS)) {
      yield part;
      [part, characters] = [[], 0];
    }
    part.push(item);
    characters += length;
  }
  if (part.length > 0) yield part;
}

async function workersOf(database: Database): Promise<WorkerView[]> {
  const rows = await database.sessions();
  return rows.map(({ worker, session, isAlive, silentMs, concurrency, known, holds }) => ({
    worker,
    session,
    isAlive,
    silentMs,
    concurrency,
    machines: known.machines,
    holds: JSON.parse(holds) as WorkerView['holds'],
  }));
}

async function retryIn(database: Database, names: readonly string[]): Promise<boolean[]> {
  const parsed = names.map(parseStateName);
  const states = parsed.filter(
    (one): one is StateOf => one !== undefined && isInstance(one.instance) && one.step <= MAX_STEP,
  );
  if (states.length === 0) return names.map(() => false);
  const results = await database.retry(states);
  return parsed.map((one) => one !== undefined && results[states.indexOf(one)] === true);
}

/** See `Engine.place`. */
async function placeIn(
  database: Database,
  { clock, random }: EnginePorts,
  instance: string,
  to: NewPlace,
): Promise<PlaceResult> {
  checkPlace(to);
  const last = isInstance(instance) ? await database.last(instance) : undefined;
  if (last === undefined) return { kind: 'missing' };
  const name = stateName(instance, last.step);
  if (last.status === 'done') return { kind: 'ended' };
  const parsed = parseStateFile(encoder.encode(last.body));
  if (!parsed.ok) {
    const message = `cannot place ${instance}: ${name} is no state file: ${parsed.reason}`;
    throw new UserError('unreadable', message, { instance });
  }
  const { file } = parsed;
  if (last.status !== 'failed' && isPlaced(file, to)) return { kind: 'there already', name };
  checkPlace(to, file);
  const worker = operatorName(random);
  const session = sessionName(worker, random);
  const at = new Date(clock.now()).toISOString();
  const record = placementOf({ name, session }, worker, file, to, at);
  const by = { token: { worker, session }, stamp: () => at };
  const entry = untickedEntry(name, record.machine, { kind: 'commit', record }, by);
  const next = record.next!;
  const isPlacedNow = await database.place(
    {
      instance,
      step: last.step,
      fence: last.fence,
      kind: 'commit',
      record: formatRecord(record),
      next: storedState(next.name, next.content),
      entry,
    },
    session,
  );
  return isPlacedNow ? { kind: 'placed', name: next.name } : { kind: 'held' };
}
