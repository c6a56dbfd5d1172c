/** Submits the candidates of `submit` and `up` to a volume. */
import { setImmediate as breathe } from 'node:timers/promises';
import { UserError } from '../machine/errors.ts';
import { problemsOf, type Candidate } from '../engine/validate.ts';
import type { SubmitResult } from '../engine/engine.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readVolume } from '../volume/open.ts';
import { outcomeOfExisting, submitState, submitStates } from '../volume/submit.ts';
import type { Io } from './command.ts';
import { isNetworkFileSystem } from '../api/node-ports.ts';

export interface SubmitOptions {
  /** Distinguishes temporary names, and instances, from all others. */
  readonly unique: string;
  /** Submits nothing; the outcomes are those that `submitAll` would have. */
  readonly dryRun?: boolean;
}

/** Candidates between two checks for signals of a dry run; fewer show no progress. */
const CANDIDATES_PER_TURN = 1000;

/**
 * Submits all candidates, none if one of them has a problem; ends early after `stop`. Resolves to the outcomes, by
 * name. Throws `bad-state`, with every problem, and what `readVolume` does.
 */
export async function submitAll(
  directory: string,
  candidates: readonly Candidate[],
  { unique, dryRun = false }: SubmitOptions,
  { stop, draw }: Pick<Io, 'stop' | 'draw'>,
): Promise<Map<string, SubmitResult>> {
  const problems = problemsOf(candidates);
  if (problems.length > 0) {
    throw new UserError('bad-state', `nothing was submitted:\n  ${problems.join('\n  ')}`, {
      problems,
    });
  }
  const files = new NodeFiles({ network: isOnNetwork(directory) });
  const layout = new Layout(directory);
  await readVolume(files, layout);
  if (dryRun) return submitNone(files, layout, candidates, stop);
  const all = candidates.length.toLocaleString('en');
  const [only] = candidates;
  if (only === undefined || stop.aborted) return new Map();
  const outcomes =
    candidates.length === 1
      ? new Map([[only.name, await submitState(files, layout, only, unique)]])
      : await submitStates(files, layout, candidates, {
          unique,
          stop,
          breathe: async (count) => {
            draw?.(`${count.toLocaleString('en')} of ${all}`);
            await breathe();
          },
        });
  if (candidates.length >= CANDIDATES_PER_TURN) draw?.('');
  // A power cut must not undo a submission that was reported.
  await files.sync(layout.root);
  return outcomes;
}

/** The outcomes without the submission. */
async function submitNone(
  files: NodeFiles,
  layout: Layout,
  candidates: readonly Candidate[],
  stop: AbortSignal,
): Promise<Map<string, SubmitResult>> {
  const outcomes = new Map<string, SubmitResult>();
  for (const candidate of candidates) {
    if (outcomes.size % CANDIDATES_PER_TURN === CANDIDATES_PER_TURN - 1) await breathe();
    if (stop.aborted) break;
    const there = await outcomeOfExisting(files, layout, candidate);
    outcomes.set(candidate.name, there ?? 'submitted');
  }
  return outcomes;
}

function isOnNetwork(directory: string): boolean {
  try {
    return isNetworkFileSystem(directory);
  } catch {
    // The directory does not exist; `readVolume` reports that.
    return false;
  }
}
