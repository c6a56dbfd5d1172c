/**
 * The mutation gate: the simulator must find each mutant within 2,000 seeds. Without a mutant, the seeds that found
 * one pass. With `FLOCKWORK_MUTANTS_SEED`, only those whose files are in `FLOCKWORK_MUTANTS_CHANGED` (separated by white
 * space) and a tenth of the others, drawn by that seed.
 */
import { expect, test } from 'vitest';
import { firstFailure, type Found } from '../mutants/first-failure-of.ts';
import { MUTANTS } from '../mutants/mutants.ts';
import { selectMutants } from '../selection.ts';

const SEEDS = Array.from({ length: 2000 }, (_, index) => index + 1);
const CONCURRENCY = 2;
/** Generous: most mutants take seconds, but some need a search for a new seed. */
const TIMEOUT_MS = 3_600_000;

const SEED = process.env['FLOCKWORK_MUTANTS_SEED'];
const CHANGED = (process.env['FLOCKWORK_MUTANTS_CHANGED'] ?? '').split(/\s+/);
const SELECTED = SEED === undefined ? MUTANTS : selectMutants(MUTANTS, CHANGED, SEED);

const cell = (text: string): string => text.split('\n')[0]!.replaceAll('|', '\\|');
const rowOf = (name: string, { seed, verdict, message }: Found): string =>
  `| ${cell(name)} | ${seed} | ${verdict} | ${cell(message)} |`;

test(
  `the simulator finds each of ${SELECTED.length} mutants`,
  async () => {
    if (SEED !== undefined) {
      const names = SELECTED.map(({ name }) => name).join('; ');
      console.log(`mutants of FLOCKWORK_MUTANTS_SEED=${SEED}: ${names}`);
      console.log(`left to the nightly: ${MUTANTS.length - SELECTED.length} mutants`);
    }
    const wrong: string[] = [];
    const left = [...SELECTED];
    const shown = new Set<number>();
    console.log('| mutant | seed | verdict | message |\n| --- | ---: | --- | --- |');
    const lane = async (): Promise<void> => {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        const { name } = mutant;
        try {
          // The last known seed first: a search takes long.
          const found =
            (await firstFailure([mutant.seed], mutant)) ?? (await firstFailure(SEEDS, mutant));
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
    expect(await firstFailure([...shown])).toBeNull();
  },
  TIMEOUT_MS,
);
