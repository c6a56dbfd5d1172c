/** Reads the state files that `submit` and `up` are given, by name or in folders. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from '../machine/errors.ts';
import type { Candidate } from '../engine/validate.ts';
import { isStateName } from '../machine/name.ts';
import { MAX_STATE_BYTES } from '../machine/state-file.ts';

/** Files in any case; of folders, the files with a state file's name. Throws `unreadable`, `too-large`. */
export function readCandidates(paths: readonly string[]): Candidate[] {
  return paths.flatMap((path) => {
    try {
      if (!statSync(path).isDirectory()) return [readCandidate(path)];
      const names = readdirSync(path).filter(isStateName);
      return names.sort().map((name) => readCandidate(join(path, name)));
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError('unreadable', `cannot read ${path}: ${(error as Error).message}`, {
        path,
      });
    }
  });
}

function readCandidate(path: string): Candidate {
  const stats = statSync(path);
  if (!stats.isFile()) throw new UserError('unreadable', `${path} is not a regular file`, { path });
  if (stats.size > MAX_STATE_BYTES) {
    const reason = `${path} has ${stats.size} bytes; ${MAX_STATE_BYTES} are allowed`;
    throw new UserError('too-large', reason, { path });
  }
  return { name: basename(path), source: path, bytes: readFileSync(path) };
}
