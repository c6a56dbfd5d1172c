/** A thread of `--threads`: loads the same machines as its worker, and runs their ticks when it is asked to. */
import { inspect } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import type { PastStep, RunnableActivity } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import type { Registry } from '../machine/registry.ts';
import { Cancellation } from '../worker/cancellation.ts';
import { startAttempt } from '../worker/executor.ts';
import { failed } from '../worker/failure.ts';
import type { Log } from '../engine/ports.ts';
import type { TickResult } from '../worker/ports.ts';
import { crashAsNode, StrayErrors } from '../worker/stray-errors.ts';
import type {
  ThreadCall,
  ThreadData,
  ThreadMessage,
  ThreadNote,
  ThreadReport,
  ThreadTask,
} from '../worker/thread-run.ts';
import { MachineFiles } from './machine-files.ts';
import { realClock } from '../api/node-ports.ts';

const { machines, pauseScale } = workerData as ThreadData;

const strays = new StrayErrors();
// Between ticks, too; what one says goes with it.
const tell = (facts: Record<string, unknown>, message: string): void =>
  parentPort?.postMessage({ facts: shown(facts), message } satisfies ThreadReport);
strays.catch({ log: { debug: tell, info: tell, warn: tell, error: tell }, crash: crashAsNode });

const files = new MachineFiles(machines);
/** Begun with the first tick, which can say what went wrong; after that, with the next one. */
let loading: Promise<unknown> | undefined;
/** As of the last load. */
let loadedVersion: number | undefined;

/** Files that cannot be loaded anew are as they were here, or missing; the worker's own thread has logged why. */
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
  // It is asked for once: while a tick runs, nothing is added to it.
  const answer = Promise.withResolvers<readonly PastStep[]>();
  let isAsked = false;
  port.on('message', (note: ThreadNote) => {
    if (note.kind === 'cancel') return cancellation.cancel(note.cause);
    if (note.kind === 'history') answer.resolve(note.steps);
    else answer.reject(new Error(note.message));
  });
  const post = (message: ThreadMessage): void => port.postMessage(message);
  const history = (): Promise<readonly PastStep[]> => {
    if (!isAsked) post({ kind: 'history' });
    isAsked = true;
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
    // What is missing may be there by the next tick.
    if (loadedVersion === 0) loadedVersion = undefined;
    return failed(error);
  }
}

/** Throws `machines-changed`. */
function activityOf(
  registry: Registry,
  task: ThreadTask,
): Extract<RunnableActivity, { kind: 'tick' }> {
  const { machine, version, state } = task;
  const found = registry.get(machine)?.find((one) => one.version === version);
  const placed = found?.lookup(task);
  if (placed?.kind === 'runnable' && placed.activity.kind === 'tick') return placed.activity;
  const message = `the files of machine ${machine} have changed since this worker began; start it again`;
  throw new UserError('machines-changed', message, { machine, state });
}

/** Not every machine is checked for its types: what it says is a text here too. */
function logTo(post: (message: ThreadMessage) => void): Log {
  const line = (facts: Record<string, unknown>, message: unknown): void => {
    const text = String(message);
    try {
      post({ kind: 'log', facts, message: text });
    } catch {
      post({ kind: 'log', facts: shown(facts), message: text });
    }
  };
  return { debug: line, info: line, warn: line, error: line };
}

/** A function, say, cannot go from one thread to another. */
function shown(facts: Record<string, unknown>): Record<string, unknown> {
  const show = (value: unknown): unknown => {
    try {
      return structuredClone(value);
    } catch {
      return inspect(value);
    }
  };
  return Object.fromEntries(Object.entries(facts).map(([key, value]) => [key, show(value)]));
}
