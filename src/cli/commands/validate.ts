/** `flockwork validate`: state files and machines, checked before anybody runs them. */
import { extname } from 'node:path';
import { statSync } from 'node:fs';
import { UserError } from '../../machine/errors.ts';
import { parseStateName } from '../../machine/name.ts';
import { createRegistry, resolveState } from '../../machine/registry.ts';
import { parseStateFile } from '../../machine/state-file.ts';
import { problemsOf } from '../../store/checks.ts';
import { readCandidates } from '../candidates.ts';
import { EXIT, type Command } from '../command.ts';
import { loadMachine, loadMachines } from '../machines.ts';
import type { Settings } from '../options.ts';

export const validate: Command = {
  name: 'validate',
  describe: 'Check state files, and machines: modules and configurations',
  positional: {
    name: 'paths',
    describe: 'State files, folders of them, machines',
    many: true,
    required: true,
  },
  options: ['machines', 'json', 'config'],
  exits:
    '0 all right, 1 something is wrong, 2 wrong usage, or nothing to check, 130 stopped by Ctrl-C.',
  examples: [
    ['$0 validate simpleStates', 'do they parse, and are their machines known?'],
    ['$0 validate machines/thumbnail.yaml', 'a configuration: every problem, with line and column'],
    ['$0 validate jobs --machines ./machines', 'state files for your own machines'],
  ],
  run: async (settings, paths, io) => {
    const problems: string[] = [];
    let checked = 0;
    for (const path of paths) {
      const found = isMachineFile(path)
        ? await checkMachine(path)
        : await checkStates(path, settings);
      problems.push(...found.problems);
      checked += found.checked;
    }
    if (settings.json) io.print(JSON.stringify({ checked, problems }));
    else
      for (const line of problems.length > 0 ? problems : [`${checked} checked, all right`])
        io.print(line);
    return problems.length > 0 ? EXIT.failed : EXIT.done;
  },
};

interface Found {
  readonly checked: number;
  readonly problems: readonly string[];
}

function isMachineFile(path: string): boolean {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return !isFolder && parseStateName(path.split('/').at(-1)!) === undefined && extname(path) !== '';
}

async function checkMachine(path: string): Promise<Found> {
  try {
    const machine = await loadMachine(path);
    createRegistry([machine]);
    return { checked: 1, problems: [] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const lines = error.facts['problems'] as string[] | undefined;
    return { checked: 1, problems: lines ?? [error.message] };
  }
}

async function checkStates(path: string, settings: Settings): Promise<Found> {
  const registry = await loadMachines(settings.machines);
  const candidates = readCandidates([path]);
  const problems = problemsOf(candidates);
  for (const { source, bytes } of candidates) {
    const parsed = parseStateFile(bytes);
    const resolved = parsed.ok ? resolveState(registry, parsed.file) : undefined;
    if (resolved?.ok === false) problems.push(`${source}: ${resolved.reason}`);
  }
  return { checked: candidates.length, problems };
}
