/** Runs the simulator with a mutant, in a process of its own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SimulatedEngine } from '../../src/sim/campaign.ts';
import type { Mutant } from './hook.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface Found {
  readonly seed: number;
  readonly verdict: string;
  readonly message: string;
}

/** The first failing seed; null if none fails. Rejects with the program's output if that crashes. */
export async function firstFailure(
  seeds: readonly number[],
  mutant?: Mutant,
  engine: SimulatedEngine = 'volume',
): Promise<Found | null> {
  const args = ['./test/mutants/first-failure.ts', engine, ...seeds.map(String)];
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
  if (mutant !== undefined) {
    args.unshift('--import', './test/mutants/hook.ts');
    const { file, find, replace } = mutant;
    env['FLOCKWORK_MUTANT'] = JSON.stringify({ file, find, replace });
  }
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  return JSON.parse(stdout) as Found | null;
}
