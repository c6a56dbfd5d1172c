/**
 * What is rare by chance, brought about: the moments at which certain mistakes would show. Each is drawn from dice
 * of its own, so that the other draws of a seed stay what they were.
 */
import type { ArchiveRules } from '../volume/archivable.ts';
import { Dice } from './dice.ts';
import { MOUNT } from './process-options.ts';
import type { Blow, Scenario } from './scenario.ts';

const ARCHIVING = 0.5;

export function withHardships(scenario: Scenario, cycle: number): Scenario {
  const dice = (name: string): Dice => new Dice(`${scenario.seed}/${name}`);
  const failing = withFailures(withRepeats(scenario), dice('failures'));
  const dark = withBlackouts(failing, dice('blackouts'));
  return withArchive(withVeil(dark, dice('veil')), dice('archive'), cycle);
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
