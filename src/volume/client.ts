/** What clients do with a volume. It makes the directories that it needs where they are missing. */
import { randomUUID } from 'node:crypto';
import { setImmediate as yieldToSignals } from 'node:timers/promises';
import type {
  Caution,
  ClientApi,
  ConfigurationName,
  Configurations,
  NewEvent,
  NewState,
  PutResult,
  SendResult,
  SubmitResult,
} from '../engine/engine.ts';
import { hintsOf, type Subscribe } from '../engine/waits.ts';
import type { Clock } from '../engine/ports.ts';
import {
  checkConfigurationName,
  checkEvents,
  checkPage,
  checkStates,
  checkTime,
} from '../engine/validate.ts';
import { configurationDifferences } from '../machine/config.ts';
import { eventIdProblem, eventKey, parseEventName } from '../machine/event.ts';
import { instanceProblem, isStateName, parseStateName } from '../machine/name.ts';
import { pauseVolume, resumeVolume, retryState, resetVolume } from './admin.ts';
import { isDone } from './archive.ts';
import { readChain, readLast } from './chain-steps.ts';
import { getConfiguration, listConfigurations, putConfiguration } from './configurations.ts';
import { countInstances, InstanceLists } from './instances.ts';
import type { Watch } from './cycle-loop.ts';
import { ensureDirectory } from './atomic-files.ts';
import type { Files } from './files.ts';
import { readTicks, type HistoryFiles } from './history.ts';
import type { Layout } from './layout.ts';
import { eventStatus } from './outcomes.ts';
import { sendEvents } from './send.ts';
import { submitState, submitStates, type BatchFiles } from './submit.ts';
import { WorkerViews } from './overview.ts';

export interface VolumeClientOptions {
  readonly files: HistoryFiles & BatchFiles;
  readonly layout: Layout;
  readonly clock: Clock;
  /** This host's clock stamps the volume's files. */
  readonly ownClock: boolean;
  /** Milliseconds; undefined before the first worker. */
  readonly leaseMs: number | undefined;
  /** Undefined: changes are only looked for once a cycle. */
  readonly watch?: Watch | undefined;
  /** Of the volume; undefined before the first worker. */
  readonly cycleMs?: number | undefined;
  /** Default: nothing is known. */
  readonly inspect?: () => readonly Caution[];
}

/** Before the first worker there is no cycle. */
const DEFAULT_CYCLE_MS = 1000;

export function volumeConfigurations(files: Files, layout: Layout): Configurations {
  return {
    put: (key, text) => put(files, layout, key, text),
    get: (key) => getConfiguration(files, layout, key),
    list: () => listConfigurations(files, layout),
  };
}

async function put(
  files: Files,
  layout: Layout,
  key: ConfigurationName,
  text: string,
): Promise<PutResult> {
  checkConfigurationName(key);
  const isNew = (await getConfiguration(files, layout, key)) === undefined;
  const stored = await putConfiguration(files, layout, key, text, randomUUID());
  const differing = configurationDifferences(stored, text);
  if (differing.length > 0) return { kind: 'differs', differing };
  return { kind: isNew ? 'stored' : 'there already' };
}

export function volumeClient(options: VolumeClientOptions): ClientApi {
  const { files, layout, clock, inspect = () => [] } = options;
  const closing = new AbortController();
  const lists = new InstanceLists(files, layout, () => clock.monotonic());
  const workers = new WorkerViews(options);
  return {
    configurations: volumeConfigurations(files, layout),
    submit: (states, signal) => submit(options, states, signal),
    send: (events) => send(options, events),
    eventResult: async (id) => {
      if (eventIdProblem(id) !== undefined) return undefined;
      const status = await eventStatus(files, layout, eventKey(id));
      return status.kind === 'over' ? status : undefined;
    },
    get: async (instance) =>
      instanceProblem(instance) === undefined ? readLast(files, layout, instance) : undefined,
    history: async (instance) =>
      instanceProblem(instance) === undefined ? readChain(files, layout, instance) : [],
    list: async (filter, page) => {
      checkPage(page);
      return lists.list(filter, page);
    },
    counts: () => countInstances(files, layout),
    workers: () => workers.read(),
    ticks: async (since, page) => {
      checkTime(since);
      checkPage(page);
      return readTicks(files, layout, since, page);
    },
    retry: (states) => retry(options, states),
    pause: async (by) => {
      await ensureDirectory(files, layout.home);
      const note = { by, at: new Date().toISOString() };
      await pauseVolume(files, layout, `${JSON.stringify(note)}\n`);
    },
    resume: () => resumeVolume(files, layout),
    reset: (what, signal) => resetVolume(options, what, signal),
    watch: (signal) => hintsOf(subscribeTo(options), AbortSignal.any([signal, closing.signal])),
    inspect: async () => inspect(),
    close: async () => closing.abort(),
  };
}

async function submit(
  { files, layout }: VolumeClientOptions,
  states: readonly NewState[],
  signal: AbortSignal = new AbortController().signal,
): Promise<SubmitResult[]> {
  checkStates(states);
  signal.throwIfAborted();
  const [only] = states;
  if (only === undefined) return [];
  const unique = randomUUID();
  if (states.length === 1) {
    const submitted = await submitState(files, layout, only, unique);
    await files.sync(layout.root);
    return [submitted];
  }
  const results = await submitStates(files, layout, states, {
    unique,
    stop: signal,
    yieldToSignals: () => yieldToSignals(),
  });
  // A power cut must not undo a submission that was reported.
  await files.sync(layout.root);
  signal.throwIfAborted();
  return states.map(({ name }) => results.get(name)!);
}

/** File events do not tell of everything, and may be lost: each cycle has a hint of its own. */
function subscribeTo({ clock, watch, cycleMs = DEFAULT_CYCLE_MS }: VolumeClientOptions): Subscribe {
  return async (note) => {
    const unwatch = await watch?.((name) => note(instanceOf(name)));
    const over = new AbortController();
    const tellEachCycle = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await clock.sleep(cycleMs, over.signal);
        note();
      }
    };
    void tellEachCycle();
    return async () => {
      over.abort();
      await unwatch?.();
    };
  };
}

/** `name`: of a state file, or an event in `events/`. */
function instanceOf(name: string | undefined): string | undefined {
  if (name?.startsWith('events/') === true) return parseEventName(name.slice('events/'.length))?.to;
  return name === undefined ? undefined : parseStateName(name)?.instance;
}

async function send(
  { files, layout, clock }: VolumeClientOptions,
  events: readonly NewEvent[],
): Promise<readonly SendResult[]> {
  checkEvents(events);
  const { results, aheadMs } = await sendEvents(files, layout, events, randomUUID());
  if (aheadMs > 0) await clock.sleep(aheadMs);
  return results;
}

async function retry(
  { files, layout }: VolumeClientOptions,
  states: readonly string[],
): Promise<boolean[]> {
  const results: boolean[] = [];
  for (const [index, state] of states.entries()) {
    if (index % STATES_PER_YIELD === STATES_PER_YIELD - 1) await yieldToSignals();
    // done beats failed where both exist.
    const isOver = !isStateName(state) || (await isDone(files, layout, state));
    results.push(!isOver && (await retryState(files, layout, state)));
  }
  return results;
}

/** File calls are synchronous: other work of this process gets its turn. */
const STATES_PER_YIELD = 100;
