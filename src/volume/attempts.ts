/**
 * `.flockwork/attempts/STATE/`: attempts at a state that is not committed yet (`1`, `2`, …), sessions that do not have its
 * machine (`refused.SESSION`), when it may run (`not-before`), and of which state file that is (`written`).
 */
import { formatRecord, parseAttempt, type Attempt } from '../machine/record.ts';
import { ensureDirectory, listEntry, writeAtomically, readFlag, remove } from './atomic-files.ts';
import { errnoOf, type Files, type Stat } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';

const MS_PER_SECOND = 1000;
const REFUSED = 'refused.';
const NOT_BEFORE = 'not-before';
const WRITTEN = 'written';

export interface Tried {
  readonly attempts: readonly Attempt[];
  readonly refusedBy: readonly string[];
  /** ISO 8601: no session should claim the state earlier. */
  readonly notBefore: string | undefined;
  /** `writtenAt` of the state file that `notBefore` is from; undefined if it is not from a file. */
  readonly written: string | undefined;
}

export async function readTried(files: Files, layout: Layout, name: string): Promise<Tried> {
  const directory = layout.internal('attempts', name);
  const attempts: Attempt[] = [];
  const refusedBy: string[] = [];
  let [deferred, written]: [string?, string?] = [];
  for (const entry of await listEntry(files, directory)) {
    if (entry.startsWith(REFUSED)) {
      refusedBy.push(entry.slice(REFUSED.length));
    } else if (!entry.startsWith('.')) {
      const text = await readFlag(files, `${directory}/${entry}`);
      if (entry === NOT_BEFORE) deferred = text?.trim();
      else if (entry === WRITTEN) written = text?.trim();
      else attempts.push(...[parseAttempt(text ?? '')].filter((attempt) => attempt !== undefined));
    }
  }
  attempts.sort((a, b) => a.attempt - b.attempt);
  const pause = attempts.at(-1)?.notBefore;
  const fromFile = pause === undefined && deferred !== undefined ? written : undefined;
  return { attempts, refusedBy, notBefore: pause ?? deferred, written: fromFile };
}

/**
 * Counts an attempt under the next free number, unless it is counted already. Call it before the claim is released: a crash
 * in between must not lose the attempt.
 */
export async function countAttempt(
  context: SessionContext,
  name: string,
  attempt: Attempt,
): Promise<void> {
  const isSame = (other: Attempt): boolean =>
    other.session === attempt.session && other.started === attempt.started;
  for (let number = attempt.attempt; ; number += 1) {
    // In each round: the session that took the number may have counted this attempt.
    const { attempts } = await readTried(context.files, context.layout, name);
    if (attempts.some(isSame)) return;
    const content = formatRecord({ ...attempt, attempt: number });
    if ((await note(context, name, String(number), content)) === 'ours') return;
  }
}

export async function noteRefusal(
  context: SessionContext,
  name: string,
  reason: string,
): Promise<void> {
  await note(context, name, REFUSED + context.token.session, `${reason}\n`);
}

/** Replaces an earlier time. `written`: of the state file that says so. */
export async function noteNotBefore(
  context: SessionContext,
  name: string,
  instant: string,
  written: string | undefined,
): Promise<void> {
  for (const [entry, text] of [
    [WRITTEN, written],
    [NOT_BEFORE, instant],
  ] as const) {
    if (text === undefined) continue;
    const path = context.layout.internal('attempts', name, entry);
    const there = await readFlag(context.files, path);
    if (there === `${text}\n`) continue;
    if (there !== undefined) await remove(context.files, path);
    await note(context, name, entry, `${text}\n`);
  }
}

/** Size and mtime in seconds: the same on all clients of a volume. */
export function writtenAt({ size, mtime }: Stat): string {
  return `${size} ${Math.floor(mtime / MS_PER_SECOND)}`;
}

/** Has the state file that says when the state may run been rewritten since it was read? */
export async function isRewritten(
  files: Files,
  layout: Layout,
  name: string,
  { written }: Tried,
): Promise<boolean> {
  const stat = written === undefined ? undefined : await files.stat(layout.state(name));
  return stat !== undefined && writtenAt(stat) !== written;
}

async function note(
  context: SessionContext,
  name: string,
  entry: string,
  content: string,
): ReturnType<typeof writeAtomically> {
  const { files, layout } = context;
  await ensureDirectory(files, layout.internal('attempts', name));
  await context.ensureStaging();
  context.attempted.add(name);
  const temporary = context.draft('attempt', name);
  // Not durable: a power failure may lose one count.
  const path = layout.internal('attempts', name, entry);
  return writeAtomically(files, temporary, path, content, { durable: false });
}

/** Removes the attempts of a state that is done or failed: its record has them. */
export async function clearAttempts(context: SessionContext, name: string): Promise<void> {
  if (!context.attempted.has(name)) return;
  await removeAttempts(context.files, context.layout, name);
  context.attempted.delete(name);
}

export async function removeAttempts(files: Files, layout: Layout, name: string): Promise<void> {
  const directory = layout.internal('attempts', name);
  for (const entry of await listEntry(files, directory)) {
    await remove(files, `${directory}/${entry}`);
  }
  try {
    await files.removeDirectory(directory);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/**
 * Which pauses between attempts are over. The instant in a record is the volume's time as its worker knew it; if clocks
 * disagree (a volume that lets its clients stamp mtime) it may be hours away. So a pause is also over for a session that has
 * seen it for its duration and one cycle, on its own monotonic clock. If clocks agree, the volume's time comes first for all
 * sessions (I5).
 */
export class RetryDelays {
  readonly #monotonic: () => number;
  readonly #cycle: number;
  /** When the last attempt at a state was first seen. */
  readonly #seen = new Map<string, { readonly attempt: number; readonly at: number }>();

  /** `cycle`: milliseconds. */
  constructor(monotonic: () => number, cycle: number) {
    this.#monotonic = monotonic;
    this.#cycle = cycle;
  }

  /** `now`: the earliest possible volume time, ms; undefined while it is not known. */
  isOver(name: string, { attempts, notBefore }: Tried, now: number | undefined): boolean {
    const due = Date.parse(notBefore ?? '');
    if (now === undefined || !(due > now)) return true;
    const last = attempts.at(-1);
    return last !== undefined && this.#seenFor(name, last) >= pauseAfter(last) + this.#cycle;
  }

  /** Forgets all states but these. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
  }

  /** Milliseconds. */
  #seenFor(name: string, { attempt }: Attempt): number {
    const at = this.#monotonic();
    const known = this.#seen.get(name);
    if (known?.attempt === attempt) return at - known.at;
    this.#seen.set(name, { attempt, at });
    return 0;
  }
}

/** Milliseconds: both instants are from the same clock. */
function pauseAfter({ ended, notBefore }: Attempt): number {
  return Date.parse(notBefore ?? '') - Date.parse(ended);
}
