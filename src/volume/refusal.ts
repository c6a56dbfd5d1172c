/**
 * A state whose machine, or whose state's name, its worker does not know. While another session may know it, the state is
 * left to that one. What no session knows is failed, with the names that they do know: so that a fleet can drain.
 */
import type { Refusal } from '../engine/session.ts';
import { failure, type ReadContext, type ReadState } from './claimed-task.ts';
import type { Change, Token } from './operations.ts';

/** Among a token's machines: this worker runs commands of configurations that the volume stores. */
export const TRUSTS_STORED = '*';

/** `sessions`: those that may be alive. One that has refused this state once is not asked again. */
export function refusalChange(
  name: string,
  { code, machine, state, reason, stored }: Refusal,
  { attempts, fingerprint, refusedBy }: ReadState,
  sessions: readonly Token[],
  context: Pick<ReadContext, 'session' | 'worker' | 'now'>,
): Change {
  const others = sessions.filter(({ session }) => session !== context.session);
  const asked = others.filter(({ session }) => !refusedBy.includes(session));
  const trusts = ({ machines }: Token): boolean => machines.includes(TRUSTS_STORED);
  const mayKnow = (token: Token): boolean => knows(token, machine, state);
  if (asked.some(mayKnow) || (stored?.needsTrust === true && asked.some(trusts))) {
    return { kind: 'refuse', reason: stored?.reason ?? reason };
  }
  const unknown =
    state === undefined
      ? `no worker here knows machine ${machine}; they know ${namesOf(sessions)}`
      : reason;
  const file = fingerprint !== undefined && { file: fingerprint };
  return failure(name, context, { code, reason: stored?.reason ?? unknown, ...file }, attempts);
}

function namesOf(tokens: readonly Token[]): string {
  const names = new Set(tokens.flatMap(({ machines }) => machines));
  names.delete(TRUSTS_STORED);
  return [...names].sort().join(', ') || 'none';
}

/** A session that does not say which states a machine of its own has is asked. */
function knows({ machines, states }: Token, machine: string, state: string | undefined): boolean {
  const isMeant = (one: string): boolean =>
    one === machine || (!machine.includes(':') && one.split(':')[0] === machine);
  return machines.some((one) => {
    if (!isMeant(one)) return false;
    const known = states?.[one];
    return state === undefined || known === undefined || known.includes(state);
  });
}
