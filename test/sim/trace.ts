/** Hashes of traces. As a program, `node trace.ts SEED…` prints those of the seeds as JSON. */
import { createHash } from 'node:crypto';
import { drawScenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

export async function traceOf(seed: string): Promise<string> {
  const hash = createHash('sha256');
  const outcome = await simulate(drawScenario(seed), {
    trace: (line) => void hash.update(`${line}\n`),
  });
  return hash.update(JSON.stringify(outcome)).digest('hex');
}

export async function tracesOf(seeds: readonly string[]): Promise<string[]> {
  const hashes: string[] = [];
  for (const seed of seeds) hashes.push(await traceOf(seed));
  return hashes;
}

if (import.meta.main) console.log(JSON.stringify(await tracesOf(process.argv.slice(2))));
