/**
 * The simulator held against mistakes: each is made in the source, one by one, and has to show within so
 * many seeds. Without any, those seeds pass.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Mutant } from '../mutants/hook.ts';
import { MUTANTS } from '../mutants/mutants.ts';

const ROOT = join(import.meta.dirname, '../..');
const SEEDS = 2000;
const AT_ONCE = 2;
/** Nothing to go by: most take seconds, some have to wait for their seed, and some machines are slow. */
const HOUR = 3_600_000;

interface Found {
  readonly seed: number;
  readonly verdict: string;
  readonly message: string;
}

/** The first seed that fails; null if none does. Rejects, with what it wrote, if the program fails. */
async function firstFailure(mutant?: Mutant, base = 1, seeds = SEEDS): Promise<Found | null> {
  const args = ['./test/mutants/first-failure.ts', String(base), String(seeds)];
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
    let last = 0;
    console.log('| mutant | seed | verdict | what it said |\n| --- | ---: | --- | --- |');
    const lane = async (): Promise<void> => {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        const { name } = mutant;
        try {
          const found = await firstFailure(mutant);
          if (found === null) {
            wrong.push(`${name}: survives`);
            continue;
          }
          console.log(rowOf(name, found));
          last = Math.max(last, found.seed);
        } catch (error) {
          // What the child wrote is in the message: a mutant whose place is gone, or that does not load.
          wrong.push(`${name}: ${(error as Error).message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    expect(wrong).toEqual([]);
    // It was the mistake that failed there.
    const part = Math.ceil(last / AT_ONCE);
    const parts = Array.from({ length: AT_ONCE }, (_, index) => 1 + index * part);
    const innocent = parts.map((base) => firstFailure(undefined, base, part));
    expect(await Promise.all(innocent)).toEqual(parts.map(() => null));
  },
  HOUR,
);
