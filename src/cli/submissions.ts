/** Submits the candidates of `submit` and `up` to a volume. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { ClientApi, SubmitResult } from '../engine/engine.ts';
import { problemsOf, type Candidate } from '../engine/validate.ts';
import { UserError } from '../machine/errors.ts';
import { outcomeOfExisting } from '../volume/submit.ts';
import type { Io } from './command.ts';
import { openExisting, type OpenedVolume } from './volume.ts';

export interface SubmitOptions {
  /** Submits nothing; the outcomes are those that `submitAll` would have. */
  readonly dryRun?: boolean;
}

/** Candidates of one call. */
const BATCH_SIZE = 5000;
/** Calls that are under way at a time: one is written while another is synced. */
const CONCURRENT_BATCHES = 2;
/** Candidates between two checks for signals of a dry run. */
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
  const outcomes = new Map<string, SubmitResult>();
  const all = candidates.length.toLocaleString('en');
  let next = 0;
  const submitBatches = async (): Promise<void> => {
    while (next < candidates.length && !stop.aborted) {
      const batch = candidates.slice(next, next + BATCH_SIZE);
      next += BATCH_SIZE;
      await submitBatch(opened.client, batch, outcomes, stop);
      draw?.(`${outcomes.size.toLocaleString('en')} of ${all}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_BATCHES }, submitBatches));
  draw?.('');
  return inOrder(candidates, outcomes);
}

/** Adds the outcomes; none after `stop`, though some may be submitted. */
async function submitBatch(
  client: ClientApi,
  batch: readonly Candidate[],
  outcomes: Map<string, SubmitResult>,
  stop: AbortSignal,
): Promise<void> {
  try {
    const results = await client.submit(batch, stop);
    for (const [index, { name }] of batch.entries()) outcomes.set(name, results[index]!);
  } catch (error) {
    if (!stop.aborted || error instanceof UserError) throw error;
  }
}

function inOrder(
  candidates: readonly Candidate[],
  outcomes: ReadonlyMap<string, SubmitResult>,
): Map<string, SubmitResult> {
  return new Map(
    candidates.flatMap(({ name }) => {
      const outcome = outcomes.get(name);
      return outcome === undefined ? [] : [[name, outcome]];
    }),
  );
}

/** The outcomes without the submission. */
async function submitNone(
  { files, layout }: OpenedVolume,
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
