/** What is submitted: state files, by name or in folders, and new instances, with one payload, for files, or from lines. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, createReadStream } from 'node:fs';
import { basename, join, extname, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Candidate } from '../engine/validate.ts';
import type { Json } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { parseJson } from '../machine/json-text.ts';
import { isStateName, stateName } from '../machine/name.ts';
import { MAX_STATE_BYTES, formatStateFile } from '../machine/state-file.ts';
import { parseJsonOption } from './settings.ts';

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
  if (!stats.isFile())
    throw new UserError('unreadable', `cannot read ${path}: it is not a regular file`, { path });
  if (stats.size > MAX_STATE_BYTES) {
    const reason = `cannot read ${path}: it has ${stats.size} bytes; ${MAX_STATE_BYTES} are allowed`;
    throw new UserError('too-large', reason, { path });
  }
  return { name: basename(path), source: path, bytes: readFileSync(path) };
}

/** Of a file's name in an instance's name. */
const MAX_STEM_CHARS = 80;
const PATH_HASH_CHARS = 8;

/** The first state of an instance of a machine (`NAME` or `NAME:VERSION`). */
export function firstState(machine: string, payload: Json): Uint8Array {
  const [state = machine] = machine.split(':');
  const isVersioned = machine.includes(':');
  const file = { state, ...(isVersioned && { machine }), payload };
  return new TextEncoder().encode(formatStateFile(file));
}

const nameOf = (machine: string): string => machine.split(':')[0]!;

/** Names: `prefix` for one instance, else `prefix-1`, `prefix-2`, … padded to equal length. */
export function countedInstances(
  machine: string,
  payload: string | undefined,
  count: number,
  prefix: { readonly given: string | undefined; readonly unique: string },
): Candidate[] {
  const bytes = firstState(
    machine,
    payload === undefined ? {} : parseJsonOption(payload, '--payload', 'bad-payload'),
  );
  if (prefix.given !== undefined && count === 1) return [candidate(prefix.given, bytes)];
  const begin = prefix.given ?? `${nameOf(machine)}-${prefix.unique}`;
  const width = String(count).length;
  return Array.from({ length: count }, (_, index) =>
    candidate(`${begin}-${String(index + 1).padStart(width, '0')}`, bytes),
  );
}

const candidate = (instance: string, bytes: Uint8Array, source = instance): Candidate => ({
  name: stateName(instance, 0),
  source,
  bytes,
});

/**
 * One instance for each file, with `{"path": …}` as its payload; of folders, for each file in them that is not hidden. The
 * name contains the file's name and a hash of its path: the same path gives the same instance.
 */
export function instancesOfFiles(
  machine: string,
  paths: readonly string[],
  prefix: string = nameOf(machine),
): Candidate[] {
  return paths.flatMap(filesOf).map((file) => {
    const path = resolve(file);
    const hash = createHash('sha256').update(path).digest('hex').slice(0, PATH_HASH_CHARS);
    const stem = basename(path, extname(path)).replaceAll(/[^\w.-]/gu, '_');
    const instance = `${prefix}-${stem.slice(0, MAX_STEM_CHARS)}-${hash}`;
    return candidate(instance, firstState(machine, { path }), file);
  });
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => join(path, entry.name))
      .sort();
  } catch (error) {
    throw new UserError('unreadable', `cannot read ${path}: ${(error as Error).message}`, { path });
  }
}

/** One instance for each line of `file` (`-`: standard input), which is its payload. Skips empty lines. */
export async function instancesOfLines(
  machine: string,
  file: string,
  prefix: { readonly given: string | undefined; readonly unique: string },
  stop: AbortSignal,
): Promise<Candidate[]> {
  const lines = (await readLines(file, stop)).split('\n');
  const begin = prefix.given ?? `${nameOf(machine)}-${prefix.unique}`;
  const width = String(lines.length).length;
  const problems: string[] = [];
  const candidates = lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    const parsed = parseJson(line);
    if (!parsed.ok) {
      problems.push(`${file}:${index + 1}:${parsed.column}: ${parsed.reason}`);
      return [];
    }
    const instance = `${begin}-${String(index + 1).padStart(width, '0')}`;
    return [candidate(instance, firstState(machine, parsed.value), `${file}:${index + 1}`)];
  });
  if (problems.length === 0) return candidates;
  throw new UserError('bad-payload', `nothing was submitted:\n  ${problems.join('\n  ')}`, {
    problems,
  });
}

async function readLines(file: string, stop: AbortSignal): Promise<string> {
  const stream = file === '-' ? process.stdin : createReadStream(file);
  const give = (): void => void stream.destroy(new Error('stopped'));
  stop.addEventListener('abort', give, { once: true });
  try {
    // Remove a byte order mark.
    return (await text(stream)).replace(/^\ufeff/, '');
  } catch (error) {
    throw new UserError('unreadable', `cannot read ${file}: ${(error as Error).message}`, { file });
  } finally {
    stop.removeEventListener('abort', give);
  }
}
