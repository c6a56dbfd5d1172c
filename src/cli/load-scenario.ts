/** Loads a user's own machines and state files for `simulate`. */
import { UserError } from '../machine/errors.ts';
import { checkSimulated, type OwnWork } from '../sim/own-work.ts';
import { problemsOf } from '../engine/validate.ts';
import { readCandidates } from './read-state-files.ts';
import { loadMachines } from './machines.ts';

/**
 * Undefined without paths and machines: the simulator uses its own. Throws `usage` for machines without state files,
 * `not-simulated` for commands, which do not run in virtual time, and `bad-state`.
 */
export async function loadOwn(
  machines: readonly string[],
  paths: readonly string[],
): Promise<OwnWork | undefined> {
  if (paths.length === 0 && machines.length === 0) return undefined;
  if (paths.length === 0) {
    throw new UserError(
      'usage',
      'cannot simulate machines without state files; name them: simulate --machines DIR PATHS…',
    );
  }
  const registry = await loadMachines(machines);
  checkSimulated(registry);
  const candidates = readCandidates(paths);
  const problems = problemsOf(candidates);
  if (problems.length > 0) throw new UserError('bad-state', problems.join('\n'));
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return {
    registry,
    stateFiles: new Map(candidates.map(({ name, bytes }) => [name, text(bytes)])),
  };
}
