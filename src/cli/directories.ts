/** `--dir`: one directory or several, as named or as a pattern; and which of them an instance belongs to. */
import { globSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../machine/errors.ts';
import { hash } from '../volume/phases/hash.ts';
import type { Settings } from './options.ts';

const PATTERN = /[*?[{]/;

/**
 * Absolute paths, each directory once; those that are not there are for others to complain of. Throws
 * `no-volume` for a pattern that no directory matches, `same-volume`, and `usage` for none at all.
 */
export function directoriesOf({ dir }: Pick<Settings, 'dir'>): string[] {
  const directories = dir.flatMap(expand);
  if (directories.length === 0) {
    throw new UserError('usage', 'no volume is named; say --dir DIRECTORY');
  }
  const seen = new Map<string, string>();
  for (const directory of directories) {
    const identity = identityOf(directory);
    const other = seen.get(identity);
    if (other !== undefined) {
      const which =
        other === directory
          ? `${directory} is given twice`
          : `${other} and ${directory} are one directory`;
      throw new UserError('same-volume', `${which}; give each volume once`, { directory, other });
    }
    seen.set(identity, directory);
  }
  return directories;
}

/** For what can be done to one volume only. Throws `several-volumes`, and as `directoriesOf`. */
export function directoryOf(settings: Pick<Settings, 'dir'>, what: string): string {
  const [directory, ...others] = directoriesOf(settings);
  if (others.length === 0) return directory!;
  throw new UserError(
    'several-volumes',
    `${what} takes one volume, not ${others.length + 1}; give --dir once`,
    {
      directories: [directory!, ...others],
    },
  );
}

function expand(path: string): string[] {
  // A directory may have such a name, too.
  if (!PATTERN.test(path) || isDirectory(path)) return [resolve(path)];
  const directories = globSync(path).filter(isDirectory).sort();
  if (directories.length > 0) return directories.map((directory) => resolve(directory));
  throw new UserError(
    'no-volume',
    `no directory matches ${path}; make one, or mount the volumes there`,
    {
      pattern: path,
    },
  );
}

/**
 * Of several volumes, the one of an instance: where it is already, though with one volume more it may belong elsewhere;
 * else by `shardOf`.
 */
export async function homeOf<Home>(
  homes: readonly Home[],
  rootOf: (home: Home) => string,
  instance: string,
  hasIt: (home: Home) => Promise<boolean>,
): Promise<Home> {
  if (homes.length === 1) return homes[0]!;
  for (const home of homes) if (await hasIt(home)) return home;
  const root = shardOf(instance, homes.map(rootOf));
  return homes.find((home) => rootOf(home) === root)!;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The same for all names of one directory. */
function identityOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? path : `${stats.dev} ${stats.ino}`;
}

/**
 * The directory for an instance: always the same, in whatever order they are given, and of one more each gives
 * up its part to that only. By their names: hosts have to mount them at the same places.
 */
export function shardOf(instance: string, directories: readonly string[]): string {
  const salt = hash(instance);
  const weight = (directory: string): number => hash(directory, salt);
  return directories.reduce((best, one) => {
    const [more, less] = [weight(one), weight(best)];
    return more > less || (more === less && one < best) ? one : best;
  });
}
