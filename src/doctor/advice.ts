/** Recommends phase lengths and a lease from measurements. Pure; all times are integer milliseconds. */
import { writeDuration } from '../machine/duration.ts';
import {
  cycleLength,
  LOCAL_PHASES,
  NETWORK_PHASES,
  type PhaseLengths,
} from '../volume/phases/cycle.ts';
import { knownOf } from './file-system.ts';
import type { VisibilityCheck, Measured, Operation } from './measured.ts';

export interface Advice {
  readonly phases: PhaseLengths;
  readonly lease: number;
}

/** A measurement is not the worst case. */
const SAFETY_FACTOR = 2;
/** Update System goes on with these claims. */
const MIN_CLAIMS_PER_COMMITMENT = 3;
const MIN_COMMITS_PER_UPDATE = 20;
const MIN_LEASE_MS = 10_000;
/** A session that misses two cycles is not dead. */
const CYCLES_PER_LEASE = 2.5;

/** Undefined without latencies or without a plausible time stamp. */
export function advise(measured: Measured): Advice | undefined {
  const { latency, stamps } = measured;
  if (latency === undefined || stamps === undefined) return undefined;
  if (!Number.isFinite(stamps.uncertainty)) return undefined;

  const took = (...operations: Operation[]): number =>
    operations
      .map((one) => latency.find(({ operation }) => operation === one)?.p95 ?? 0)
      .reduce((sum, p95) => sum + p95, 0);
  const slowest = Math.max(...latency.map(({ p95 }) => p95));
  const names = hiddenFrom(measured, 'listing', 'stat');
  const beats = hiddenFrom(measured, 'content');
  const least = leastPhases(measured);
  const longer = (phase: keyof PhaseLengths, ms: number): number =>
    Math.max(least[phase], roundUp(SAFETY_FACTOR * ms));

  const phases: PhaseLengths = {
    assignment: longer('assignment', names + 3 * took('list') + took('read')),
    commitment: longer('commitment', MIN_CLAIMS_PER_COMMITMENT * took('link', 'stat', 'read')),
    update: longer(
      'update',
      2 * took('fsync directory') +
        MIN_COMMITS_PER_UPDATE * took('create', 'fsync file', 'link', 'unlink'),
    ),
    buffer: longer('buffer', Math.max(stamps.uncertainty, slowest)),
  };
  const silence = Math.max(
    MIN_LEASE_MS,
    CYCLES_PER_LEASE * cycleLength(phases),
    2 * SAFETY_FACTOR * (beats + took('overwrite')),
  );
  return { phases, lease: roundUp(silence) };
}

/** Longest delay in ms until such a change was visible, at most the probe's limit. */
function hiddenFrom({ visibility }: Measured, ...looks: VisibilityCheck[]): number {
  if (visibility === undefined) return 0;
  return Math.max(...looks.map((look) => Math.min(visibility.longest[look], visibility.limit)));
}

/** Lower bounds: one mount of a network volume does not show what other hosts see. */
function leastPhases(measured: Measured): PhaseLengths {
  const { fileSystem, visibility } = measured;
  if (!fileSystem.network) return LOCAL_PHASES;
  if ((visibility?.mounts ?? 1) < 2) return NETWORK_PHASES;
  // With client time stamps, the clocks of the hosts may differ by a buffer.
  const isStampedByClients = stampedBy(measured)?.who === 'client';
  return isStampedByClients ? { ...LOCAL_PHASES, buffer: NETWORK_PHASES.buffer } : LOCAL_PHASES;
}

/** To 10 ms, to 100 ms from half a second on, to whole seconds from five. */
function roundUp(ms: number): number {
  const step = ms < 500 ? 10 : ms < 5000 ? 100 : 1000;
  return Math.ceil(ms / step) * step;
}

/** As flags of `flockwork worker`. */
export function flagsOf({ phases, lease }: Advice): string {
  return Object.entries({ ...phases, lease })
    .map(([name, ms]) => `--${name} ${writeDuration(ms)}`)
    .join(' ');
}

/** Which clock time stamps come from: inferred from the offsets through each mount, or from the file system type. Pure. */
export interface StampedBy {
  readonly who: 'this host' | 'server' | 'client' | 'unknown';
  /** False: what this type of file system is known to do. */
  readonly measured: boolean;
}

/** Undefined if no time stamps were measured. */
export function stampedBy({ fileSystem, stamps }: Measured): StampedBy | undefined {
  if (stamps === undefined) return undefined;
  if (!fileSystem.network) return { who: 'this host', measured: false };
  const { offsets } = stamps;
  // A server has one clock: if two mounts show different times, the clients stamp.
  const low = Math.max(...offsets.map((offset) => offset.low));
  const high = Math.min(...offsets.map((offset) => offset.high));
  if (low > high) return { who: 'client', measured: true };
  // All mounts are on this host; if all differ from its clock alike, it is another host's.
  const isOff = offsets.every((offset) => offset.low > 0 || offset.high < 0);
  if (isOff) return { who: 'server', measured: true };
  return { who: knownOf(fileSystem.type)?.stamps ?? 'unknown', measured: false };
}
