/** Everything that an operation may be told on a volume where only certain sessions have been. */
import type { Op } from './memory.ts';
import {
  LAYOUT,
  PATHS,
  recordText,
  STATE,
  SUCCESSOR,
  successorText,
  tokenText,
} from './scenario.ts';

/** Of methods whose replies are the same wherever they act. */
const REPLIES: Partial<Record<Op[0], readonly string[]>> = {
  create: ['ok', 'EEXIST', 'ENOENT'],
  fill: ['ok'],
  link: ['ok', 'EEXIST', 'ENOENT'],
  'link content': ['ok', 'EEXIST'],
  rename: ['ok', 'ENOENT'],
  'rename content': ['ok'],
  unlink: ['ok', 'ENOENT', 'EIO'],
  makeDirectory: ['ok', 'EEXIST'],
  removeDirectory: ['ok', 'ENOENT', 'ENOTEMPTY'],
};

/**
 * More than the volume can come to is no harm, less is found out: the search stops at a reply that nobody
 * has foreseen.
 */
export function repliesFor(
  sessions: readonly string[],
  follow: boolean,
): (op: Op) => readonly string[] {
  const contents = new Map<string, readonly string[]>([
    [PATHS.claim, sessions.map(tokenText)],
    [PATHS.nextClaim, sessions.map(tokenText)],
    [PATHS.done, sessions.map(recordText)],
    [PATHS.successor, sessions.map(successorText)],
  ]);
  for (const session of sessions) {
    const staging = LAYOUT.internal('staging', session);
    contents.set(`${staging}/${STATE}`, ['', recordText(session)]);
    contents.set(`${staging}/.${STATE}`, [successorText(session)]);
  }
  const claims = subsets(follow ? [STATE, SUCCESSOR] : [STATE]);
  const staged = ['ENOENT', ...subsets([STATE, `.${STATE}`])];
  return ([method, path]) => {
    switch (method) {
      case 'list':
        return path === LAYOUT.flags('in_progress') ? claims : staged;
      case 'stat':
        if (path === PATHS.failed) return ['ENOENT'];
        if (path === PATHS.state) return ['file'];
        return path === PATHS.done ? ['ENOENT', 'file'] : ['ENOENT', 'directory'];
      case 'read':
        return ['ENOENT', ...(contents.get(path) ?? []).map((content) => `=${content}`)];
      default:
        return REPLIES[method]!;
    }
  };
}

function subsets(names: readonly string[]): string[] {
  let all: string[][] = [[]];
  for (const name of names) all = [...all, ...all.map((some) => [...some, name])];
  return all.map((some) => JSON.stringify(some.toSorted()));
}
