/** Everything about one run, drawn from its seed: who, what, how fast, and what is to go wrong when. */
import { cycleLength, type PhaseLengths } from '../volume/phases/cycle.ts';
import { Dice } from './dice.ts';
import type { FaultKind, FaultLimits, Rates } from './faults.ts';
import type { ClockTraits } from './host-clock.ts';
import type { Mischief } from './machines.ts';
import { inOrder, withHardships } from './hardships.ts';
import type { ProcessOptions } from './process-options.ts';
import type { Freeze } from './traps.ts';
import type { Tree } from './trees.ts';

/** What is done to a process, to its host, or to the volume, at a moment. Durations are milliseconds. */
export type Blow = {
  /** For shrinking. */
  readonly id: string;
  /** Milliseconds after the start. */
  readonly at: number;
} & (
  | { readonly kind: 'kill'; readonly host: number; readonly restart: number }
  /** It dies right after its next link there. */
  | { readonly kind: 'ambush'; readonly host: number; readonly place: string }
  /** The power goes right after its next link there. */
  | { readonly kind: 'blackout'; readonly host: number; readonly place: string }
  /** It is stopped right before its next link there, or its next sync of it. */
  | ({ readonly kind: 'freeze'; readonly host: number } & Omit<Freeze, 'until'>)
  | { readonly kind: 'stop'; readonly host: number; readonly restart: number }
  | { readonly kind: 'suspend'; readonly host: number; readonly ms: number }
  /** The whole host is suspended, its monotonic clock too. */
  | { readonly kind: 'sleep'; readonly host: number; readonly ms: number }
  | { readonly kind: 'step'; readonly host: number; readonly ms: number }
  | { readonly kind: 'no clock'; readonly host: number; readonly ms: number }
  | { readonly kind: 'unmount'; readonly host: number; readonly ms: number }
  | { readonly kind: 'twin'; readonly host: number; readonly ms: number }
  | { readonly kind: 'power'; readonly keep: number; readonly restart: number }
  | { readonly kind: 'junk'; readonly what: number }
  | { readonly kind: 'litter'; readonly what: number }
  | {
      readonly kind: 'slow copy';
      readonly name: string;
      readonly steps: number;
      readonly ms: number;
    }
  | { readonly kind: 'submit'; readonly name: string; readonly steps: number }
  /** An instance that events move. */
  | { readonly kind: 'lamp'; readonly name: string }
  /** An instance that forks. */
  | { readonly kind: 'tree'; readonly name: string; readonly tree: Tree }
  | {
      readonly kind: 'send';
      readonly to: string;
      readonly event: string;
      readonly eventId: string;
      readonly hops: number;
    }
  /** As `cp` does it, a piece every `ms`; without an id of its own where that is undefined. */
  | {
      readonly kind: 'drop';
      readonly name: string;
      readonly to: string;
      readonly event: string;
      readonly eventId: string | undefined;
      readonly hops: number;
      readonly ms: number;
    }
  /** A first state file is copied there once more, if it has left the root by then. */
  | { readonly kind: 'copy again'; readonly name: string; readonly steps: number }
);

export interface Instance {
  readonly name: string;
  /** State files in its chain. */
  readonly steps: number;
}

export interface Scenario {
  readonly seed: string;
  /** Nothing goes wrong in this one. */
  readonly calm: boolean;
  readonly start: number;
  readonly hosts: readonly { readonly clock: ClockTraits; readonly options: ProcessOptions }[];
  readonly instances: readonly Instance[];
  readonly mischief: Mischief;
  readonly rates: Rates;
  readonly limits: FaultLimits;
  readonly blows: readonly Blow[];
  /** Milliseconds after which nothing goes wrong any more, and a surviving core has to finish. */
  readonly safety: number;
  /** Hosts whose processes are there to the end. */
  readonly core: readonly number[];
}

/** What a user of the simulator fixes; the seed draws the rest. */
export interface Wishes {
  readonly workers?: number;
  readonly states?: number;
  /** Of virtual time with faults. */
  readonly minutes?: number;
}

const CALM = 0.08;
const HOUR = 3_600_000;
const EPOCH = 1_700_000_000_000;

export function drawScenario(seed: string, wishes: Wishes = {}): Scenario {
  const dice = new Dice(`${seed}/scenario`);
  const calm = dice.chance(CALM);
  const volume = drawVolume(dice, calm);
  const { phases, lease } = volume;
  const cycle = cycleLength(phases);
  const workers = wishes.workers ?? dice.pick([1, 2, 2, 2, 3, 3, 4, 5]);
  const states = wishes.states ?? dice.whole(1, 10);
  const safety = wishes.minutes === undefined ? cycle * dice.scale(4, 40) : wishes.minutes * 60_000;
  const instances = drawInstances(dice, states);
  // Of dice of its own, as whatever came later: the other draws of a seed stay what they were.
  const eager = new Dice(`${seed}/eager`).chance(0.3);
  const protectsLinks = new Dice(`${seed}/users`).chance(0.25);
  const common = { ...drawOptions(dice, volume), eager, protectsLinks, repeats: false };
  const hosts = Array.from({ length: workers }, (_, index) => ({
    clock: drawClock(dice, calm, volume.stamps === 'client'),
    options: {
      ...common,
      worker: `w${index}`,
      concurrency: dice.whole(1, 4),
      capacity: dice.pick([4, 8, 1024]),
    },
  }));
  const scenario: Scenario = {
    seed,
    calm,
    start: EPOCH + Math.floor(dice.between(0, HOUR)),
    hosts,
    instances,
    mischief: calm ? {} : drawMischief(dice),
    rates: calm ? {} : drawRates(dice, volume.cache > 0),
    limits: {
      cache: volume.cache,
      duplicate: 2 * cycle,
      slow: dice.pick([cycle / 4, cycle, 2 * lease]),
    },
    blows: calm ? [] : drawBlows(dice, workers, safety, cycle, lease),
    safety: calm ? 0 : safety,
    core: dice.shuffle(hosts.map((_, index) => index)).slice(0, dice.whole(1, workers)),
  };
  const hard = withHardships(scenario, cycle);
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

function drawVolume(dice: Dice, calm: boolean): Volume {
  const stamps = dice.pick(['volume', 'volume', 'client', 'whole seconds'] as const);
  // Whole seconds tell the time to a second; buffers have to be longer than that.
  const unit = stamps === 'whole seconds' ? 1300 : dice.scale(30, 1000);
  const phases = {
    assignment: Math.round(unit * dice.between(1, 3)),
    commitment: Math.round(unit * dice.between(1, 3)),
    update: Math.round(unit * dice.between(2, 6)),
    buffer: Math.round(Math.max(25, unit)),
  };
  const lease = Math.round(cycleLength(phases) * dice.between(2, 6));
  return {
    phases,
    lease,
    latency: dice.scale(0.05, unit / 60),
    cache: calm ? 0 : drawCache(dice, lease),
    stamps: calm ? 'volume' : stamps,
    taken: dice.chance(0.2) ? 'EPERM' : 'EEXIST',
    maxLinks: !calm && dice.chance(0.2) ? dice.whole(3, 12) : Number.POSITIVE_INFINITY,
  };
}

/** Some caches are older than a lease: nobody may lose anything by that, but nobody has to come to an end. */
function drawCache(dice: Dice, lease: number): number {
  if (!dice.chance(0.35)) return 0;
  return dice.chance(0.4) ? lease * dice.scale(1, 30) : lease * dice.scale(0.1, 1);
}

function drawOptions(
  dice: Dice,
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
    assign: dice.chance(0.15) ? 'zip' : 'slices',
    follow: dice.chance(0.75),
    watch: dice.chance(0.3),
    freshListings: cache === 0,
  };
}

function drawClock(dice: Dice, calm: boolean, isOwn: boolean): ClockTraits {
  const far = dice.between(-5, 5) * HOUR;
  // Where everybody has but his own clock, what matters is how far they are apart.
  const near = isOwn ? far : dice.between(-5000, 5000);
  const offset = dice.pick([0, dice.between(-50, 50), near, far]);
  if (calm) return { offset, drift: dice.between(-1e-4, 1e-4), jitter: 0 };
  return {
    offset,
    drift: dice.chance(0.2) ? dice.between(-0.02, 0.02) : dice.between(-2e-4, 2e-4),
    jitter: dice.chance(0.2) ? dice.between(0, 30) : 0,
  };
}

function drawInstances(dice: Dice, states: number): Instance[] {
  const instances: Instance[] = [];
  for (let left = states; left > 0;) {
    const steps = Math.min(left, dice.pick([1, 1, 1, 2, 3, 5]));
    instances.push({ name: `i${instances.length}`, steps });
    left -= steps;
  }
  return instances;
}

function drawMischief(dice: Dice): Mischief {
  const rate = (): number => (dice.chance(0.35) ? dice.scale(0.05, 0.5) : 0);
  return { throws: rate(), hangs: rate(), rubbish: rate(), blocks: rate(), kills: rate() };
}

/** Each kind is in some runs only: all of them at once would hide what one of them does. */
function drawRates(dice: Dice, stale: boolean): Rates {
  // Where the volume does as asked, what ticks do shows best.
  if (!stale && dice.chance(0.25)) return {};
  const kinds: FaultKind[] = [
    'lost',
    'refused',
    'duplicate',
    'slow',
    'crash-before',
    'crash-after',
  ];
  const rates: Partial<Record<FaultKind, number>> = {};
  for (const kind of kinds) if (dice.chance(0.4)) rates[kind] = dice.scale(3e-4, 3e-2);
  if (stale) rates.stale = dice.pick([dice.scale(0.02, 0.5), 0.5, 0.9]);
  return rates;
}

function drawBlows(
  dice: Dice,
  hosts: number,
  safety: number,
  cycle: number,
  lease: number,
): Blow[] {
  const kinds = dice
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
      'junk',
      'slow copy',
      'submit',
    ] as const)
    .slice(0, dice.whole(0, 4));
  if (kinds.length === 0) return [];
  const blows = Array.from({ length: dice.whole(1, 8) }, (_, index): Blow => {
    const common = { id: `blow ${index}`, at: dice.between(0, safety) };
    const host = dice.whole(0, hosts - 1);
    const ms = dice.between(0, 1) ** 2 * 10 * lease;
    const kind = dice.pick(kinds);
    switch (kind) {
      case 'kill':
      case 'stop':
        return { ...common, kind, host, restart: dice.between(0, 2 * lease) };
      case 'ambush':
        return {
          ...common,
          kind,
          host,
          place: dice.pick(['done', 'done', 'in_progress', 'failed', 'workers']),
        };
      case 'step':
        return { ...common, kind, host, ms: dice.pick([-1, 1]) * dice.scale(1, 50 * HOUR) };
      case 'power':
        return {
          ...common,
          kind,
          keep: dice.pick([0, 0.5, 0.9, 1]),
          restart: dice.between(0, lease),
        };
      case 'junk':
        return { ...common, kind, what: dice.whole(0, 99) };
      case 'slow copy':
        return {
          ...common,
          kind,
          name: `copy${index}`,
          steps: dice.whole(1, 2),
          ms: dice.between(0.3, 0.9) * cycle,
        };
      case 'submit':
        return { ...common, kind, name: `late${index}.state`, steps: dice.whole(1, 3) };
      default:
        return { ...common, kind, host, ms };
    }
  });
  return inOrder(blows);
}
