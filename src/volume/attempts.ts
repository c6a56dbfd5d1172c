/**
 * `.flockwork/attempts/STATE/`: what was tried on a state that is not committed yet. `1`, `2`, … are
 * attempts, `refused.SESSION` says that this session has no such machine, `not-before` when it may run.
 */
import { formatRecord, parseAttempt, type Attempt } from '../machine/record.ts';
import { ensureDirectory } from './directory.ts';
import { listOrNone, publish, readFlag, remove } from './exclusive.ts';
import { errnoOf, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { Member } from './member.ts';

const REFUSED = 'refused.';
const NOT_BEFORE = 'not-before';

export interface Tried {
  readonly attempts: readonly Attempt[];
  readonly refusedBy: readonly string[];
  /** ISO 8601: nobody should claim it earlier. */
  readonly notBefore: string | undefined;
}

export async function readTried(files: Files, layout: Layout, name: string): Promise<Tried> {
  const directory = layout.internal('attempts', name);
  const attempts: Attempt[] = [];
  const refusedBy: string[] = [];
  let deferred: string | undefined;
  for (const entry of await listOrNone(files, directory)) {
    if (entry.startsWith(REFUSED)) {
      refusedBy.push(entry.slice(REFUSED.length));
    } else if (!entry.startsWith('.')) {
      const text = await readFlag(files, `${directory}/${entry}`);
      if (entry === NOT_BEFORE) deferred = text?.trim();
      else attempts.push(...[parseAttempt(text ?? '')].filter((attempt) => attempt !== undefined));
    }
  }
  attempts.sort((a, b) => a.attempt - b.attempt);
  return { attempts, refusedBy, notBefore: attempts.at(-1)?.notBefore ?? deferred };
}

/**
 * Counts an attempt, under the next number that is free; not again if this session's is counted. Before
 * the claim is given up: whoever counts may die of it too.
 */
export async function countAttempt(member: Member, name: string, attempt: Attempt): Promise<void> {
  const isSame = (other: Attempt): boolean =>
    other.session === attempt.session && other.started === attempt.started;
  for (let number = attempt.attempt; ; number += 1) {
    // Each time: whoever has taken the number may have counted this one.
    const { attempts } = await readTried(member.files, member.layout, name);
    if (attempts.some(isSame)) return;
    const content = formatRecord({ ...attempt, attempt: number });
    if ((await note(member, name, String(number), content)) === 'ours') return;
  }
}

export async function noteRefusal(member: Member, name: string, reason: string): Promise<void> {
  await note(member, name, REFUSED + member.token.session, `${reason}\n`);
}

export async function noteNotBefore(member: Member, name: string, instant: string): Promise<void> {
  await note(member, name, NOT_BEFORE, `${instant}\n`);
}

async function note(
  member: Member,
  name: string,
  entry: string,
  content: string,
): ReturnType<typeof publish> {
  const { files, layout } = member;
  await ensureDirectory(files, layout.internal('attempts', name));
  await member.ensureStaging();
  member.attempted.add(name);
  const temporary = member.draft('attempt', name);
  // Should the power take it, one attempt is not counted.
  const path = layout.internal('attempts', name, entry);
  return publish(files, temporary, path, content, { durable: false });
}

/** Once a state is done or failed its attempts are in that record, and here no more. */
export async function clearAttempts(member: Member, name: string): Promise<void> {
  if (!member.attempted.has(name)) return;
  await removeAttempts(member.files, member.layout, name);
  member.attempted.delete(name);
}

export async function removeAttempts(files: Files, layout: Layout, name: string): Promise<void> {
  const directory = layout.internal('attempts', name);
  for (const entry of await listOrNone(files, directory)) {
    await remove(files, `${directory}/${entry}`);
  }
  try {
    await files.removeDirectory(directory);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  }
}
