/**
 * A machine, or a state of one, that this worker does not know. While another session may know it, the state is left to
 * that one; what no session knows is put aside, with the names that they do know: so that a fleet comes to its end.
 */
import type { Change, Token } from './operations.ts';
import { failure, type Scene, type Unknown } from '../worker/plan.ts';
import { TRUSTS_VOLUME } from '../worker/library.ts';

/** `sessions`: those that may be alive. One that has refused this state once is not asked again. */
export function refusal(
  name: string,
  unknown: Unknown,
  sessions: readonly Token[],
  scene: Scene,
): Change {
  const { machine, state, missing, attempts, file, refusedBy = [] } = unknown;
  const others = sessions.filter(({ session }) => session !== scene.token.session);
  const asked = others.filter(({ session }) => !refusedBy.includes(session));
  const trusts = ({ machines }: Token): boolean => machines.includes(TRUSTS_VOLUME);
  const mayKnow = (token: Token): boolean => knows(token, machine, state);
  if (asked.some(mayKnow) || (missing?.isUntrusted === true && asked.some(trusts))) {
    return { kind: 'refuse', reason: missing?.reason ?? unknown.reason };
  }
  const reason =
    missing?.reason ??
    (state === undefined
      ? `no worker here knows machine ${machine}; they know ${namesOf([scene.token, ...others])}`
      : unknown.reason);
  const why = { code: unknown.code, reason, ...(file !== undefined && { file }) };
  return failure(name, scene, why, attempts);
}

function namesOf(tokens: readonly Token[]): string {
  const names = new Set(tokens.flatMap(({ machines }) => machines));
  names.delete(TRUSTS_VOLUME);
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
