/** A thread of `--threads`: loads the same machines as its worker, and runs their ticks on request. */
import { inspect } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import type { Machine, PastStep, RunnableActivity } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import type { Registry } from '../machine/registry.ts';
import { Cancellation } from '../worker/supervise.ts';
import { startAttempt } from '../worker/executor.ts';
import { failed, crashAsNode, StrayErrors } from '../worker/tick-errors.ts';
import type { Log } from '../engine/ports.ts';
import type { TickResult } from '../worker/ports.ts';
import type {
  ThreadCall,
  ThreadData,
  ThreadMessage,
  ThreadNote,
  ThreadReport,
  ThreadTask,
} from '../worker/thread-pool.ts';
import { MachineFiles } from './machine-files.ts';
import { realClock } from '../api/node-ports.ts';

const { machines, pauseScale } = workerData as ThreadData;

const strays = new StrayErrors();
// Between ticks, too: the log lines of a tick go through its own port.
const report = (facts: Record<string, unknown>, message: string): void =>
  parentPort?.postMessage({ facts: cloneable(facts), message } satisfies ThreadReport);
strays.catch({
  log: { debug: report, info: report, warn: report, error: report },
  crash: crashAsNode,
});

const files = new MachineFiles(machines);
/** Begun by the first tick, which fails with its error; the next tick tries again. */
let loading: Promise<unknown> | undefined;
/** `machinesVersion` of the last load. */
let loadedVersion: number | undefined;

/** Machines whose files cannot be reloaded stay as they were, or are missing; the worker's own thread has logged why. */
async function load(version: number): Promise<Registry> {
  if (loadedVersion === undefined || loadedVersion < version) {
    loading = version === 0 ? files.load() : files.reload(version);
    loadedVersion = version;
  }
  await loading;
  return files.registry;
}

export default async function runTick({ task, port }: ThreadCall): Promise<TickResult> {
  const cancellation = new Cancellation();
  // Requested once: it does not change while a tick runs.
  const answer = Promise.withResolvers<readonly PastStep[]>();
  let isRequested = false;
  port.on('message', (note: ThreadNote) => {
    if (note.kind === 'cancel') return cancellation.cancel(note.cause);
    if (note.kind === 'history') answer.resolve(note.steps);
    else answer.reject(new Error(note.message));
  });
  const post = (message: ThreadMessage): void => port.postMessage(message);
  const history = (): Promise<readonly PastStep[]> => {
    if (!isRequested) post({ kind: 'history' });
    isRequested = true;
    return answer.promise;
  };
  try {
    const activity = activityOf(await load(task.machinesVersion), task);
    post({ kind: 'begun' });
    return await startAttempt({ ...task, activity, history }, activity.tick, cancellation, {
      clock: realClock,
      pauseScale,
      strays,
      log: logTo(post),
      print: (line: unknown) => post({ kind: 'print', line: String(line) }),
    });
  } catch (error) {
    // A missing file may be there by the next tick.
    if (loadedVersion === 0) loadedVersion = undefined;
    return failed(error);
  }
}

/** Throws `machines-changed`. */
function activityOf(
  registry: Registry,
  task: ThreadTask,
): Extract<RunnableActivity, { kind: 'tick' }> {
  const { machine, version, state, hook } = task;
  const found = registry.get(machine)?.find((one) => one.version === version);
  const activity = found && (hook === undefined ? ofState(found, task) : ofHook(found, hook.run));
  if (activity?.kind === 'tick') return activity;
  const message = `cannot run state ${state}: the files of machine ${machine} have changed since this worker started; restart the worker`;
  throw new UserError('machines-changed', message, { machine, state });
}

function ofState(machine: Machine, task: ThreadTask): RunnableActivity | undefined {
  const placed = machine.lookup(task);
  return placed.kind === 'runnable' ? placed.activity : undefined;
}

function ofHook({ rules }: Machine, run: string): RunnableActivity | undefined {
  return rules?.activities.get(run);
}

/** Messages become strings: a machine in JavaScript may log anything. */
function logTo(post: (message: ThreadMessage) => void): Log {
  const line = (facts: Record<string, unknown>, message: unknown): void => {
    const text = String(message);
    try {
      post({ kind: 'log', facts, message: text });
    } catch {
      post({ kind: 'log', facts: cloneable(facts), message: text });
    }
  };
  return { debug: line, info: line, warn: line, error: line };
}

/** Replaces values that cannot be cloned, such as functions, by a text. */
function cloneable(facts: Record<string, unknown>): Record<string, unknown> {
  const show = (value: unknown): unknown => {
    try {
      return structuredClone(value);
    } catch {
      return inspect(value);
    }
  };
  return Object.fromEntries(Object.entries(facts).map(([key, value]) => [key, show(value)]));
}
