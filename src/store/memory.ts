/**
 * A store in memory: for tests of machines, and for whoever runs workers within a program of his own. It is one
 * process's, and ends with it.
 */
import { configurationDifferences } from '../machine/config-difference.ts';
import { UserError } from '../machine/errors.ts';
import { formatEvent, formatEventName } from '../machine/event.ts';
import { parseStateFile } from '../machine/state-file.ts';
import { checkPhaseLengths, cycleLength, type PhaseLengths } from '../volume/phases/cycle.ts';
import type { Clock, Random } from '../engine/ports.ts';
import { formatInstant } from '../volume/phases/volume-clock.ts';
import { newSessionId } from '../volume/token.ts';
import { checkConfigurationName, checkMessage, checkState } from '../engine/validate.ts';
import type { ChainStep, ConfigurationName, Message, Recruit, Sent, Store } from '../engine/engine.ts';
import { Rows, type Row } from './memory-rows.ts';
import { MemorySession } from './memory-session.ts';
import { Vigil } from './memory-vigil.ts';

export interface MemoryOptions {
  readonly id: string;
  readonly phases: PhaseLengths;
  /** Milliseconds without a call after which a session counts as dead: two cycles at least. */
  readonly lease: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Throws `bad-phases`. */
export function memoryStore({ id, phases, lease, clock, random }: MemoryOptions): Store {
  const problem =
    checkPhaseLengths(phases) ??
    (lease >= 2 * cycleLength(phases) ? undefined : 'a lease has to last two cycles at least');
  if (problem !== undefined) throw new UserError('bad-phases', problem, { phases, lease });
  const rows = new Rows(() => clock.monotonic(), cycleLength(phases));
  const configurations = configurationsInMemory();
  const shared = { rows, vigil: new Vigil(clock, lease), clock, phases, lease, configurations };
  return {
    configurations,
    instances: {
      submit: async (name, bytes) => {
        checkState(name, bytes);
        if (rows.add(name, bytes.slice()) !== undefined) return 'submitted';
        const isSame = Buffer.compare(rows.states.get(name)!.bytes, bytes) === 0;
        return isSame ? 'there already' : 'name taken';
      },
      now: async (instance) => {
        const last = rows.last(instance);
        return last && stepOf(last);
      },
      list: async () => rows.instances,
      failed: async () => [...rows.states.values()].filter(hasFailed).map(({ name }) => name),
      retry: async (state) => retry(rows, state),
    },
    events: { send: async (message) => send(rows, clock.now(), message) },
    outcomes: { of: async (event) => rows.over.get(event) },
    history: { steps: async (instance) => rows.chain(instance).map(stepOf) },
    work: {
      id,
      open: async ({ sensors, ...recruit }: Recruit) => {
        const session = newSessionId(recruit.worker, random);
        const started = formatInstant(clock.now());
        return new MemorySession(shared, { flockwork: 1, session, started, ...recruit }, sensors);
      },
    },
  };
}

function configurationsInMemory(): Store['configurations'] {
  const texts = new Map<string, { readonly key: ConfigurationName; readonly text: string }>();
  const idOf = ({ name, version }: ConfigurationName): string => `${name}:${version}`;
  return {
    put: async ({ name, version }, text) => {
      const key = { name, version };
      checkConfigurationName(key);
      const stored = texts.get(idOf(key));
      if (stored === undefined) {
        texts.set(idOf(key), { key, text });
        return { kind: 'stored' };
      }
      const differing = configurationDifferences(stored.text, text);
      return differing.length > 0 ? { kind: 'differs', differing } : { kind: 'there already' };
    },
    get: async (key) => texts.get(idOf(key))?.text,
    list: async () => Array.from(texts.values(), ({ key }) => key),
  };
}

const hasFailed = ({ failure, done }: Row): boolean => failure !== undefined && done === undefined;

function retry(rows: Rows, state: string): boolean {
  const row = rows.states.get(state);
  if (row === undefined || !hasFailed(row)) return false;
  row.failure = undefined;
  row.notBefore = undefined;
  row.refusedBy.clear();
  rows.open.add(row);
  return true;
}

function send(rows: Rows, now: number, message: Message): Sent {
  checkMessage(message);
  const { to, id, file } = message;
  const { delay = 0 } = file;
  const over = rows.over.get(id);
  if (over !== undefined) return over;
  const time = new Date(Math.floor(now) + delay).toISOString();
  const name = formatEventName({ time, isDelayed: delay > 0, id, to });
  return { kind: 'sent', name: rows.post(name, formatEvent(file))!.name };
}

function stepOf(row: Row): ChainStep {
  const { name, bytes, done, failure, claim, entry } = row;
  const parsed = parseStateFile(bytes);
  const record = done?.record;
  const flags = {
    done,
    failed: failure,
    'in progress': claim,
    waiting: row.isWaiting || undefined,
  };
  const flag = Object.entries(flags).find(([, is]) => is !== undefined)?.[0] ?? 'available';
  return {
    name,
    flag: flag as ChainStep['flag'],
    state: parsed.ok ? parsed.file.state : undefined,
    payload: parsed.ok ? parsed.file.payload : undefined,
    worker: record?.worker ?? failure?.worker ?? (done ?? claim)?.token.worker,
    started: record?.started ?? entry?.started,
    duration:
      record === undefined
        ? entry?.duration
        : Date.parse(record.finished) - Date.parse(record.started),
    attempts: record?.attempts ?? failure?.attempts ?? row.attempts,
    events: record?.events ?? [],
    output: record?.output,
    reason: done === undefined ? failure?.reason : undefined,
    join: parsed.ok ? parsed.file.join : undefined,
  };
}
