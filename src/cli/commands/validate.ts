/** `flockwork validate`: checks state files and machines before a worker runs them. */
import { lstatSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate as yieldToSignals } from 'node:timers/promises';
import type { Machine } from '../../machine/definition.ts';
import { UserError } from '../../machine/errors.ts';
import { locate } from '../../machine/json-text.ts';
import { isStateName } from '../../machine/name.ts';
import { createRegistry, fullName, resolveState, type Registry } from '../../machine/registry.ts';
import { decodeText, MAX_STATE_BYTES, parseStateFile } from '../../machine/state-file.ts';
import { problemsOf, type Candidate } from '../../engine/validate.ts';
import { EXIT, type Command, type Io } from '../command.ts';
import { isMachineName, loadMachine, loadMachines } from '../machines.ts';

export const validate: Command = {
  name: 'validate',
  describe: 'Check state files, and machines: modules and configurations',
  positional: {
    name: 'paths',
    describe: 'State files, machines, and folders of either',
    many: true,
    required: true,
  },
  options: ['machines', 'json', 'config'],
  optionTexts: {
    machines: {
      describe:
        'Folder or file of machines that state files may name, besides those in PATHS; may be repeated',
    },
  },
  exits: '0 no problems, 1 problems, 2 wrong usage, or nothing to check, 130 stopped by Ctrl-C.',
  examples: [
    ['$0 validate simpleStates', 'do they parse, and are their machines known?'],
    ['$0 validate machines', 'every module and configuration in a folder'],
    ['$0 validate machines/thumbnail.yaml', 'a configuration: every problem, with line and column'],
    ['$0 validate jobs --machines ./machines', 'state files for your own machines'],
  ],
  run: async (settings, paths, io) => {
    const found = paths.flatMap(lookAt);
    if (found.length === 0) {
      const message = `nothing to check in ${paths.join(', ')}: there is no state file (NAME.state), module or configuration`;
      throw new UserError('nothing', message, { paths });
    }
    const problems: string[] = [];
    const machines: FoundMachine[] = [];
    for (const { path, folder } of found.filter(({ kind }) => kind === 'machine')) {
      if (io.stop.aborted) return EXIT.incomplete;
      const checked = await checkMachine(path);
      problems.push(...checked.problems);
      if (checked.machine !== undefined) machines.push({ machine: checked.machine, folder });
    }
    const own = [...(await loadMachines(settings.machines)).values()].flat();
    const known = withoutTwins(own, machines, problems);
    problems.push(...(await checkStates(found, known, io)));
    if (io.stop.aborted) return EXIT.incomplete;
    const checked = found.length;
    if (settings.json) io.print(JSON.stringify({ checked, problems }));
    else
      for (const line of problems.length > 0 ? problems : [`${checked} checked, all right`])
        io.print(line);
    return problems.length > 0 ? EXIT.failed : EXIT.done;
  },
};

interface Found {
  readonly path: string;
  readonly kind: 'state' | 'machine';
  /** The folder that was named; undefined if the file was. */
  readonly folder: string | undefined;
}

interface FoundMachine extends Pick<Found, 'folder'> {
  readonly machine: Machine;
}

/** A file in any case; of a folder, the files with the name of a state file or a machine. */
function lookAt(path: string): Found[] {
  const kindOf = (name: string): Found['kind'] | undefined =>
    isStateName(name) ? 'state' : isMachineName(name) ? 'machine' : undefined;
  try {
    // A folder inside a folder may have a state file's name: workers cannot read it, which is a problem.
    if (!statSync(path).isDirectory()) {
      return [{ path, kind: kindOf(basename(path)) ?? 'machine', folder: undefined }];
    }
    return readdirSync(path)
      .sort()
      .flatMap((name) => {
        const kind = kindOf(name);
        return kind === undefined ? [] : [{ path: join(path, name), kind, folder: path }];
      });
  } catch (error) {
    throw new UserError('unreadable', `cannot read ${path}: ${(error as Error).message}`, { path });
  }
}

interface CheckedMachine {
  readonly machine?: Machine;
  readonly problems: readonly string[];
}

async function checkMachine(path: string): Promise<CheckedMachine> {
  try {
    return { machine: await loadMachine(path), problems: [] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const lines = error.facts['problems'] as string[] | undefined;
    return { problems: lines ?? [error.message] };
  }
}

/**
 * A registry of all machines. Two of the same name and version in one folder are a problem: no worker can load them.
 */
function withoutTwins(
  own: readonly Machine[],
  machines: readonly FoundMachine[],
  problems: string[],
): Registry {
  const kept = new Map(own.map((machine) => [fullName(machine), machine]));
  const seen = new Set<string>();
  for (const { machine, folder } of machines) {
    const name = fullName(machine);
    if (folder !== undefined && seen.has(`${folder}/${name}`)) {
      problems.push(
        `${folder}: there are two machines ${name}; rename one, or give it another version`,
      );
    }
    seen.add(`${folder}/${name}`);
    if (!kept.has(name)) kept.set(name, machine);
  }
  return createRegistry([...kept.values()]);
}

/** Files between two checks for signals. */
const FILES_PER_TURN = 100;

async function checkStates(
  found: readonly Found[],
  known: Registry,
  { stop }: Pick<Io, 'stop'>,
): Promise<string[]> {
  const problems: string[] = [];
  const candidates: Candidate[] = [];
  for (const [index, { path, kind }] of found.entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await yieldToSignals();
    if (stop.aborted) return [];
    if (kind !== 'state') continue;
    const reason = unreadable(lstatSync(path));
    if (reason === undefined) {
      candidates.push({ name: basename(path), source: path, bytes: readFileSync(path) });
    } else problems.push(`${path}: ${reason}`);
  }
  return [
    ...problems,
    ...problemsOf(candidates),
    ...candidates.flatMap((one) => unknown(one, known)),
  ];
}

/** Why a worker would refuse the file, with the same limits. */
function unreadable(stats: Stats): string | undefined {
  if (stats.isSymbolicLink()) return 'it is a link; workers read regular files only';
  if (!stats.isFile()) return 'it is not a regular file';
  return stats.size > MAX_STATE_BYTES
    ? `it has ${stats.size} bytes; ${MAX_STATE_BYTES} are allowed`
    : undefined;
}

function unknown({ source, bytes }: Candidate, known: Registry): string[] {
  const parsed = parseStateFile(bytes);
  const resolved = parsed.ok ? resolveState(known, parsed.file) : undefined;
  if (!parsed.ok || resolved?.ok !== false) return [];
  const isMachine = resolved.code === 'unknown-machine' && parsed.file.machine !== undefined;
  const place = locate(decodeText(bytes) ?? '', [isMachine ? 'machine' : 'state']);
  const at = place === undefined ? source : `${source}:${place.line}:${place.column}`;
  return [`${at}: ${resolved.reason}`];
}
