/** Runs seeds in order until one fails: `node … first-failure.ts volume|memory SEED…` prints its outcome, or null. */
import { runSeed, type SimulatedEngine } from '../../src/sim/campaign.ts';

const [engine, ...seeds] = process.argv.slice(2);
let found: object | null = null;
for (const seed of seeds) {
  const { verdict, message } = await runSeed(seed, {
    engine: engine as SimulatedEngine,
    wishes: {},
  });
  if (verdict === 'ok') continue;
  found = { seed: Number(seed), verdict, message };
  break;
}
console.log(JSON.stringify(found));
