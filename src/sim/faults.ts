/** What can go wrong with one file operation, and how chance decides that it does. */
import { hash, HASHES } from '../volume/phases/hash.ts';
import type { Files } from '../volume/files.ts';

export type Method = keyof Files;

/** Delays are milliseconds. */
export type Fault =
  /** It takes effect, but the reply is lost, and what comes back is an error. */
  | { readonly kind: 'lost'; readonly errno: string }
  | { readonly kind: 'refused'; readonly errno: string }
  /** It takes effect, and so much later once more: a request that a network repeated. */
  | { readonly kind: 'duplicate'; readonly delay: number }
  | { readonly kind: 'slow'; readonly delay: number }
  /** A cache answers, filled so long ago. */
  | { readonly kind: 'stale'; readonly age: number }
  /** The process ends before it, or after it took effect. */
  | { readonly kind: 'crash-before' }
  | { readonly kind: 'crash-after' }
  /** The power goes just before it. */
  | { readonly kind: 'power' };

export type FaultKind = Fault['kind'];

/** Asked before each file operation. `call` counts a process's operations from 1. */
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
/** A network repeats these; what writes content is not sent twice. */
const REPEATED_METHODS: readonly Method[] = [
  'link',
  'rename',
  'unlink',
  'create',
  'removeDirectory',
];

/** Where a crash makes a difference that others can see; before a read is as good as after one of these. */
const CRASH_METHODS: readonly Method[] = ['link', 'rename', 'unlink', 'sync', 'overwrite'];

const isRead = (method: Method): boolean => READ_METHODS.includes(method);

/** Which operations a fault is for. */
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
  /** Milliseconds: the oldest that a cache may be, the latest duplicate, the slowest reply. */
  readonly cache: number;
  readonly duplicate: number;
  readonly slow: number;
  /** What alone comes out of caches: paths that begin so. Undefined: all of them. */
  readonly cached?: string;
}

/**
 * Each operation has a throw of its own, so that leaving one fault out (see `shrink.ts`) leaves the others
 * as they were for as long as the processes do the same.
 */
export function randomFaults(seed: string, rates: Rates, limits: FaultLimits): FaultSource {
  const salt = hash(seed);
  const kinds = FAULT_KINDS.filter((kind) => (rates[kind] ?? 0) > 0);
  if (kinds.length === 0) return () => undefined;
  const isCached = (path: string): boolean => path.startsWith(limits.cached ?? '');
  return (process, call, method, path) => {
    const own = hash(process, salt);
    let roll = hash(String(call), own) / HASHES;
    for (const kind of kinds) {
      const rate = rates[kind] ?? 0;
      if (roll < rate) {
        if (!APPLIES[kind](method) || (kind === 'stale' && !isCached(path))) return undefined;
        return make(kind, hash(String(call), own ^ 0x5bd1e995) / HASHES, limits);
      }
      roll -= rate;
    }
    return undefined;
  };
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

/** `errno lost`, `30 ms late`, …: for traces. */
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
      return 'the process dies before it';
    case 'crash-after':
      return 'the process dies after it';
    default:
      return 'the power goes before it';
  }
}
