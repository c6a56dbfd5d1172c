/**
 * Situations that random faults rarely cause, set up on purpose. Each is drawn from a PRNG stream of its own, so
 * that a new one leaves the other draws of a seed unchanged. The names of these streams are hashed: they stay.
 */
import type { ArchiveRules } from '../volume/archiver.ts';
import { Prng } from './prng.ts';
import { MOUNT } from './disk.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';
import { drawEvents, drawTrees } from './workloads.ts';

const ARCHIVE_PROBABILITY = 0.5;

export function withRareFaults(scenario: Scenario, cycle: number): Scenario {
  const prng = (name: string): Prng => new Prng(`${scenario.seed}/${name}`);
  const failing = withFailures(withRepeats(scenario), prng('failures'));
  const dark = withBlackouts(failing, prng('blackouts'));
  const late = withLateStates(withStaleDone(dark, prng('veil')), prng('late'), cycle);
  const lit = withAll(late, drawEvents(prng('events'), late));
  const moved = withAll(lit, drawTrees(prng('trees'), lit));
  const dropped = withDropped(withStaleEvents(moved, prng('mislaid')), prng('dropped'), cycle);
  const slept = withSleep(withForeignEntries(dropped, prng('litter')), prng('sleep'));
  return withLastMinute(withArchive(slept, prng('archive'), cycle), prng('last minute'));
}

export const inOrder = <Fault extends { readonly at: number }>(
  scheduled: readonly Fault[],
): Fault[] => scheduled.toSorted((a, b) => a.at - b.at);

function withAll(scenario: Scenario, more: readonly ScheduledFault[]): Scenario {
  return { ...scenario, scheduled: inOrder([...scenario.scheduled, ...more]) };
}

function withRepeats(scenario: Scenario): Scenario {
  const repeats = scenario.rates.duplicate !== undefined;
  const hosts = scenario.hosts.map((host) => ({ ...host, options: { ...host.options, repeats } }));
  return { ...scenario, hosts };
}

/** Retry delays, where the clocks that record them are hours apart. */
function withFailures(scenario: Scenario, prng: Prng): Scenario {
  const isApart = !scenario.calm && scenario.hosts[0]!.options.stamps === 'client';
  if (!isApart || !prng.chance(0.25)) return scenario;
  return { ...scenario, tickFaults: { ...scenario.tickFaults, throws: 0.6 } };
}

/** Foreign entries in the volume's directories, early, so that the rest of the run goes on beside them. */
function withForeignEntries(scenario: Scenario, prng: Prng): Scenario {
  const { calm, safety, scheduled } = scenario;
  if (calm || !prng.chance(0.2)) return scenario;
  const entries = Array.from({ length: prng.whole(1, 12) }, (_, index): ScheduledFault => {
    const at = prng.between(0, 0.7) * safety;
    return { id: `foreign entry ${index}`, at, kind: 'foreign entry', what: prng.whole(0, 999) };
  });
  return { ...scenario, scheduled: inOrder([...scheduled, ...entries]) };
}

/** Hosts that are suspended, as a laptop or a virtual machine, for up to five leases. */
function withSleep(scenario: Scenario, prng: Prng): Scenario {
  const { calm, hosts, safety, scheduled } = scenario;
  if (calm || !prng.chance(0.2)) return scenario;
  const { lease } = hosts[0]!.options;
  const sleeps = Array.from({ length: prng.whole(1, 3) }, (_, index): ScheduledFault => {
    const at = prng.between(0, 0.8) * safety;
    const host = prng.whole(0, hosts.length - 1);
    const ms = Math.min(prng.between(0.5, 5) * lease, safety - at);
    return { id: `sleep ${index}`, at, kind: 'sleep', host, ms };
  });
  return { ...scenario, scheduled: inOrder([...scheduled, ...sleeps]) };
}

/** Power cuts right after a commit, before any of its effects. */
function withBlackouts(scenario: Scenario, prng: Prng): Scenario {
  const { calm, hosts, safety, scheduled } = scenario;
  if (calm || !prng.chance(0.15)) return scenario;
  const blackouts = Array.from({ length: prng.whole(1, 4) }, (_, index): ScheduledFault => {
    const at = prng.between(0, 0.5) * safety;
    const host = prng.whole(0, hosts.length - 1);
    return { id: `blackout ${index}`, at, kind: 'blackout', host, place: 'done' };
  });
  return { ...scenario, scheduled: inOrder([...scheduled, ...blackouts]) };
}

/**
 * A cache of `done/` alone: dead sessions are noticed in time, but their commits are hidden. Some processes crash
 * right after a commit, so that there is one to find, or to lose.
 */
function withStaleDone(scenario: Scenario, prng: Prng): Scenario {
  const { calm, limits, hosts, safety, scheduled, rates } = scenario;
  if (calm || limits.cache < hosts[0]!.options.lease || !prng.chance(0.5)) return scenario;
  const at = (): number => prng.between(0, 0.5) * safety;
  const place = 'done';
  const ambushes = Array.from({ length: prng.whole(1, 6) }, (_, index): ScheduledFault => {
    const host = prng.whole(0, hosts.length - 1);
    return { id: `ambush ${index}`, at: at(), kind: 'ambush', host, place };
  });
  const chains = Array.from({ length: prng.whole(1, 4) }, (_, index): ScheduledFault => {
    const [name, steps] = [`veiled${index}.state`, prng.whole(2, 5)];
    return { id: `veiled ${index}`, at: at(), kind: 'submit', name, steps };
  });
  return {
    ...scenario,
    rates: { ...rates, stale: prng.pick([0.5, 0.9]) },
    limits: { ...limits, cached: `${MOUNT}/${place}/` },
    scheduled: inOrder([...scheduled, ...ambushes, ...chains]),
  };
}

/** A state submitted just before faults stop: caches hide it from the last workers, which end on an empty volume. */
function withLastMinute(scenario: Scenario, prng: Prng): Scenario {
  const { calm, limits, hosts, rates, safety, scheduled } = scenario;
  const { watch, lease } = hosts[0]!.options;
  const isShort = limits.cached === undefined && limits.cache > 0 && limits.cache < lease;
  if (calm || watch || !isShort) return scenario;
  const at = Math.max(0, safety - prng.between(0, 0.5) * limits.cache);
  const submission: ScheduledFault = {
    id: 'last minute',
    at,
    kind: 'submit',
    name: 'late.state',
    steps: 1,
  };
  return {
    ...scenario,
    core: scenario.core.slice(0, 1),
    rates: { ...rates, stale: 0.9 },
    scheduled: inOrder([...scheduled, submission]),
  };
}

/** An eager worker, woken by new files, that is stopping while its ticks still run. */
function withLateStates(scenario: Scenario, prng: Prng, cycle: number): Scenario {
  const { calm, hosts, safety, scheduled } = scenario;
  if (calm || !hosts[0]!.options.eager || !prng.chance(0.3)) return scenario;
  const at = prng.between(0, 0.5) * safety;
  const steps = prng.whole(1, 3);
  const comers = Array.from({ length: prng.whole(4, 12) }, (_, index): ScheduledFault => {
    const [id, name] = [`comer ${index}`, `comer${index}.state`];
    return { id, at: at + prng.between(-1, 1) * cycle, kind: 'submit', name, steps };
  });
  const host = prng.whole(0, hosts.length - 1);
  const stop: ScheduledFault = { id: 'early leave', at, kind: 'stop', host, restart: cycle };
  return { ...scenario, scheduled: inOrder([...scheduled, ...comers, stop]) };
}

/**
 * A cache of the entries of `events/` alone, and crashes right after an event was assigned to a state: the next
 * worker may not see the event, and commit the state without it.
 */
function withStaleEvents(scenario: Scenario, prng: Prng): Scenario {
  const { calm, limits, hosts, safety, scheduled, rates } = scenario;
  const lamps = scheduled.flatMap((fault) => (fault.kind === 'lamp' ? [fault.name] : []));
  const isHidden = limits.cached === undefined && limits.cache >= hosts[0]!.options.lease;
  if (calm || lamps.length === 0 || !isHidden) return scenario;
  const crashes = Array.from({ length: 3 }, (_, turn): ScheduledFault[] => {
    const [at, to] = [prng.between(0.3, 0.6) * safety, prng.pick(lamps)];
    // Each process crashes once: its successor can go on.
    const ambushes = hosts.map((__, host): ScheduledFault => {
      return { id: `mislaid ${turn}, ${host}`, at, kind: 'ambush', host, place: 'outcomes' };
    });
    const presses = Array.from({ length: prng.whole(3, 8) }, (__, index): ScheduledFault => {
      const [id, eventId] = [`press ${turn}, ${index}`, `mislaid-${turn}-${index}`];
      return { id, at, kind: 'send', to, event: 'press', eventId, hops: 0 };
    });
    return [...ambushes, ...presses];
  });
  return {
    ...scenario,
    rates: { ...rates, stale: prng.pick([0.3, 0.6, 0.9]) },
    limits: { ...limits, cached: `${MOUNT}/events/` },
    scheduled: inOrder([...scheduled, ...crashes.flat()]),
  };
}

/** Dropped event files: whole, slow, truncated, twice; with crashes or a power cut when one is imported. */
function withDropped(scenario: Scenario, prng: Prng, cycle: number): Scenario {
  const { calm, hosts, safety, scheduled } = scenario;
  const lamps = scheduled.flatMap((fault) => (fault.kind === 'lamp' ? [fault.name] : []));
  if (lamps.length === 0 || !prng.chance(0.6)) return scenario;
  const at = (): number => (calm ? 0 : prng.between(0, 0.8) * safety);
  const dropped = Array.from({ length: prng.whole(1, 6) }, (_, index) => {
    const to = prng.pick([...lamps, ...lamps, 'nobody']);
    const event = prng.pick(['press', 'press', 'press', 'burn out', 'rubbish']);
    const eventId = prng.pick([undefined, undefined, `dropped-${index}`, `event-${index}`]);
    // Faster than the wait for a partial file: else the workers may end before it is whole.
    const ms = calm ? 0 : prng.pick([0, 0, 0.3, 0.9]) * cycle;
    const name = `drop${index}.json`;
    return { kind: 'drop', name, to, event, eventId, hops: prng.whole(0, 2), ms } as const;
  });
  const again = dropped.filter(() => !calm && prng.chance(0.3));
  const drops = [...dropped, ...again].map((one, index): ScheduledFault => ({
    ...one,
    id: `drop ${index}`,
    at: at(),
  }));
  const kinds = calm
    ? []
    : prng.pick([[], ['ambush'], ['ambush', 'ambush'], ['blackout']] as const);
  const armed = kinds.map((kind, index): ScheduledFault => {
    const host = prng.whole(0, hosts.length - 1);
    return { id: `armed ${index}`, at: at() / 2, kind, host, place: 'events' };
  });
  return { ...scenario, scheduled: inOrder([...scheduled, ...drops, ...armed]) };
}

const FROZEN_BEFORE = [
  { before: 'link', place: 'done' },
  { before: 'link', place: 'done' },
  { before: 'sync', place: 'done' },
  { before: 'sync', place: 'done' },
  { before: 'link', place: 'in_progress' },
  { before: 'link', place: 'failed' },
] as const;

/** Archiving, with a pause longer than any delayed request, repeated request or stale cache. */
function withArchive(scenario: Scenario, prng: Prng, cycle: number): Scenario {
  if (!prng.chance(ARCHIVE_PROBABILITY)) return scenario;
  const { rates, limits, hosts, calm, safety } = scenario;
  const archive: ArchiveRules = {
    keep: prng.pick([0, 0, 1, 3]),
    age: prng.between(0, 2) * cycle,
    pause:
      (rates.slow === undefined ? 0 : limits.slow) +
      (rates.duplicate === undefined ? 0 : limits.duplicate) +
      limits.cache +
      prng.between(0.5, 3) * cycle,
  };
  const options = hosts.map((host) => ({ ...host, options: { ...host.options, archive } }));
  const copies = scenario.instances
    .filter(() => !calm && prng.chance(0.3))
    .map(({ name, steps }, index): ScheduledFault => {
      const at = prng.between(0.3, 1) * safety;
      return { id: `copy ${index}`, at, kind: 'copy again', name, steps };
    });
  const enough = archive.age + 2 * archive.pause + 8 * cycle;
  // So long that others have done and archived what the process was about to do.
  const frozen = hosts[0]!.options.lease + enough;
  const freezes = hosts
    .flatMap((_, host) => (!calm && prng.chance(0.3) ? [host] : []))
    .map((host, index) => ({
      id: `freeze ${index}`,
      at: prng.between(0, 0.5) * safety,
      kind: 'freeze' as const,
      host,
      ms: prng.between(1, 2) * frozen,
      ...prng.pick(FROZEN_BEFORE),
    }));
  // A user puts in a second step first: it is archived when the first step leads to it.
  const early = !calm && prng.chance(0.3) ? [prng.between(0, 0.5) * safety] : [];
  const strangers = early.flatMap((at): ScheduledFault[] => [
    { id: 'second step', at, kind: 'submit', name: 'early.state-1', steps: 1 },
    { id: 'first step', at: at + enough, kind: 'submit', name: 'early.state', steps: 2 },
  ]);
  const scheduled = inOrder([...scenario.scheduled, ...copies, ...freezes, ...strangers]);
  const long = Math.max(
    safety,
    ...freezes.map(({ at, ms }) => at + ms),
    ...strangers.map(({ at }) => at),
  );
  return { ...scenario, hosts: options, scheduled, safety: long };
}
