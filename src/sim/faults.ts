/** The faults of a single operation, of files or of an engine, and the sources that inject them. */
import { hash, HASHES } from '../volume/phases/hash.ts';
import type { Files } from '../volume/files.ts';
import { dirname, join } from 'node:path/posix';
import { MOUNT } from './disk.ts';

export type Method = keyof Files;

/** Delays are milliseconds. */
export type Fault =
  /** Takes effect, but the reply is lost: the caller gets an error. */
  | { readonly kind: 'lost'; readonly errno: string }
  | { readonly kind: 'refused'; readonly errno: string }
  /** Takes effect, and again after `delay`: a request that the network repeats. */
  | { readonly kind: 'duplicate'; readonly delay: number }
  | { readonly kind: 'slow'; readonly delay: number }
  /** Answered by a cache that was filled `age` ago. */
  | { readonly kind: 'stale'; readonly age: number }
  /** The process crashes before it, or after it took effect; a new file is half written then. */
  | { readonly kind: 'crash-before' }
  | { readonly kind: 'crash-after' }
  /** The power fails just before it. */
  | { readonly kind: 'power' };

export type FaultKind = Fault['kind'];

/** Called before each file operation. `call` counts a process's operations from 1. */
export type FaultSource = (
  process: string,
  call: number,
  method: Method,
  path: string,
) => Fault | undefined;

export type Rates = Readonly<Partial<Record<FaultKind, number>>>;

const LOST_REPLY_ERRNOS = ['EIO', 'ENOENT', 'EEXIST', 'ETIMEDOUT', 'EPERM'];
export const REFUSAL_ERRNOS = [
  'EIO',
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EMFILE',
  'ESTALE',
  'ETIMEDOUT',
] as const;
const READ_METHODS: readonly Method[] = ['list', 'stat', 'read'];
/** What a network repeats: requests that write content are not sent twice. */
const REPEATED_METHODS: readonly Method[] = [
  'link',
  'rename',
  'unlink',
  'create',
  'removeDirectory',
];

/** Where a crash differs visibly: a crash before a read equals one after the last of these. */
const CRASH_METHODS: readonly Method[] = [
  'create',
  'link',
  'rename',
  'unlink',
  'sync',
  'overwrite',
];

const isRead = (method: Method): boolean => READ_METHODS.includes(method);

/** The operations that a fault applies to. */
const APPLIES: Readonly<Record<FaultKind, (method: Method) => boolean>> = {
  lost: (method) => !isRead(method) && method !== 'sync',
  refused: () => true,
  duplicate: (method) => REPEATED_METHODS.includes(method),
  slow: () => true,
  stale: isRead,
  'crash-before': (method) => CRASH_METHODS.includes(method),
  'crash-after': (method) => CRASH_METHODS.includes(method),
  power: () => true,
};

export const FAULT_KINDS = Object.keys(APPLIES) as readonly FaultKind[];

export interface FaultLimits {
  /** Milliseconds: age of the oldest cache, delay of the latest duplicate, of the slowest reply. */
  readonly cache: number;
  readonly duplicate: number;
  readonly slow: number;
  /** Only paths with this prefix are cached. Undefined: all. */
  readonly cached?: string;
}

/**
 * Each operation is decided by a hash of its own, so that leaving one fault out (see `shrink.ts`) leaves the
 * others unchanged as long as the processes do the same.
 */
export function randomFaults(seed: string, rates: Rates, limits: FaultLimits): FaultSource {
  const salt = hash(seed);
  const kinds = FAULT_KINDS.filter((kind) => (rates[kind] ?? 0) > 0);
  if (kinds.length === 0) return () => undefined;
  const isCached = (path: string): boolean => path.startsWith(limits.cached ?? '');
  return (process, call, method, path) => {
    const drawn = draw(kinds, rates, call, hash(process, salt));
    if (drawn === undefined) return undefined;
    const { kind, u } = drawn;
    if (!APPLIES[kind](method) || (kind === 'stale' && !isCached(path))) return undefined;
    return make(kind, u, limits);
  };
}

/** The kind of the fault of this call, if there is one. `u`: uniform in [0, 1), for the rest of it. */
function draw<Kind extends string>(
  kinds: readonly Kind[],
  rates: Readonly<Partial<Record<Kind, number>>>,
  call: number,
  salt: number,
): { readonly kind: Kind; readonly u: number } | undefined {
  let roll = hash(String(call), salt) / HASHES;
  for (const kind of kinds) {
    const rate = rates[kind] ?? 0;
    if (roll < rate) return { kind, u: hash(String(call), salt ^ 0x5bd1e995) / HASHES };
    roll -= rate;
  }
  return undefined;
}

/** `u`: uniform in [0, 1). */
function make(kind: FaultKind, u: number, limits: FaultLimits): Fault {
  switch (kind) {
    case 'lost':
      return { kind, errno: LOST_REPLY_ERRNOS[Math.floor(u * LOST_REPLY_ERRNOS.length)]! };
    case 'refused':
      return { kind, errno: REFUSAL_ERRNOS[Math.floor(u * REFUSAL_ERRNOS.length)]! };
    case 'duplicate':
      return { kind, delay: u * u * limits.duplicate };
    case 'slow':
      return { kind, delay: u * u * limits.slow };
    case 'stale':
      return { kind, age: u * limits.cache };
    default:
      return { kind };
  }
}

/** For traces: `30 ms late`, `refused with EIO`, … */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'lost':
      return `reply lost, ${fault.errno} instead`;
    case 'refused':
      return `refused with ${fault.errno}`;
    case 'duplicate':
      return `repeated after ${Math.round(fault.delay)} ms`;
    case 'slow':
      return `${Math.round(fault.delay)} ms late`;
    case 'stale':
      return `answered by a cache, ${Math.round(fault.age)} ms old`;
    case 'crash-before':
      return 'the process crashes before it';
    case 'crash-after':
      return 'the process crashes after it';
    default:
      return 'the power fails before it';
  }
}

/** A fault of a call of an engine. `delay`: milliseconds. */
export type CallFault =
  /** Takes effect, but the reply is lost: the caller gets an error. */
  | { readonly kind: 'lost' }
  /** Has no effect: the caller gets an error. */
  | { readonly kind: 'refused' }
  /** Takes effect that much later. */
  | { readonly kind: 'slow'; readonly delay: number };

export type CallFaultKind = CallFault['kind'];
const CALL_FAULT_KINDS: readonly CallFaultKind[] = ['lost', 'refused', 'slow'];
export type CallRates = Readonly<Partial<Record<CallFaultKind, number>>>;

/** Called before each call. `call` counts the calls of a process from 1. */
export type CallFaultSource = (process: string, call: number) => CallFault | undefined;

/** Each call is decided by a hash of its own, as in `randomFaults`. `maxDelay`: of slow calls, ms. */
export function randomCallFaults(
  seed: string,
  rates: CallRates,
  maxDelay: number,
): CallFaultSource {
  const salt = hash(seed);
  return (process, call) => {
    const drawn = draw(CALL_FAULT_KINDS, rates, call, hash(process, salt));
    if (drawn === undefined) return undefined;
    const { kind, u } = drawn;
    return kind === 'slow' ? { kind, delay: u * u * maxDelay } : { kind };
  };
}

/** For traces. */
export function describeCallFault(fault: CallFault): string {
  if (fault.kind === 'slow') return `${Math.round(fault.delay)} ms late`;
  return fault.kind === 'lost' ? 'reply lost' : 'refused';
}

export interface Freeze {
  /** Before a link into the directory, or a sync of it. */
  readonly before: 'link' | 'sync';
  readonly place: string;
  readonly ms: number;
  readonly until: number;
}

/** Faults that wait for a process's next operation on a directory of the volume. */
export class ArmedFaults {
  #ambush: string | undefined;
  #blackout: string | undefined;
  #isDark = false;
  #freeze: Freeze | undefined;

  /** The process crashes right after its next link into `place`. */
  ambush(place: string): void {
    this.#ambush = join(MOUNT, place);
  }

  /** The power fails right after its next link into `place`, before its next operation. */
  blackout(place: string): void {
    this.#blackout = join(MOUNT, place);
  }

  /** The process is stopped right before that operation, for `ms` but not beyond `until`, and does it then. */
  freeze({ place, ...rest }: Freeze): void {
    this.#freeze = { ...rest, place: join(MOUNT, place) };
  }

  clear(): void {
    this.#ambush = undefined;
    this.#blackout = undefined;
    this.#isDark = false;
    this.#freeze = undefined;
  }

  /** The fault for this operation; `slow` means that the process is stopped for `delay`. */
  fire(method: Method, path: string, now: number): Fault | undefined {
    if (this.#isDark) return { kind: 'power' };
    if (method !== 'link' && method !== 'sync') return undefined;
    const directory = method === 'link' ? dirname(path) : path;
    if (method === 'link' && directory === this.#ambush) return { kind: 'crash-after' };
    this.#isDark = method === 'link' && directory === this.#blackout;
    const freeze = this.#freeze;
    if (method !== freeze?.before || directory !== freeze.place) return undefined;
    this.#freeze = undefined;
    return { kind: 'slow', delay: Math.max(0, Math.min(freeze.ms, freeze.until - now)) };
  }
}
