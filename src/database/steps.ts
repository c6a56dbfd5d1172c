/** What an engine stores of a state file, and what it tells of a stored one. Pure. */
import type { InstanceStep } from '../engine/engine.ts';
import { workerOf } from '../engine/decisions.ts';
import { DEFAULT_GRACE_MS } from '../machine/decide.ts';
import { eventIdOf, parseEvent, parseEventName, type EmittedEvent } from '../machine/event.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import {
  parseAttempt,
  parseCommitRecord,
  parseFailureRecord,
  type Attempt,
} from '../machine/record.ts';
import { machineNamed, parseStateFile, type StateFile } from '../machine/state-file.ts';
import type { StoredEmit, StoredState, StoredStep } from './database.ts';

const encoder = new TextEncoder();
/** Keeps a byte order mark: the text is stored exactly. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `bytes`: UTF-8. */
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);

/** Throws an Error for what is no state file: that was checked before it was stored. */
export function fileOf(name: string, body: string): StateFile {
  const parsed = parseStateFile(encoder.encode(body));
  if (!parsed.ok) throw new Error(`${name}: ${parsed.reason}`);
  return parsed.file;
}

/** Of those that are larger, all are alike: 32 bits. */
const MAX_PRIORITY = 2_000_000_000;

/** A name by which instances are found: texts that no database stores (NUL, half a surrogate pair) are shown as U+FFFD. */
export const storable = (name: string): string => name.toWellFormed().replaceAll('\0', '\ufffd');

/** `name`: INSTANCE.state or INSTANCE.state-N. */
export function storedState(
  name: string,
  body: string,
  file: StateFile = fileOf(name, body),
): StoredState {
  const { instance, step } = parseStateName(name)!;
  return {
    instance,
    step,
    body,
    machine: storable(machineNamed(file)),
    state: storable(file.state),
    priority: Math.max(-MAX_PRIORITY, Math.min(MAX_PRIORITY, file.priority ?? 0)),
    notBefore: file.notBefore === undefined ? undefined : Date.parse(file.notBefore),
  };
}

export function storedEmit({ name, content }: EmittedEvent): StoredEmit {
  const { key, to, time, isDelayed } = parseEventName(name)!;
  const parsed = parseEvent(content);
  const { grace = DEFAULT_GRACE_MS } = typeof parsed === 'string' ? {} : parsed;
  const due = isDelayed ? Date.parse(time) : undefined;
  return { id: eventIdOf(key, content), to, name, content, due, grace };
}

/** `lines`: one record on each. */
export function attemptsOf(lines: string): Attempt[] {
  return lines.split('\n').flatMap((line) => (line === '' ? [] : (parseAttempt(line) ?? [])));
}

export function stepOf(stored: StoredStep): InstanceStep {
  const { status, session } = stored;
  const name = stateName(stored.instance, stored.step);
  const parsed = parseStateFile(encoder.encode(stored.body));
  const file = parsed.ok ? parsed.file : undefined;
  const record = parseCommitRecord(stored.record ?? '', name);
  const failure = status === 'failed' ? parseFailureRecord(stored.failure ?? '', name) : undefined;
  const attempts = record?.attempts ?? failure?.attempts ?? attemptsOf(stored.attempts);
  const last = attempts.at(-1);
  const { started, finished } = record ?? { started: last?.started, finished: last?.ended };
  const worker = record?.worker ?? failure?.worker ?? (session && workerOf({ session }));
  return {
    name,
    flag: status,
    machine: file?.machine,
    state: file?.state,
    payload: file?.payload,
    hook: file?.hook?.run,
    worker,
    started,
    duration:
      started === undefined || finished === undefined
        ? undefined
        : Date.parse(finished) - Date.parse(started),
    attempts,
    events: record?.events ?? [],
    output: record?.output,
    reason: failure?.reason,
    join: file?.join,
  };
}
