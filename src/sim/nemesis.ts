/** Carries out what a scenario has in store for hosts, processes and the volume. */
import type { Fleet } from './fleet.ts';
import { droppedEvent, LAMP_STATE, lampEvent } from './lamps.ts';
import { chainState } from './machines.ts';
import type { Blow } from './scenario.ts';
import { treeState } from './trees.ts';
import type { User } from './user.ts';

export interface Reach {
  readonly fleet: Fleet;
  readonly user: User;
  /** When nothing goes wrong any more. */
  readonly safeAt: number;
  /** `keep`: the probability for a change that was not synced. */
  losePower(keep: number): void;
  later(ms: number, act: () => void): void;
}

export function strike(blow: Blow, reach: Reach): void {
  const { user } = reach;
  switch (blow.kind) {
    case 'power':
      return reach.losePower(blow.keep);
    case 'junk':
      return user.putJunk(blow.what);
    case 'litter':
      return user.putLitter(blow.what);
    case 'submit':
      return user.submit(blow.name, chainState(blow.steps));
    case 'lamp':
      return user.submit(`${blow.name}.state`, LAMP_STATE);
    case 'tree':
      return user.submit(`${blow.name}.state`, treeState(blow.tree));
    case 'send':
      return user.send(blow.to, blow.eventId, lampEvent(blow.event, blow.hops));
    case 'drop': {
      const { name, to, event, hops, eventId, ms } = blow;
      return user.drop(name, droppedEvent(to, event, hops, eventId), ms);
    }
    case 'copy again':
      return user.copyAgain(`${blow.name}.state`, chainState(blow.steps));
    case 'slow copy':
      return user.copySlowly(`${blow.name}.state`, chainState(blow.steps), blow.ms);
    default:
      strikeHost(blow, reach);
  }
}

function strikeHost(
  blow: Extract<Blow, { host: number }>,
  { fleet, later, safeAt }: Pick<Reach, 'fleet' | 'later' | 'safeAt'>,
): void {
  const { clock, process } = fleet.hosts[blow.host]!;
  switch (blow.kind) {
    case 'kill':
      return process?.kill();
    case 'ambush':
      return process?.traps.ambush(blow.place);
    case 'blackout':
      return process?.traps.blackout(blow.place);
    case 'freeze':
      return process?.traps.freeze({ ...blow, until: safeAt });
    case 'stop':
      process?.askToStop();
      return fleet.startSoon(blow.host, blow.restart);
    case 'suspend':
      return process?.suspend(blow.ms);
    case 'sleep':
      return fleet.sleep(blow.host, blow.ms);
    case 'step':
      return clock.step(blow.ms);
    case 'no clock':
      clock.broken = true;
      return later(blow.ms, () => (clock.broken = false));
    case 'unmount':
      process?.unmount();
      return later(blow.ms, () => process?.mount());
    case 'twin': {
      const twin = fleet.launch(blow.host);
      return later(blow.ms, () => twin.kill());
    }
  }
}
