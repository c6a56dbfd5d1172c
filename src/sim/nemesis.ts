/** Injects a scenario's scheduled faults into hosts, processes and the volume. */
import type { Fleet } from './fleet.ts';
import { droppedEvent, LAMP_STATE, lampEvent } from './event-workload.ts';
import { chainState } from './machines.ts';
import type { ProcessOptions } from './process-options.ts';
import type { SimProcess } from './process.ts';
import type { ScheduledFault } from './scenario.ts';
import { treeState } from './fork-workload.ts';
import type { User } from './user.ts';

export interface Targets {
  readonly fleet: Fleet<ProcessOptions, SimProcess>;
  readonly user: User;
  /** Time after which faults stop. */
  readonly safeAt: number;
  /** `keep`: probability that an unsynced change survives. */
  losePower(keep: number): void;
  later(ms: number, act: () => void): void;
}

export function inject(fault: ScheduledFault, targets: Targets): void {
  const { user } = targets;
  switch (fault.kind) {
    case 'power':
      return targets.losePower(fault.keep);
    case 'invalid file':
      return user.putInvalidFile(fault.what);
    case 'foreign entry':
      return user.putForeignEntry(fault.what);
    case 'submit':
      return user.submit(fault.name, chainState(fault.steps));
    case 'lamp':
      return user.submit(`${fault.name}.state`, LAMP_STATE);
    case 'tree':
      return user.submit(`${fault.name}.state`, treeState(fault.tree));
    case 'send':
      return user.send(fault.to, fault.eventId, lampEvent(fault.event, fault.hops));
    case 'drop': {
      const { name, to, event, hops, eventId, ms } = fault;
      return user.drop(name, droppedEvent(to, event, hops, eventId), ms);
    }
    case 'copy again':
      return user.copyAgain(`${fault.name}.state`, chainState(fault.steps));
    case 'slow copy':
      return user.copySlowly(`${fault.name}.state`, chainState(fault.steps), fault.ms);
    default:
      injectIntoHost(fault, targets);
  }
}

function injectIntoHost(
  fault: Extract<ScheduledFault, { host: number }>,
  { fleet, later, safeAt }: Pick<Targets, 'fleet' | 'later' | 'safeAt'>,
): void {
  const { clock, process } = fleet.hosts[fault.host]!;
  switch (fault.kind) {
    case 'kill':
      return process?.kill();
    case 'ambush':
      return process?.armed.ambush(fault.place);
    case 'blackout':
      return process?.armed.blackout(fault.place);
    case 'freeze':
      return process?.armed.freeze({ ...fault, until: safeAt });
    case 'stop':
      process?.askToStop();
      return fleet.startSoon(fault.host, fault.restart);
    case 'suspend':
      return process?.suspend(fault.ms);
    case 'sleep':
      return fleet.sleep(fault.host, fault.ms);
    case 'step':
      return clock.step(fault.ms);
    case 'no clock':
      clock.broken = true;
      return later(fault.ms, () => (clock.broken = false));
    case 'unmount':
      process?.unmount();
      return later(fault.ms, () => process?.mount());
    case 'twin': {
      const twin = fleet.launch(fault.host);
      return later(fault.ms, () => twin.kill());
    }
  }
}
