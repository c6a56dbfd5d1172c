/** Submits the candidates of `submit` and `up` to a volume. */
import { randomUUID } from 'node:crypto';
import { setImmediate as yieldToSignals } from 'node:timers/promises';
import type { SubmitResult } from '../engine/engine.ts';
import { problemsOf, type Candidate } from '../engine/validate.ts';
import { UserError } from '../machine/errors.ts';
import { outcomeOfExisting, submitStates } from '../volume/submit.ts';
import type { Io } from './command.ts';
import { openExisting, type OpenedVolume } from './volume.ts';

export interface SubmitOptions {
  /** Submits nothing; the outcomes are those that `submitAll` would have. */
  readonly dryRun?: boolean;
}

/** Candidates between two checks for signals of a dry run; fewer show no progress. */
const CANDIDATES_PER_TURN = 1000;

/**
 * Submits all candidates, none if one of them has a problem; ends early after `stop`. Resolves to the outcomes, by
 * name. Throws `bad-state`, with every problem, and what `openExisting` does.
 */
export async function submitAll(
  directory: string,
  candidates: readonly Candidate[],
  { dryRun = false }: SubmitOptions,
  { stop, draw }: Pick<Io, 'stop' | 'draw'>,
): Promise<Map<string, SubmitResult>> {
  const problems = problemsOf(candidates);
  if (problems.length > 0) {
    throw new UserError('bad-state', `nothing was submitted:\n  ${problems.join('\n  ')}`, {
      problems,
    });
  }
  const opened = await openExisting(directory);
  if (dryRun) return submitNone(opened, candidates, stop);
  const [only] = candidates;
  if (only === undefined || stop.aborted) return new Map();
  const { files, layout, client } = opened;
  if (candidates.length === 1) {
    const [outcome] = await client.submit([only]);
    return new Map([[only.name, outcome!]]);
  }
  const all = candidates.length.toLocaleString('en');
  // As the contract does it, but with progress, and the outcomes of those that were tried before a signal.
  const outcomes = await submitStates(files, layout, candidates, {
    unique: randomUUID(),
    stop,
    yieldToSignals: async (count) => {
      draw?.(`${count.toLocaleString('en')} of ${all}`);
      await yieldToSignals();
    },
  });
  if (candidates.length >= CANDIDATES_PER_TURN) draw?.('');
  // A power cut must not undo a submission that was reported.
  await files.sync(layout.root);
  return outcomes;
}

/** The outcomes without the submission. */
async function submitNone(
  { files, layout }: OpenedVolume,
  candidates: readonly Candidate[],
  stop: AbortSignal,
): Promise<Map<string, SubmitResult>> {
  const outcomes = new Map<string, SubmitResult>();
  for (const candidate of candidates) {
    if (outcomes.size % CANDIDATES_PER_TURN === CANDIDATES_PER_TURN - 1) await yieldToSignals();
    if (stop.aborted) break;
    const there = await outcomeOfExisting(files, layout, candidate);
    outcomes.set(candidate.name, there ?? 'submitted');
  }
  return outcomes;
}
