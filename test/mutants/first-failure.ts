/** Runs seeds in order until one fails: `node … first-failure.ts SEED…` prints its outcome, or null. */
import { drawScenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

let found: object | null = null;
for (const seed of process.argv.slice(2).map(Number)) {
  const { verdict, message } = await simulate(drawScenario(String(seed)));
  if (verdict === 'ok') continue;
  found = { seed, verdict, message };
  break;
}
console.log(JSON.stringify(found));
