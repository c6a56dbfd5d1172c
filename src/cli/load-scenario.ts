/** What a user wants simulated: machines and state files of their own, or the simulator's. */
import { UserError } from '../machine/errors.ts';
import type { RunOptions } from '../sim/simulation.ts';
import { problemsOf } from '../store/checks.ts';
import { readCandidates } from './read-state-files.ts';
import { loadMachines } from './machines.ts';

/**
 * Nothing for neither; machines need state files, and the other way round. Throws `not-simulated` for
 * commands, which no virtual time can hurry, and `bad-state`.
 */
export async function loadOwn(
  machines: readonly string[],
  paths: readonly string[],
): Promise<Pick<RunOptions, 'registry' | 'stateFiles'>> {
  if (paths.length === 0 && machines.length === 0) return {};
  if (paths.length === 0) {
    throw new UserError('usage', 'which state files? simulate --machines DIR PATHS…');
  }
  const registry = await loadMachines(machines);
  for (const { name, activities } of [...registry.values()].flat()) {
    for (const [state, { kind }] of activities) {
      if (kind !== 'command') continue;
      const message = `machine ${name} runs a command in state ${state}; only modules can be simulated`;
      throw new UserError('not-simulated', message, { machine: name, state });
    }
  }
  const candidates = readCandidates(paths);
  const problems = problemsOf(candidates);
  if (problems.length > 0) throw new UserError('bad-state', problems.join('\n'));
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return {
    registry,
    stateFiles: new Map(candidates.map(({ name, bytes }) => [name, text(bytes)])),
  };
}
