/** `--dir`: the volumes of a command. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../machine/errors.ts';
import type { Settings } from './options.ts';

const PATTERN = /[*?[{]/;

/**
 * Absolute paths; a directory need not exist. Throws `usage` for none at all and for a pattern, and `same-volume` for a
 * directory that is given twice, under any name.
 */
export function directoriesOf({ dir }: Pick<Settings, 'dir'>): string[] {
  if (dir.length === 0) {
    throw new UserError('usage', 'no volume is named; say --dir DIRECTORY');
  }
  const seen = new Map<string, string>();
  for (const path of dir) {
    refusePattern(path);
    const directory = resolve(path);
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
  return [...seen.values()];
}

/** The only volume of `what`, which takes one. Throws `several-volumes`, and as `directoriesOf`. */
export function directoryOf(settings: Pick<Settings, 'dir'>, what: string): string {
  const [directory, ...others] = directoriesOf(settings);
  if (others.length === 0) return directory!;
  throw new UserError(
    'several-volumes',
    `${what} takes one volume, not ${others.length + 1}; run it once for each, with one --dir`,
    { directories: [directory!, ...others] },
  );
}

/** A directory may have such a name: it is one if it exists. */
function refusePattern(path: string): void {
  if (!PATTERN.test(path) || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    return;
  }
  const message = `cannot use --dir ${path}: there is no such directory, and patterns are not expanded; repeat --dir for each volume`;
  throw new UserError('usage', message, { path });
}

/** The same for all names of one directory. */
function identityOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? path : `${stats.dev} ${stats.ino}`;
}
