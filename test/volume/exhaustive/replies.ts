/** All replies that an operation may get on a volume where only certain sessions have been. */
import type { Op } from './memory.ts';
import type { Scope } from './scope.ts';
import { REFUSAL, subsets } from './faults.ts';
import {
  LAYOUT,
  PATHS,
  recordText,
  STATE,
  SUCCESSOR,
  successorText,
  tokenText,
  type Tick,
} from './scenario.ts';

/** Of methods whose replies are the same wherever they act. */
const REPLIES: Partial<Record<Op[0], readonly string[]>> = {
  create: ['ok', 'EEXIST', 'ENOENT'],
  fill: ['ok'],
  link: ['ok', 'EEXIST', 'ENOENT', 'EIO'],
  'link content': ['ok', 'EEXIST', 'EIO'],
  rename: ['ok', 'ENOENT'],
  'rename content': ['ok'],
  unlink: ['ok', 'ENOENT', 'EIO'],
  makeDirectory: ['ok', 'EEXIST'],
  removeDirectory: ['ok', 'ENOENT', 'ENOTEMPTY'],
};

/** Private copies of the successor: to be linked, and to be renamed. */
const COPIES = [`.begun.${SUCCESSOR}`, `.mended.${SUCCESSOR}`];

/**
 * A superset of the real replies does no harm; a subset is detected: the search stops at a reply that is not
 * among these.
 */
export function repliesFor(
  ticks: readonly Tick[],
  { follow, faults }: Pick<Scope, 'follow' | 'faults'>,
): (op: Op) => readonly string[] {
  const contents = new Map<string, string[]>();
  const add = (path: string, ...texts: readonly string[]): void => {
    contents.set(path, [...new Set([...(contents.get(path) ?? []), ...texts])]);
  };
  for (const tick of ticks) {
    add(PATHS.claim, tokenText(tick.session));
    add(PATHS.nextClaim, tokenText(tick.session));
    add(PATHS.done, recordText(tick));
    add(PATHS.successor, '', successorText(tick));
    const staging = LAYOUT.internal('staging', tick.session);
    add(`${staging}/${STATE}`, '', recordText(tick));
    for (const copy of COPIES) add(`${staging}/${copy}`, successorText(tick));
  }
  const claims = subsets(follow ? [STATE, SUCCESSOR] : [STATE]);
  const staged = ['ENOENT', ...subsets([STATE, ...COPIES])];
  const usual = ([method, path]: Op): readonly string[] => {
    switch (method) {
      case 'list':
        return path === LAYOUT.flags('in_progress') ? claims : staged;
      case 'stat':
        if (path === PATHS.failed) return ['ENOENT'];
        if (path === PATHS.state) return ['file'];
        return ['ENOENT', path.startsWith(LAYOUT.internal('staging')) ? 'directory' : 'file'];
      case 'read':
        return ['ENOENT', ...(contents.get(path) ?? []).map((content) => `=${content}`)];
      default:
        return REPLIES[method]!;
    }
  };
  const refusal = faults.includes('refused') ? [REFUSAL] : [];
  return (op) => [...new Set([...usual(op), ...refusal])];
}
