/** What `submit` and `up` are given: files, folders of state files, or new instances of a machine. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isStateName, parseStateName, stateName } from '../machine/name.ts';
import { UserError } from '../machine/errors.ts';
import { formatStateFile } from '../machine/state-file.ts';
import { isThere } from '../volume/chain.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readVolume } from '../volume/open.ts';
import { problemsOf, type Candidate } from '../store/checks.ts';
import type { Submitted } from '../store/contract.ts';
import { submitState } from '../volume/submit.ts';
import { MAX_STATE_BYTES } from '../machine/state-file.ts';
import { homeOf } from './directories.ts';
import { parseJsonOption } from './json-option.ts';

/** Files as named; of folders, what has a state file's name. */
export function readCandidates(paths: readonly string[]): Candidate[] {
  return paths.flatMap((path) => {
    try {
      if (!statSync(path).isDirectory()) return [readCandidate(path)];
      const names = readdirSync(path).filter(isStateName);
      return names.sort().map((name) => readCandidate(join(path, name)));
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError('unreadable', `${path} cannot be read: ${(error as Error).message}`, {
        path,
      });
    }
  });
}

function readCandidate(path: string): Candidate {
  const stats = statSync(path);
  if (!stats.isFile()) throw new UserError('unreadable', `${path} is no regular file`, { path });
  if (stats.size > MAX_STATE_BYTES) {
    const reason = `${path} has ${stats.size} bytes; ${MAX_STATE_BYTES} are allowed`;
    throw new UserError('too-large', reason, { path });
  }
  return { name: basename(path), source: path, bytes: readFileSync(path) };
}

/** New instances `MACHINE-ID-1`, `MACHINE-ID-2`, …; `id` makes them unlike all others. */
export function newInstances(
  machine: string,
  payload: string | undefined,
  count: number,
  id: string,
): Candidate[] {
  const parsed = payload === undefined ? {} : parseJsonOption(payload, '--payload', 'bad-payload');
  const [name = machine] = machine.split(':');
  const width = String(count).length;
  const text = formatStateFile({
    state: name,
    ...(machine.includes(':') && { machine }),
    payload: parsed,
  });
  const bytes = new TextEncoder().encode(text);
  return Array.from({ length: count }, (_, index) => {
    const instance = `${name}-${id}-${String(index + 1).padStart(width, '0')}`;
    return { name: stateName(instance, 0), source: instance, bytes };
  });
}

/**
 * Each to the volume that its instance belongs to, or where there is a file of its name already. Checks all of them
 * before it submits any. Throws `bad-state`, with every problem, and what `readVolume` does.
 */
export async function submitAll(
  directories: readonly string[],
  candidates: readonly Candidate[],
  unique: string,
): Promise<Map<string, Submitted>> {
  const problems = problemsOf(candidates);
  if (problems.length > 0) {
    throw new UserError('bad-state', `nothing was submitted:\n  ${problems.join('\n  ')}`, {
      problems,
    });
  }
  const files = new NodeFiles();
  const layouts = directories.map((directory) => new Layout(directory));
  for (const layout of layouts) await readVolume(files, layout);
  const outcomes = new Map<string, Submitted>();
  for (const candidate of candidates) {
    const { name } = candidate;
    const { instance } = parseStateName(name)!;
    const layout = await homeOf(
      layouts,
      ({ root }) => root,
      instance,
      (one) => isThere(files, one, name),
    );
    outcomes.set(name, await submitState(files, layout, candidate, unique));
  }
  // Whoever was told that a state is in finds it there after a power cut too.
  for (const { root } of layouts) await files.sync(root);
  return outcomes;
}
