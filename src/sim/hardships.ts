/**
 * What is rare by chance, brought about: the moments at which certain mistakes would show. Each is drawn from dice
 * of its own, so that the other draws of a seed stay what they were.
 */
import type { ArchiveRules } from '../volume/archivable.ts';
import { Dice } from './dice.ts';
import { MOUNT } from './process-options.ts';
import type { Blow, Scenario } from './scenario.ts';
import { drawTree } from './trees.ts';

const ARCHIVING = 0.5;

export function withHardships(scenario: Scenario, cycle: number): Scenario {
  const dice = (name: string): Dice => new Dice(`${scenario.seed}/${name}`);
  const failing = withFailures(withRepeats(scenario), dice('failures'));
  const dark = withBlackouts(failing, dice('blackouts'));
  const late = withLateComers(withVeil(dark, dice('veil')), dice('late'), cycle);
  const moved = withTrees(withEvents(late, dice('events')), dice('trees'));
  const dropped = withDropped(withMislaid(moved, dice('mislaid')), dice('dropped'), cycle);
  const slept = withSleep(withLitter(dropped, dice('litter')), dice('sleep'));
  return withLastMinute(withArchive(slept, dice('archive'), cycle), dice('last minute'));
}

export const inOrder = (blows: readonly Blow[]): Blow[] => blows.toSorted((a, b) => a.at - b.at);

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

/** Others leave things in our directories, early enough that all that comes later has to go on beside them. */
function withLitter(scenario: Scenario, dice: Dice): Scenario {
  const { calm, safety, blows } = scenario;
  if (calm || !dice.chance(0.2)) return scenario;
  const litter = Array.from({ length: dice.whole(1, 12) }, (_, index): Blow => {
    const at = dice.between(0, 0.7) * safety;
    return { id: `litter ${index}`, at, kind: 'litter', what: dice.whole(0, 999) };
  });
  return { ...scenario, blows: inOrder([...blows, ...litter]) };
}

/** A laptop is shut, a virtual machine is suspended, for longer than a lease. */
function withSleep(scenario: Scenario, dice: Dice): Scenario {
  const { calm, hosts, safety, blows } = scenario;
  if (calm || !dice.chance(0.2)) return scenario;
  const { lease } = hosts[0]!.options;
  const sleeps = Array.from({ length: dice.whole(1, 3) }, (_, index): Blow => {
    const at = dice.between(0, 0.8) * safety;
    const host = dice.whole(0, hosts.length - 1);
    const ms = Math.min(dice.between(0.5, 5) * lease, safety - at);
    return { id: `sleep ${index}`, at, kind: 'sleep', host, ms };
  });
  return { ...scenario, blows: inOrder([...blows, ...sleeps]) };
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

/** Caches hide what has come just before faults stop from workers that come then, and end when nothing is left. */
function withLastMinute(scenario: Scenario, dice: Dice): Scenario {
  const { calm, limits, hosts, rates, safety, blows } = scenario;
  const { watch, lease } = hosts[0]!.options;
  const isShort = limits.cached === undefined && limits.cache > 0 && limits.cache < lease;
  if (calm || watch || !isShort) return scenario;
  const at = Math.max(0, safety - dice.between(0, 0.5) * limits.cache);
  const comer: Blow = { id: 'last minute', at, kind: 'submit', name: 'late.state', steps: 1 };
  return {
    ...scenario,
    core: scenario.core.slice(0, 1),
    rates: { ...rates, stale: 0.9 },
    blows: inOrder([...blows, comer]),
  };
}

/** Whoever is told of what comes, and does not wait for the next cycle, is stopping already, but still at work. */
function withLateComers(scenario: Scenario, dice: Dice, cycle: number): Scenario {
  const { calm, hosts, safety, blows } = scenario;
  if (calm || !hosts[0]!.options.eager || !dice.chance(0.3)) return scenario;
  const at = dice.between(0, 0.5) * safety;
  const steps = dice.whole(1, 3);
  const comers = Array.from({ length: dice.whole(4, 12) }, (_, index): Blow => {
    const [id, name] = [`comer ${index}`, `comer${index}.state`];
    return { id, at: at + dice.between(-1, 1) * cycle, kind: 'submit', name, steps };
  });
  const host = dice.whole(0, hosts.length - 1);
  const stop: Blow = { id: 'early leave', at, kind: 'stop', host, restart: cycle };
  return { ...scenario, blows: inOrder([...blows, ...comers, stop]) };
}

/** Instances that events move, and events for them: some twice, some for nobody. */
function withEvents(scenario: Scenario, dice: Dice): Scenario {
  if (!dice.chance(0.4)) return scenario;
  const { calm, safety, blows } = scenario;
  const lamps = Array.from({ length: dice.whole(1, 3) }, (_, index) => `lamp${index}`);
  const at = (latest: number): number => (calm ? 0 : dice.between(0, latest) * safety);
  const begun = lamps.map((name): Blow => ({
    id: `lamp ${name}`,
    at: at(0.3),
    kind: 'lamp',
    name,
  }));
  const sent = Array.from({ length: dice.whole(1, 12) }, (_, index) => {
    const to = dice.pick([...lamps, ...lamps, ...lamps, 'nobody']);
    const event = dice.pick(['press', 'press', 'press', 'press', 'expire', 'burn out', 'rubbish']);
    return { kind: 'send', to, event, eventId: `event-${index}`, hops: dice.whole(0, 3) } as const;
  });
  const again = sent
    .filter(() => !calm && dice.chance(0.3))
    .map((one) => (dice.chance(0.3) ? { ...one, to: dice.pick(lamps) } : one));
  const sends = [...sent, ...again].map((one, index): Blow => ({
    ...one,
    id: `send ${index}`,
    at: at(0.9),
  }));
  return { ...scenario, blows: inOrder([...blows, ...begun, ...sends]) };
}

/**
 * A cache of what is in `events/` alone, and some die right after they have taken up an event: whoever comes next may not
 * see it, and commits without it the state that it was to be applied in.
 */
function withMislaid(scenario: Scenario, dice: Dice): Scenario {
  const { calm, limits, hosts, safety, blows, rates } = scenario;
  const lamps = blows.flatMap((blow) => (blow.kind === 'lamp' ? [blow.name] : []));
  const isHidden = limits.cached === undefined && limits.cache >= hosts[0]!.options.lease;
  if (calm || lamps.length === 0 || !isHidden) return scenario;
  const mislaid = Array.from({ length: 3 }, (_, turn): Blow[] => {
    const [at, to] = [dice.between(0.3, 0.6) * safety, dice.pick(lamps)];
    // Each of those who work then dies once: whoever comes after them can go on.
    const ambushes = hosts.map((__, host): Blow => {
      return { id: `mislaid ${turn}, ${host}`, at, kind: 'ambush', host, place: 'outcomes' };
    });
    const presses = Array.from({ length: dice.whole(3, 8) }, (__, index): Blow => {
      const [id, eventId] = [`press ${turn}, ${index}`, `mislaid-${turn}-${index}`];
      return { id, at, kind: 'send', to, event: 'press', eventId, hops: 0 };
    });
    return [...ambushes, ...presses];
  });
  return {
    ...scenario,
    rates: { ...rates, stale: dice.pick([0.3, 0.6, 0.9]) },
    limits: { ...limits, cached: `${MOUNT}/events/` },
    blows: inOrder([...blows, ...mislaid.flat()]),
  };
}

/** Instances that fork. */
function withTrees(scenario: Scenario, dice: Dice): Scenario {
  if (!dice.chance(0.35)) return scenario;
  const { calm, safety, blows } = scenario;
  const trees = Array.from({ length: dice.whole(1, 2) }, (_, index): Blow => {
    const at = calm ? 0 : dice.between(0, 0.5) * safety;
    return { id: `tree ${index}`, at, kind: 'tree', name: `tree${index}`, tree: drawTree(dice) };
  });
  return { ...scenario, blows: inOrder([...blows, ...trees]) };
}

/** Events that are dropped as files: whole, slowly, cut off, twice; some die, or the power goes, when one is taken up. */
function withDropped(scenario: Scenario, dice: Dice, cycle: number): Scenario {
  const { calm, hosts, safety, blows } = scenario;
  const lamps = blows.flatMap((blow) => (blow.kind === 'lamp' ? [blow.name] : []));
  if (lamps.length === 0 || !dice.chance(0.6)) return scenario;
  const at = (): number => (calm ? 0 : dice.between(0, 0.8) * safety);
  const dropped = Array.from({ length: dice.whole(1, 6) }, (_, index) => {
    const to = dice.pick([...lamps, ...lamps, 'nobody']);
    const event = dice.pick(['press', 'press', 'press', 'burn out', 'rubbish']);
    const eventId = dice.pick([undefined, undefined, `dropped-${index}`, `event-${index}`]);
    // Sooner than what stands still counts as whole: else they may end before it is.
    const ms = calm ? 0 : dice.pick([0, 0, 0.3, 0.9]) * cycle;
    const name = `drop${index}.json`;
    return { kind: 'drop', name, to, event, eventId, hops: dice.whole(0, 2), ms } as const;
  });
  const again = dropped.filter(() => !calm && dice.chance(0.3));
  const drops = [...dropped, ...again].map((one, index): Blow => ({
    ...one,
    id: `drop ${index}`,
    at: at(),
  }));
  const kinds = calm
    ? []
    : dice.pick([[], ['ambush'], ['ambush', 'ambush'], ['blackout']] as const);
  const traps = kinds.map((kind, index): Blow => {
    const host = dice.whole(0, hosts.length - 1);
    return { id: `trap ${index}`, at: at() / 2, kind, host, place: 'events' };
  });
  return { ...scenario, blows: inOrder([...blows, ...drops, ...traps]) };
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
