/** Putting what `submit` and `up` have into volumes, and telling what became of it. */
import { setImmediate as breathe } from 'node:timers/promises';
import { UserError } from '../machine/errors.ts';
import { parseStateName } from '../machine/name.ts';
import { problemsOf, type Candidate } from '../engine/validate.ts';
import type { Submitted } from '../engine/engine.ts';
import { isThere } from '../volume/chain.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readVolume } from '../volume/open.ts';
import { outcomeOfExisting, submitState, submitStates } from '../volume/submit.ts';
import type { Io } from './command.ts';
import { homeOf } from './directories.ts';
import { isNetworkFileSystem } from './real.ts';

interface Target {
  readonly files: NodeFiles;
  readonly layout: Layout;
}

export interface SubmitOptions {
  /** Makes temporary names, and instances, unlike all others. */
  readonly unique: string;
  /** Only tells what would become of each. */
  readonly dryRun?: boolean;
}

/** Candidates after which signals are looked for. */
const BREATHE_AFTER = 1000;

/**
 * Each to the volume that its instance belongs to, or where there is a file of its name already. Checks all of them
 * before it submits any; ends early when told to stop. Throws `bad-state`, with every problem, and what `readVolume` does.
 */
export async function submitAll(
  directories: readonly string[],
  candidates: readonly Candidate[],
  { unique, dryRun = false }: SubmitOptions,
  io: Pick<Io, 'stop' | 'draw'>,
): Promise<Map<string, Submitted>> {
  const problems = problemsOf(candidates);
  if (problems.length > 0) {
    throw new UserError('bad-state', `nothing was submitted:\n  ${problems.join('\n  ')}`, {
      problems,
    });
  }
  const targets = await openTargets(directories);
  const shares = await shareOut(targets, candidates, io.stop);
  const outcomes = new Map<string, Submitted>();
  const all = candidates.length.toLocaleString('en');
  for (const [target, share] of shares) {
    const found = await submitShare(target, share, { unique, dryRun }, io, (count) =>
      io.draw?.(`${(outcomes.size + count).toLocaleString('en')} of ${all}`),
    );
    for (const [name, outcome] of found) outcomes.set(name, outcome);
  }
  if (candidates.length >= BREATHE_AFTER) io.draw?.('');
  // What is told to be submitted is there after a power cut, too.
  if (!dryRun) for (const { files, layout } of targets) await files.sync(layout.root);
  return outcomes;
}

async function openTargets(directories: readonly string[]): Promise<Target[]> {
  const targets = directories.map((directory): Target => {
    let network = false;
    try {
      network = isNetworkFileSystem(directory);
    } catch {
      // It is not there: readVolume says so.
    }
    return { files: new NodeFiles({ network }), layout: new Layout(directory) };
  });
  for (const { files, layout } of targets) await readVolume(files, layout);
  return targets;
}

async function shareOut(
  targets: readonly Target[],
  candidates: readonly Candidate[],
  stop: AbortSignal,
): Promise<Map<Target, Candidate[]>> {
  const shares = new Map<Target, Candidate[]>(targets.map((target) => [target, []]));
  for (const [index, candidate] of candidates.entries()) {
    if (index % BREATHE_AFTER === BREATHE_AFTER - 1) await breathe();
    if (stop.aborted) break;
    const { name } = candidate;
    const { instance } = parseStateName(name)!;
    const target = await homeOf(
      targets,
      ({ layout }) => layout.root,
      instance,
      ({ files, layout }) => isThere(files, layout, name),
    );
    shares.get(target)!.push(candidate);
  }
  return shares;
}

async function submitShare(
  { files, layout }: Target,
  share: readonly Candidate[],
  { unique, dryRun }: Required<SubmitOptions>,
  { stop }: Pick<Io, 'stop'>,
  tell: (count: number) => void,
): Promise<Map<string, Submitted>> {
  const outcomes = new Map<string, Submitted>();
  if (dryRun) {
    for (const candidate of share) {
      const there = await outcomeOfExisting(files, layout, candidate);
      outcomes.set(candidate.name, there ?? 'submitted');
    }
    return outcomes;
  }
  const [only] = share;
  if (only === undefined) return outcomes;
  if (share.length === 1) {
    return outcomes.set(only.name, await submitState(files, layout, only, unique));
  }
  return submitStates(files, layout, share, {
    unique,
    stop,
    breathe: async (count) => {
      tell(count);
      await breathe();
    },
  });
}
