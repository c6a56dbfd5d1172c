/** Runs seeds in order until one fails: `node … first-failure.ts [memory] SEED…` prints its outcome, or null. */
import { runSeed } from '../../src/sim/run-seed.ts';

const [first = '', ...rest] = process.argv.slice(2);
const engine = first === 'memory' ? 'memory' : 'volume';
const seeds = engine === 'memory' ? rest : [first, ...rest];

let found: object | null = null;
for (const seed of seeds) {
  const { verdict, message } = await runSeed(seed, { engine, wishes: {} });
  if (verdict === 'ok') continue;
  found = { seed: Number(seed), verdict, message };
  break;
}
console.log(JSON.stringify(found));
