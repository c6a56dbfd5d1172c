/**
 * What is rare by chance, brought about: the moments at which certain mistakes would show. Each is drawn from prng
 * of its own, so that the other draws of a seed stay what they were.
 */
import type { ArchiveRules } from '../volume/archivable.ts';
import { Prng } from './prng.ts';
import { MOUNT } from './process-options.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';
import { drawTree } from './fork-workload.ts';

const ARCHIVE_PROBABILITY = 0.5;

export function withRareFaults(scenario: Scenario, cycle: number): Scenario {
  const prng = (name: string): Prng => new Prng(`${scenario.seed}/${name}`);
  const failing = withFailures(withRepeats(scenario), prng('failures'));
  const dark = withBlackouts(failing, prng('blackouts'));
  const late = withLateComers(withVeil(dark, prng('veil')), prng('late'), cycle);
  const moved = withTrees(withEvents(late, prng('events')), prng('trees'));
  const dropped = withDropped(withMislaid(moved, prng('mislaid')), prng('dropped'), cycle);
  const slept = withSleep(withLitter(dropped, prng('litter')), prng('sleep'));
  return withLastMinute(withArchive(slept, prng('archive'), cycle), prng('last minute'));
}

export const inOrder = (scheduled: readonly ScheduledFault[]): ScheduledFault[] =>
  scheduled.toSorted((a, b) => a.at - b.at);

function withRepeats(scenario: Scenario): Scenario {
  const repeats = scenario.rates.duplicate !== undefined;
  const hosts = scenario.hosts.map((host) => ({ ...host, options: { ...host.options, repeats } }));
  return { ...scenario, hosts };
}

/** RetryDelays between attempts, where the clocks that they are noted by are hours apart. */
function withFailures(scenario: Scenario, prng: Prng): Scenario {
  const isApart = !scenario.calm && scenario.hosts[0]!.options.stamps === 'client';
  if (!isApart || !prng.chance(0.25)) return scenario;
  return { ...scenario, tickFaults: { ...scenario.tickFaults, throws: 0.6 } };
}

/** Others leave things in our directories, early enough that all that comes later has to go on beside them. */
function withLitter(scenario: Scenario, prng: Prng): Scenario {
  const { calm, safety, scheduled } = scenario;
  if (calm || !prng.chance(0.2)) return scenario;
  const litter = Array.from({ length: prng.whole(1, 12) }, (_, index): ScheduledFault => {
    const at = prng.between(0, 0.7) * safety;
    return { id: `litter ${index}`, at, kind: 'litter', what: prng.whole(0, 999) };
  });
  return { ...scenario, scheduled: inOrder([...scheduled, ...litter]) };
}

/** A laptop is shut, a virtual machine is suspended, for longer than a lease. */
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

/** The power goes just when a commit has happened, and nothing that follows from it has. */
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
 * A cache of `done/` alone: deaths are noticed in time, but what the dead have committed is not to be seen. Some
 * die right after a commit, so that there is something to find, or to lose.
 */
function withVeil(scenario: Scenario, prng: Prng): Scenario {
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

/** Caches hide what has come just before faults stop from workers that come then, and end when nothing is left. */
function withLastMinute(scenario: Scenario, prng: Prng): Scenario {
  const { calm, limits, hosts, rates, safety, scheduled } = scenario;
  const { watch, lease } = hosts[0]!.options;
  const isShort = limits.cached === undefined && limits.cache > 0 && limits.cache < lease;
  if (calm || watch || !isShort) return scenario;
  const at = Math.max(0, safety - prng.between(0, 0.5) * limits.cache);
  const comer: ScheduledFault = {
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
    scheduled: inOrder([...scheduled, comer]),
  };
}

/** Whoever is told of what comes, and does not wait for the next cycle, is stopping already, but still at work. */
function withLateComers(scenario: Scenario, prng: Prng, cycle: number): Scenario {
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

/** Instances that events move, and events for them: some twice, some for nobody. */
function withEvents(scenario: Scenario, prng: Prng): Scenario {
  if (!prng.chance(0.4)) return scenario;
  const { calm, safety, scheduled } = scenario;
  const lamps = Array.from({ length: prng.whole(1, 3) }, (_, index) => `lamp${index}`);
  const at = (latest: number): number => (calm ? 0 : prng.between(0, latest) * safety);
  const begun = lamps.map((name): ScheduledFault => ({
    id: `lamp ${name}`,
    at: at(0.3),
    kind: 'lamp',
    name,
  }));
  const sent = Array.from({ length: prng.whole(1, 12) }, (_, index) => {
    const to = prng.pick([...lamps, ...lamps, ...lamps, 'nobody']);
    const event = prng.pick(['press', 'press', 'press', 'press', 'expire', 'burn out', 'rubbish']);
    return { kind: 'send', to, event, eventId: `event-${index}`, hops: prng.whole(0, 3) } as const;
  });
  const again = sent
    .filter(() => !calm && prng.chance(0.3))
    .map((one) => (prng.chance(0.3) ? { ...one, to: prng.pick(lamps) } : one));
  const sends = [...sent, ...again].map((one, index): ScheduledFault => ({
    ...one,
    id: `send ${index}`,
    at: at(0.9),
  }));
  return { ...scenario, scheduled: inOrder([...scheduled, ...begun, ...sends]) };
}

/**
 * A cache of what is in `events/` alone, and some die right after they have taken up an event: whoever comes next may not
 * see it, and commits without it the state that it was to be applied in.
 */
function withMislaid(scenario: Scenario, prng: Prng): Scenario {
  const { calm, limits, hosts, safety, scheduled, rates } = scenario;
  const lamps = scheduled.flatMap((fault) => (fault.kind === 'lamp' ? [fault.name] : []));
  const isHidden = limits.cached === undefined && limits.cache >= hosts[0]!.options.lease;
  if (calm || lamps.length === 0 || !isHidden) return scenario;
  const mislaid = Array.from({ length: 3 }, (_, turn): ScheduledFault[] => {
    const [at, to] = [prng.between(0.3, 0.6) * safety, prng.pick(lamps)];
    // Each of those who work then dies once: whoever comes after them can go on.
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
    scheduled: inOrder([...scheduled, ...mislaid.flat()]),
  };
}

/** Instances that fork. */
function withTrees(scenario: Scenario, prng: Prng): Scenario {
  if (!prng.chance(0.35)) return scenario;
  const { calm, safety, scheduled } = scenario;
  const trees = Array.from({ length: prng.whole(1, 2) }, (_, index): ScheduledFault => {
    const at = calm ? 0 : prng.between(0, 0.5) * safety;
    return { id: `tree ${index}`, at, kind: 'tree', name: `tree${index}`, tree: drawTree(prng) };
  });
  return { ...scenario, scheduled: inOrder([...scheduled, ...trees]) };
}

/** Events that are dropped as files: whole, slowly, cut off, twice; some die, or the power goes, when one is taken up. */
function withDropped(scenario: Scenario, prng: Prng, cycle: number): Scenario {
  const { calm, hosts, safety, scheduled } = scenario;
  const lamps = scheduled.flatMap((fault) => (fault.kind === 'lamp' ? [fault.name] : []));
  if (lamps.length === 0 || !prng.chance(0.6)) return scenario;
  const at = (): number => (calm ? 0 : prng.between(0, 0.8) * safety);
  const dropped = Array.from({ length: prng.whole(1, 6) }, (_, index) => {
    const to = prng.pick([...lamps, ...lamps, 'nobody']);
    const event = prng.pick(['press', 'press', 'press', 'burn out', 'rubbish']);
    const eventId = prng.pick([undefined, undefined, `dropped-${index}`, `event-${index}`]);
    // Sooner than what stands still counts as whole: else they may end before it is.
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

/** Nobody archives what may still be on its way: a request held back or sent twice, or what a cache shows. */
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
  // So long that what it is about to do has been done by others, and archived.
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
  // A user has put a step there already: it is archived by the time that the one before it leads to it.
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
