/** Everything about one run, drawn from its seed: who, what, how fast, and what is to go wrong when. */
import { cycleLength, type PhaseLengths } from '../semaphore/cycle.ts';
import type { ArchiveRules } from '../volume/archivable.ts';
import { Dice } from './dice.ts';
import type { FaultKind, FaultLimits, Rates } from './faults.ts';
import type { ClockTraits } from './host-clock.ts';
import type { Mischief } from './machines.ts';
import { MOUNT, type ProcessOptions } from './process-options.ts';
import type { Freeze } from './traps.ts';

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
  | { readonly kind: 'step'; readonly host: number; readonly ms: number }
  | { readonly kind: 'no clock'; readonly host: number; readonly ms: number }
  | { readonly kind: 'unmount'; readonly host: number; readonly ms: number }
  | { readonly kind: 'twin'; readonly host: number; readonly ms: number }
  | { readonly kind: 'power'; readonly keep: number; readonly restart: number }
  | { readonly kind: 'junk'; readonly what: number }
  | {
      readonly kind: 'slow copy';
      readonly name: string;
      readonly steps: number;
      readonly ms: number;
    }
  | { readonly kind: 'submit'; readonly name: string; readonly steps: number }
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
const ARCHIVING = 0.5;
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
  const common = { ...drawOptions(dice, volume), eager, repeats: false };
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
  const failing = withFailures(withRepeats(scenario), new Dice(`${seed}/failures`));
  const dark = withBlackouts(failing, new Dice(`${seed}/blackouts`));
  const veiled = withVeil(dark, new Dice(`${seed}/veil`));
  const archiving = withArchive(veiled, new Dice(`${seed}/archive`), cycle);
  return wishes.minutes === undefined ? archiving : { ...archiving, safety: scenario.safety };
}

function withRepeats(scenario: Scenario): Scenario {
  const repeats = scenario.rates.duplicate !== undefined;
  const hosts = scenario.hosts.map((host) => ({ ...host, options: { ...host.options, repeats } }));
  return { ...scenario, hosts };
}

/** Pauses between attempts, where the clocks that they are noted by are hours apart. */
function withFailures(scenario: Scenario, dice: Dice): Scenario {
  const isApart = !scenario.calm && scenario.hosts[0]!.options.stamps === 'client';
  if (!isApart || !dice.chance(0.25)) return scenario;
  return { ...scenario, mischief: { ...scenario.mischief, throws: 0.6 } };
}

/** The power goes just when a commit has happened, and nothing that follows from it has. */
function withBlackouts(scenario: Scenario, dice: Dice): Scenario {
  const { calm, hosts, safety, blows } = scenario;
  if (calm || !dice.chance(0.15)) return scenario;
  const blackouts = Array.from({ length: dice.whole(1, 4) }, (_, index): Blow => {
    const at = dice.between(0, 0.5) * safety;
    const host = dice.whole(0, hosts.length - 1);
    return { id: `blackout ${index}`, at, kind: 'blackout', host, place: 'done' };
  });
  return { ...scenario, blows: inOrder([...blows, ...blackouts]) };
}

const inOrder = (blows: readonly Blow[]): Blow[] => blows.toSorted((a, b) => a.at - b.at);

/**
 * A cache of `done/` alone: deaths are noticed in time, but what the dead have committed is not to be seen. Some
 * die right after a commit, so that there is something to find, or to lose.
 */
function withVeil(scenario: Scenario, dice: Dice): Scenario {
  const { calm, limits, hosts, safety, blows, rates } = scenario;
  if (calm || limits.cache < hosts[0]!.options.lease || !dice.chance(0.5)) return scenario;
  const at = (): number => dice.between(0, 0.5) * safety;
  const place = 'done';
  const ambushes = Array.from({ length: dice.whole(1, 6) }, (_, index): Blow => {
    const host = dice.whole(0, hosts.length - 1);
    return { id: `ambush ${index}`, at: at(), kind: 'ambush', host, place };
  });
  const chains = Array.from({ length: dice.whole(1, 4) }, (_, index): Blow => {
    const [name, steps] = [`veiled${index}.state`, dice.whole(2, 5)];
    return { id: `veiled ${index}`, at: at(), kind: 'submit', name, steps };
  });
  return {
    ...scenario,
    rates: { ...rates, stale: dice.pick([0.5, 0.9]) },
    limits: { ...limits, cached: `${MOUNT}/${place}/` },
    blows: inOrder([...blows, ...ambushes, ...chains]),
  };
}

const FROZEN_BEFORE = [
  { before: 'link', place: 'done' },
  { before: 'link', place: 'done' },
  { before: 'sync', place: 'done' },
  { before: 'sync', place: 'done' },
  { before: 'link', place: 'in_progress' },
  { before: 'link', place: 'failed' },
] as const;

/** Nobody archives what may still be on its way: a request held back or sent twice, or what a cache shows. */
function withArchive(scenario: Scenario, dice: Dice, cycle: number): Scenario {
  if (!dice.chance(ARCHIVING)) return scenario;
  const { rates, limits, hosts, calm, safety } = scenario;
  const archive: ArchiveRules = {
    keep: dice.pick([0, 0, 1, 3]),
    age: dice.between(0, 2) * cycle,
    pause:
      (rates.slow === undefined ? 0 : limits.slow) +
      (rates.duplicate === undefined ? 0 : limits.duplicate) +
      limits.cache +
      dice.between(0.5, 3) * cycle,
  };
  const options = hosts.map((host) => ({ ...host, options: { ...host.options, archive } }));
  const copies = scenario.instances
    .filter(() => !calm && dice.chance(0.3))
    .map(({ name, steps }, index): Blow => {
      const at = dice.between(0.3, 1) * safety;
      return { id: `copy ${index}`, at, kind: 'copy again', name, steps };
    });
  const enough = archive.age + 2 * archive.pause + 8 * cycle;
  // So long that what it is about to do has been done by others, and archived.
  const frozen = hosts[0]!.options.lease + enough;
  const freezes = hosts
    .flatMap((_, host) => (!calm && dice.chance(0.3) ? [host] : []))
    .map((host, index) => ({
      id: `freeze ${index}`,
      at: dice.between(0, 0.5) * safety,
      kind: 'freeze' as const,
      host,
      ms: dice.between(1, 2) * frozen,
      ...dice.pick(FROZEN_BEFORE),
    }));
  // A user has put a step there already: it is archived by the time that the one before it leads to it.
  const early = !calm && dice.chance(0.3) ? [dice.between(0, 0.5) * safety] : [];
  const strangers = early.flatMap((at): Blow[] => [
    { id: 'second step', at, kind: 'submit', name: 'early.state-1', steps: 1 },
    { id: 'first step', at: at + enough, kind: 'submit', name: 'early.state', steps: 2 },
  ]);
  const blows = inOrder([...scenario.blows, ...copies, ...freezes, ...strangers]);
  const long = Math.max(
    safety,
    ...freezes.map(({ at, ms }) => at + ms),
    ...strangers.map(({ at }) => at),
  );
  return { ...scenario, hosts: options, blows, safety: long };
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
): Omit<ProcessOptions, 'worker' | 'concurrency' | 'capacity' | 'eager' | 'repeats'> {
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
