/**
 * Decides on a state whose machine or name its worker does not know. It is left to another session that may know it. If no
 * session does, it is failed, with the names that they know, so that a fleet can drain. Pure.
 */
import type { KnownMachines, Refusal } from './session.ts';

/** Among a session's machines: it also runs commands of configurations that the engine stores. */
const TRUSTS_STORED = '*';

/** `others`: live sessions that have not refused the state yet. `all`: every live session, including this one. */
export function decideRefusal(
  { code, machine, state, reason, stored }: Refusal,
  others: readonly KnownMachines[],
  all: readonly KnownMachines[],
):
  | { readonly kind: 'leave'; readonly reason: string }
  | { readonly kind: 'fail'; readonly code: string; readonly reason: string } {
  const trusts = ({ machines }: KnownMachines): boolean => machines.includes(TRUSTS_STORED);
  const mayKnow = (one: KnownMachines): boolean => knows(one, machine, state);
  if (others.some(mayKnow) || (stored?.needsTrust === true && others.some(trusts))) {
    return { kind: 'leave', reason: stored?.reason ?? reason };
  }
  const unknown =
    state === undefined
      ? `no worker here knows machine ${machine}; they know ${namesOf(all)}`
      : reason;
  return { kind: 'fail', code, reason: stored?.reason ?? unknown };
}

function namesOf(all: readonly KnownMachines[]): string {
  const names = new Set(all.flatMap(({ machines }) => machines));
  names.delete(TRUSTS_STORED);
  return [...names].sort().join(', ') || 'none';
}

/** True also for a session that does not announce the states of the machine: it may know this one. */
function knows(
  { machines, states }: KnownMachines,
  machine: string,
  state: string | undefined,
): boolean {
  const isMeant = (one: string): boolean =>
    one === machine || (!machine.includes(':') && one.split(':')[0] === machine);
  return machines.some((one) => {
    if (!isMeant(one)) return false;
    const known = states?.[one];
    return state === undefined || known === undefined || known.includes(state);
  });
}
