/** Runs seeds in order until one fails: `node … first-failure.ts BASE SEEDS` prints its outcome, or null. */
import { drawScenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

const [base, seeds] = process.argv.slice(2).map(Number) as [number, number];
let found: object | null = null;
for (let seed = base; seed < base + seeds && found === null; seed += 1) {
  const { verdict, message } = await simulate(drawScenario(String(seed)));
  if (verdict !== 'ok') found = { seed, verdict, message };
}
console.log(JSON.stringify(found));
