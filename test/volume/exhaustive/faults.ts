/** Faults of a single operation, other than that it is too late. */
import type { Op } from './memory.ts';
import { LAYOUT, PATHS } from './scenario.ts';

/**
 * `lost`: it takes effect, and the reply is that of its repetition, or says nothing. `stale`: a claim, or
 * the flag in `done/`, is there and looks absent. `refused`: it fails, and has no effect.
 */
export type Fault = 'lost' | 'stale' | 'refused';

export const REFUSAL = 'EIO';

const LOST_REPLIES: Partial<Record<Op[0], readonly string[]>> = {
  create: ['EEXIST'],
  link: ['EEXIST', 'EIO'],
  'link content': ['EEXIST', 'EIO'],
  makeDirectory: ['EEXIST'],
  removeDirectory: ['ENOENT'],
  unlink: ['ENOENT', 'EIO'],
};

/** Replies that an operation may get instead of `reply`. */
export function repliesOf(
  fault: Fault,
  op: Op,
  reply: string,
  hasEffect: boolean,
): readonly string[] {
  if (fault === 'lost') return hasEffect ? (LOST_REPLIES[op[0]] ?? []) : [];
  return fault === 'refused' ? [REFUSAL] : staleReplies(op, reply);
}

function staleReplies([method, path]: Op, reply: string): readonly string[] {
  if (reply === 'ENOENT') return [];
  if (method === 'list' && path === LAYOUT.flags('in_progress')) {
    return subsets(JSON.parse(reply) as string[]).filter((stale) => stale !== reply);
  }
  const isFlag = [PATHS.done, PATHS.claim, PATHS.nextClaim].includes(path);
  return isFlag && (method === 'stat' || method === 'read') ? ['ENOENT'] : [];
}

/** All listings of a subset of these names. */
export function subsets(names: readonly string[]): string[] {
  let all: string[][] = [[]];
  for (const name of names) all = [...all, ...all.map((some) => [...some, name])];
  return all.map((some) => JSON.stringify(some.toSorted()));
}
