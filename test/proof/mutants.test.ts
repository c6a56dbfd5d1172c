/**
 * The mutation gate: the simulator must find each mutant within 2,000 seeds, on a volume or on the memory engine. Without a
 * mutant, the seeds that found one pass. With `FLOCKWORK_MUTANTS_SEED`, only those whose files are in
 * `FLOCKWORK_MUTANTS_CHANGED` (separated by white space) and a tenth of the others, drawn by that seed.
 */
import { expect, test } from 'vitest';
import type { SimulatedEngine } from '../../src/sim/campaign.ts';
import { firstFailure, type Found } from '../mutants/first-failure-of.ts';
import { MEMORY_MUTANTS } from '../mutants/memory-mutants.ts';
import { MUTANTS, type NamedMutant } from '../mutants/mutants.ts';
import { selectMutants } from '../selection.ts';

const SEEDS = Array.from({ length: 2000 }, (_, index) => index + 1);
const CONCURRENCY = 2;
/** Generous: most mutants take seconds, but some need a search for a new seed. */
const TIMEOUT_MS = 3_600_000;

const SEED = process.env['FLOCKWORK_MUTANTS_SEED'];
const CHANGED = (process.env['FLOCKWORK_MUTANTS_CHANGED'] ?? '').split(/\s+/);

const cell = (text: string): string => text.split('\n')[0]!.replaceAll('|', '\\|');
const rowOf = (name: string, { seed, verdict, message }: Found): string =>
  `| ${cell(name)} | ${seed} | ${verdict} | ${cell(message)} |`;

test.each<[SimulatedEngine, readonly NamedMutant[]]>([
  ['volume', MUTANTS],
  ['memory', MEMORY_MUTANTS],
])(
  'the simulator finds each mutant: %s',
  async (engine, mutants) => {
    const selected = SEED === undefined ? mutants : selectMutants(mutants, CHANGED, SEED);
    if (SEED !== undefined) {
      const names = selected.map(({ name }) => name).join('; ');
      console.log(`mutants of FLOCKWORK_MUTANTS_SEED=${SEED}: ${names}`);
      console.log(
        `left to the nightly: ${mutants.length - selected.length} mutants of the ${engine}`,
      );
    }
    const wrong: string[] = [];
    const left = [...selected];
    const shown = new Set<number>();
    console.log('| mutant | seed | verdict | message |\n| --- | ---: | --- | --- |');
    const lane = async (): Promise<void> => {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        const { name } = mutant;
        try {
          // The last known seed first: a search takes long.
          const found =
            (await firstFailure([mutant.seed], mutant, engine)) ??
            (await firstFailure(SEEDS, mutant, engine));
          if (found === null) {
            wrong.push(`${name}: survives`);
            continue;
          }
          console.log(rowOf(name, found));
          shown.add(found.seed);
        } catch (error) {
          // The place of the mutant is gone, or the mutated module does not load: see the message.
          wrong.push(`${name}: ${(error as Error).message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
    expect(wrong).toEqual([]);
    // The mutants made these seeds fail.
    expect(await firstFailure([...shown], undefined, engine)).toBeNull();
  },
  TIMEOUT_MS,
);
