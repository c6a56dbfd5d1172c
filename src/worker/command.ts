/**
 * An activity that is a program: the state as JSON on its standard input and in FLOCKWORK_* variables,
 * the answer on its standard output, diagnostics on standard error, exit status 0 for success.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Answer } from '../machine/answer.ts';
import { commandAnswer } from '../machine/command-answer.ts';
import type { Json, RunnableActivity } from '../machine/definition.ts';
import type { TickTask } from './ports.ts';

type Command = Extract<RunnableActivity, { kind: 'command' }>;

const MAX_OUTPUT_BYTES = 1024 * 1024;
/** What fits: Linux refuses a single variable of 128 KiB. */
const MAX_VARIABLE = 100_000;
const KILL_AFTER = 2000;
const STDERR_TAIL = 5;

export async function runCommand(
  task: TickTask,
  command: Command,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<Answer> {
  signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', command.run], {
    cwd: command.cwd,
    env: { ...process.env, ...variables(task), ...command.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // A process group of its own: at the timeout all of it has to go.
    detached: true,
  });
  const stop = killer(child);
  signal.addEventListener('abort', stop.begin, { once: true });
  try {
    const tail: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      log(line);
      tail.push(line);
      if (tail.length > STDERR_TAIL) tail.shift();
    });
    // A program that does not read its input is no error.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify(input(task)) + '\n');
    const output = collect(child, stop.begin);
    const [code, killedBy] = (await once(child, 'close')) as [number | null, string | null];
    signal.throwIfAborted();
    const text = output();
    if (code !== 0) throw new Error(describeExit(code, killedBy, tail));
    return commandAnswer(text, command.next, task.payload);
  } finally {
    signal.removeEventListener('abort', stop.begin);
    stop.end();
  }
}

function input(task: TickTask): Json {
  const { instance, state, payload, attempt, idempotencyKey, machine, sensors, outputs } = task;
  const seen = Object.keys(sensors).length > 0 && { sensors: sensors as Json };
  const joined = Object.keys(outputs).length > 0 && { outputs };
  return { instance, machine, state, payload, attempt, idempotencyKey, ...seen, ...joined };
}

function variables(task: TickTask): Record<string, string> {
  const all: Record<string, string> = {
    FLOCKWORK_INSTANCE: task.instance,
    FLOCKWORK_STATE: task.state,
    FLOCKWORK_ATTEMPT: String(task.attempt),
    FLOCKWORK_IDEMPOTENCY_KEY: task.idempotencyKey,
    FLOCKWORK_PAYLOAD: JSON.stringify(task.payload),
  };
  if (typeof task.payload === 'object' && task.payload !== null && !Array.isArray(task.payload)) {
    for (const [key, value] of Object.entries(task.payload)) {
      if (typeof value === 'object' && value !== null) continue;
      all[`FLOCKWORK_PAYLOAD_${key.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`] = String(value);
    }
  }
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value.length < MAX_VARIABLE && !value.includes('\0')),
  );
}

/** SIGTERM to the whole group, SIGKILL to what is left of it a little later. */
function killer(child: ChildProcess): { begin: () => void; end: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const send = (signal: 'SIGTERM' | 'SIGKILL'): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It is gone already.
    }
  };
  return {
    begin: () => {
      send('SIGTERM');
      timer ??= setTimeout(() => send('SIGKILL'), KILL_AFTER);
    },
    end: () => {
      if (timer === undefined) return;
      clearTimeout(timer);
      send('SIGKILL');
    },
  };
}

function collect(child: ChildProcess, onOverflow: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk);
    else onOverflow();
  });
  return () => {
    if (size > MAX_OUTPUT_BYTES)
      throw new Error(`the command printed more than ${MAX_OUTPUT_BYTES} bytes`);
    return Buffer.concat(chunks).toString('utf8');
  };
}

function describeExit(code: number | null, killedBy: string | null, tail: string[]): string {
  const how = code === null ? `was killed by ${killedBy}` : `exited with status ${code}`;
  return [`the command ${how}`, ...tail].join('\n');
}
