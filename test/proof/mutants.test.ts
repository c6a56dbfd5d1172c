/**
 * The simulator held against mistakes: each is made in the source, one by one, and has to show within so
 * many seeds. Without any, the seeds that showed them pass.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Mutant } from '../mutants/hook.ts';
import { MUTANTS } from '../mutants/mutants.ts';

const ROOT = join(import.meta.dirname, '../..');
const SEEDS = Array.from({ length: 2000 }, (_, index) => index + 1);
const AT_ONCE = 2;
/** Nothing to go by: most take seconds, some have to wait for their seed, and some machines are slow. */
const HOUR = 3_600_000;

interface Found {
  readonly seed: number;
  readonly verdict: string;
  readonly message: string;
}

/** The first seed that fails; null if none does. Rejects, with what it wrote, if the program fails. */
async function firstFailure(seeds: readonly number[], mutant?: Mutant): Promise<Found | null> {
  const args = ['./test/mutants/first-failure.ts', ...seeds.map(String)];
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
  if (mutant !== undefined) {
    args.unshift('--import', './test/mutants/hook.ts');
    const { file, find, replace } = mutant;
    env['FLOCKWORK_MUTANT'] = JSON.stringify({ file, find, replace });
  }
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  return JSON.parse(stdout) as Found | null;
}

const cell = (text: string): string => text.split('\n')[0]!.replaceAll('|', '\\|');
const rowOf = (name: string, { seed, verdict, message }: Found): string =>
  `| ${cell(name)} | ${seed} | ${verdict} | ${cell(message)} |`;

test(
  `each of ${MUTANTS.length} mistakes is found`,
  async () => {
    const wrong: string[] = [];
    const left = [...MUTANTS];
    const shown = new Set<number>();
    console.log('| mutant | seed | verdict | what it said |\n| --- | ---: | --- | --- |');
    const lane = async (): Promise<void> => {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        const { name } = mutant;
        try {
          // Where it showed last time, first: the search is what takes its time.
          const found =
            (await firstFailure([mutant.seed], mutant)) ?? (await firstFailure(SEEDS, mutant));
          if (found === null) {
            wrong.push(`${name}: survives`);
            continue;
          }
          console.log(rowOf(name, found));
          shown.add(found.seed);
        } catch (error) {
          // What the child wrote is in the message: a mutant whose place is gone, or that does not load.
          wrong.push(`${name}: ${(error as Error).message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    expect(wrong).toEqual([]);
    // It was the mistake that failed there.
    expect(await firstFailure([...shown])).toBeNull();
  },
  HOUR,
);
