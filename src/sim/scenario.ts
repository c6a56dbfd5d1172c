/** Draws a run from its seed: workers, states, timing, volume, and the faults. */
import { cycleLength, type PhaseLengths } from '../volume/phases/cycle.ts';
import { Prng } from './prng.ts';
import type { FaultKind, FaultLimits, Rates, Freeze } from './faults.ts';
import type { ClockTraits } from './virtual-time.ts';
import type { TickFaults, Tree } from './workloads.ts';
import { inOrder, withRareFaults } from './rare-faults.ts';
import type { ProcessOptions } from './process.ts';

/** A fault, or an action of a user, at a given time. Durations are milliseconds. */
export type ScheduledFault = {
  /** Names it for shrinking. */
  readonly id: string;
  /** Milliseconds after the start. */
  readonly at: number;
} & (
  | { readonly kind: 'kill'; readonly host: number; readonly restart: number }
  /** The process crashes right after its next link into `place`. */
  | { readonly kind: 'ambush'; readonly host: number; readonly place: string }
  /** The power fails right after its next link into `place`. */
  | { readonly kind: 'blackout'; readonly host: number; readonly place: string }
  /** The process is stopped right before its next link into `place`, or its next sync of that. */
  | ({ readonly kind: 'freeze'; readonly host: number } & Omit<Freeze, 'until'>)
  | { readonly kind: 'stop'; readonly host: number; readonly restart: number }
  | { readonly kind: 'suspend'; readonly host: number; readonly ms: number }
  /** The host is suspended: its monotonic clock stands still. */
  | { readonly kind: 'sleep'; readonly host: number; readonly ms: number }
  | { readonly kind: 'step'; readonly host: number; readonly ms: number }
  | { readonly kind: 'no clock'; readonly host: number; readonly ms: number }
  | { readonly kind: 'unmount'; readonly host: number; readonly ms: number }
  | { readonly kind: 'twin'; readonly host: number; readonly ms: number }
  | { readonly kind: 'power'; readonly keep: number; readonly restart: number }
  | { readonly kind: 'invalid file'; readonly what: number }
  | { readonly kind: 'foreign entry'; readonly what: number }
  | {
      readonly kind: 'slow copy';
      readonly name: string;
      readonly steps: number;
      readonly ms: number;
    }
  | { readonly kind: 'submit'; readonly name: string; readonly steps: number }
  /** A new instance moved by events. */
  | { readonly kind: 'lamp'; readonly name: string }
  /** A new instance that forks. */
  | { readonly kind: 'tree'; readonly name: string; readonly tree: Tree }
  | {
      readonly kind: 'send';
      readonly to: string;
      readonly event: string;
      readonly eventId: string;
      readonly hops: number;
    }
  /** Copied by a user, a piece every `ms`. */
  | {
      readonly kind: 'drop';
      readonly name: string;
      readonly to: string;
      readonly event: string;
      readonly eventId: string | undefined;
      readonly hops: number;
      readonly ms: number;
    }
  /** A first state file is copied again, if it has left the root. */
  | { readonly kind: 'copy again'; readonly name: string; readonly steps: number }
);

/** Those that are the same on every engine. */
export type CommonFault = Extract<
  ScheduledFault,
  { kind: 'kill' | 'stop' | 'suspend' | 'twin' | 'submit' | 'lamp' | 'tree' }
>;

export interface Instance {
  readonly name: string;
  /** State files in its chain. */
  readonly steps: number;
}

/** What a seed draws for a run on any engine. */
export interface RunPlan {
  readonly seed: string;
  /** No faults. */
  readonly calm: boolean;
  readonly start: number;
  readonly instances: readonly Instance[];
  readonly tickFaults: TickFaults;
  /** Milliseconds after which faults stop and the core must finish. */
  readonly safety: number;
  /** Hosts whose processes run to the end. */
  readonly core: readonly number[];
}

export interface Scenario extends RunPlan {
  readonly hosts: readonly { readonly clock: ClockTraits; readonly options: ProcessOptions }[];
  readonly rates: Rates;
  readonly limits: FaultLimits;
  readonly scheduled: readonly ScheduledFault[];
}

/** What the command line fixes; the seed draws the rest. */
export interface Wishes {
  readonly workers?: number;
  readonly states?: number;
  /** Virtual time with faults. */
  readonly minutes?: number;
}

export const CALM_PROBABILITY = 0.08;
const HOUR_MS = 3_600_000;
export const START_MS = 1_700_000_000_000;

export function drawScenario(seed: string, wishes: Wishes = {}): Scenario {
  const prng = new Prng(`${seed}/scenario`);
  const calm = prng.chance(CALM_PROBABILITY);
  const volume = drawVolume(prng, calm);
  const { phases, lease } = volume;
  const cycle = cycleLength(phases);
  const workers = wishes.workers ?? prng.pick([1, 2, 2, 2, 3, 3, 4, 5]);
  const states = wishes.states ?? prng.whole(1, 10);
  const safety = wishes.minutes === undefined ? cycle * prng.scale(4, 40) : wishes.minutes * 60_000;
  const instances = drawInstances(prng, states);
  // Streams of their own, as all later additions: the other draws of a seed stay unchanged.
  const eager = new Prng(`${seed}/eager`).chance(0.3);
  const protectsLinks = new Prng(`${seed}/users`).chance(0.25);
  const common = { ...drawOptions(prng, volume), eager, protectsLinks, repeats: false };
  const hosts = Array.from({ length: workers }, (_, index) => ({
    clock: drawClock(prng, calm, volume.stamps === 'client'),
    options: {
      ...common,
      worker: `w${index}`,
      concurrency: prng.whole(1, 4),
      capacity: prng.pick([4, 8, 1024]),
    },
  }));
  const scenario: Scenario = {
    seed,
    calm,
    start: START_MS + Math.floor(prng.between(0, HOUR_MS)),
    hosts,
    instances,
    tickFaults: calm ? {} : drawTickFaults(prng),
    rates: calm ? {} : drawRates(prng, volume.cache > 0),
    limits: {
      cache: volume.cache,
      duplicate: 2 * cycle,
      slow: prng.pick([cycle / 4, cycle, 2 * lease]),
    },
    scheduled: calm ? [] : drawScheduledFaults(prng, workers, safety, cycle, lease),
    safety: calm ? 0 : safety,
    core: prng.shuffle(hosts.map((_, index) => index)).slice(0, prng.whole(1, workers)),
  };
  const hard = withRareFaults(scenario, cycle);
  return wishes.minutes === undefined ? hard : { ...hard, safety: scenario.safety };
}

interface Volume {
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly latency: number;
  readonly cache: number;
  readonly stamps: ProcessOptions['stamps'];
  readonly taken: ProcessOptions['taken'];
  readonly maxLinks: number;
}

function drawVolume(prng: Prng, calm: boolean): Volume {
  const stamps = prng.pick(['volume', 'volume', 'client', 'whole seconds'] as const);
  // Buffers must be longer than the resolution of the stamps.
  const unit = stamps === 'whole seconds' ? 1300 : prng.scale(30, 1000);
  const phases = {
    assignment: Math.round(unit * prng.between(1, 3)),
    commitment: Math.round(unit * prng.between(1, 3)),
    update: Math.round(unit * prng.between(2, 6)),
    buffer: Math.round(Math.max(25, unit)),
  };
  const lease = Math.round(cycleLength(phases) * prng.between(2, 6));
  return {
    phases,
    lease,
    latency: prng.scale(0.05, unit / 60),
    cache: calm ? 0 : drawCache(prng, lease),
    stamps: calm ? 'volume' : stamps,
    taken: prng.chance(0.2) ? 'EPERM' : 'EEXIST',
    maxLinks: !calm && prng.chance(0.2) ? prng.whole(3, 12) : Number.POSITIVE_INFINITY,
  };
}

/** Some caches are older than a lease: safety must hold with these, liveness need not. */
function drawCache(prng: Prng, lease: number): number {
  if (!prng.chance(0.35)) return 0;
  return prng.chance(0.4) ? lease * prng.scale(1, 30) : lease * prng.scale(0.1, 1);
}

function drawOptions(
  prng: Prng,
  volume: Volume,
): Omit<
  ProcessOptions,
  'worker' | 'concurrency' | 'capacity' | 'eager' | 'protectsLinks' | 'repeats'
> {
  const { phases, lease, latency, stamps, taken, maxLinks, cache } = volume;
  return {
    phases,
    lease,
    latency,
    stamps,
    taken,
    maxLinks,
    assign: prng.chance(0.15) ? 'zip' : 'slices',
    follow: prng.chance(0.75),
    watch: prng.chance(0.3),
    freshListings: cache === 0,
  };
}

function drawClock(prng: Prng, calm: boolean, isOwn: boolean): ClockTraits {
  const far = prng.between(-5, 5) * HOUR_MS;
  // With client stamps, the differences between the hosts' clocks matter.
  const near = isOwn ? far : prng.between(-5000, 5000);
  const offset = prng.pick([0, prng.between(-50, 50), near, far]);
  if (calm) return { offset, drift: prng.between(-1e-4, 1e-4), jitter: 0 };
  return {
    offset,
    drift: prng.chance(0.2) ? prng.between(-0.02, 0.02) : prng.between(-2e-4, 2e-4),
    jitter: prng.chance(0.2) ? prng.between(0, 30) : 0,
  };
}

export function drawInstances(prng: Prng, states: number): Instance[] {
  const instances: Instance[] = [];
  for (let left = states; left > 0;) {
    const steps = Math.min(left, prng.pick([1, 1, 1, 2, 3, 5]));
    instances.push({ name: `i${instances.length}`, steps });
    left -= steps;
  }
  return instances;
}

export function drawTickFaults(prng: Prng): TickFaults {
  const rate = (): number => (prng.chance(0.35) ? prng.scale(0.05, 0.5) : 0);
  return { throws: rate(), hangs: rate(), rubbish: rate(), blocks: rate(), kills: rate() };
}

/** A run has some kinds only: all kinds at once would hide the effects of one. */
function drawRates(prng: Prng, stale: boolean): Rates {
  // Without volume faults, the effects of tick faults show best.
  if (!stale && prng.chance(0.25)) return {};
  const kinds: FaultKind[] = [
    'lost',
    'refused',
    'duplicate',
    'slow',
    'crash-before',
    'crash-after',
  ];
  const rates: Partial<Record<FaultKind, number>> = {};
  for (const kind of kinds) if (prng.chance(0.4)) rates[kind] = prng.scale(3e-4, 3e-2);
  if (stale) rates.stale = prng.pick([prng.scale(0.02, 0.5), 0.5, 0.9]);
  return rates;
}

function drawScheduledFaults(
  prng: Prng,
  hosts: number,
  safety: number,
  cycle: number,
  lease: number,
): ScheduledFault[] {
  const kinds = prng
    .shuffle([
      'kill',
      'ambush',
      'stop',
      'suspend',
      'step',
      'no clock',
      'unmount',
      'twin',
      'power',
      'invalid file',
      'slow copy',
      'submit',
    ] as const)
    .slice(0, prng.whole(0, 4));
  if (kinds.length === 0) return [];
  const scheduled = Array.from({ length: prng.whole(1, 8) }, (_, index): ScheduledFault => {
    const common = { id: `fault ${index}`, at: prng.between(0, safety) };
    const host = prng.whole(0, hosts - 1);
    const ms = prng.between(0, 1) ** 2 * 10 * lease;
    const kind = prng.pick(kinds);
    switch (kind) {
      case 'kill':
      case 'stop':
        return { ...common, kind, host, restart: prng.between(0, 2 * lease) };
      case 'ambush':
        return {
          ...common,
          kind,
          host,
          place: prng.pick(['done', 'done', 'in_progress', 'failed', 'workers']),
        };
      case 'step':
        return { ...common, kind, host, ms: prng.pick([-1, 1]) * prng.scale(1, 50 * HOUR_MS) };
      case 'power':
        return {
          ...common,
          kind,
          keep: prng.pick([0, 0.5, 0.9, 1]),
          restart: prng.between(0, lease),
        };
      case 'invalid file':
        return { ...common, kind, what: prng.whole(0, 99) };
      case 'slow copy':
        return {
          ...common,
          kind,
          name: `copy${index}`,
          steps: prng.whole(1, 2),
          ms: prng.between(0.3, 0.9) * cycle,
        };
      case 'submit':
        return { ...common, kind, name: `late${index}.state`, steps: prng.whole(1, 3) };
      default:
        return { ...common, kind, host, ms };
    }
  });
  return inOrder(scheduled);
}
