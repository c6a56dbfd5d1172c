/**
 * The process of `measure.ts` on one mount: `node probe.ts MODE DIR AHEAD …`. AHEAD is how many milliseconds this
 * host's clock is ahead; arguments and results are times of the starter's clock.
 */
import { linkSync, lstatSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [mode = '', dir = '', aheadText = '0', ...rest] = process.argv.slice(2);
const ahead = Number(aheadText);
const now = (): number => Date.now() - ahead;

function waitUntil(time: number): void {
  while (now() < time);
}

/** GlusterFS allows a file 100 links by default. */
const LINKS_PER_FILE = 50;

/** Tries to create each name by a hard link, at a given time. */
function race(who: string, rounds: number, start: number, interval: number): unknown {
  const own = (round: number): string =>
    join(dir, `own-${who}-${Math.floor(round / LINKS_PER_FILE)}`);
  for (let round = 0; round < rounds; round += LINKS_PER_FILE) writeFileSync(own(round), who);
  const won: number[] = [];
  const errors: Record<string, number> = {};
  for (let round = 0; round < rounds; round += 1) {
    waitUntil(start + round * interval);
    try {
      linkSync(own(round), join(dir, `prize-${round}`));
      won.push(round);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      errors[code] = (errors[code] ?? 0) + 1;
    }
  }
  return { won, errors };
}

/** Creates each name in a directory of its own, which the watcher has listed before. */
function create(count: number, start: number, interval: number): unknown {
  return Array.from({ length: count }, (_, index) => {
    waitUntil(start + index * interval);
    writeFileSync(join(dir, `d${index}`, 'new'), 'here');
    return now();
  });
}

/** Times at which each name was first seen, by listing its directory (even numbers) or by lstat (odd). */
async function watch(count: number): Promise<unknown> {
  const seen: (number | null)[] = Array.from({ length: count }, () => null);
  const isThere = (index: number): boolean => {
    const folder = join(dir, `d${index}`);
    if (index % 2 === 0) return readdirSync(folder).includes('new');
    return lstatSync(join(folder, 'new'), { throwIfNoEntry: false }) !== undefined;
  };
  for (let first = true; seen.includes(null); first = false) {
    for (let index = 0; index < count; index += 1) {
      if (seen[index] === null && isThere(index)) seen[index] = now();
    }
    // The starter waits for this file before it starts `create`.
    if (first) writeFileSync(join(dir, 'watching'), '');
    await new Promise((wake) => setTimeout(wake, 2));
  }
  return seen;
}

/** Creates and rewrites a file; returns the difference of its mtime to the starter's time. */
function stamp(): unknown {
  const path = join(dir, 'stamped');
  writeFileSync(path, 'once');
  writeFileSync(path, 'twice', { flag: 'r+' });
  const { mtimeMs } = statSync(path);
  return { off: mtimeMs - now(), whole: Number.isInteger(mtimeMs / 1000) };
}

const [first = '', ...numbers] = rest;
const [rounds = 0, start = 0, interval = 0] = (mode === 'race' ? numbers : rest).map(Number);
const result: unknown =
  mode === 'race'
    ? race(first, rounds, start, interval)
    : mode === 'create'
      ? create(rounds, start, interval)
      : mode === 'watch'
        ? await watch(rounds)
        : stamp();
process.stdout.write(`${JSON.stringify(result)}\n`);
