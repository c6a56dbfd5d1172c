/**
 * Imports the event files that users drop into `events/`, then removes them. Invalid files stay in place next to a
 * `.problem` file; once corrected they are imported.
 *
 * I8: a cache may answer every question about a name with a file that was imported before, while a user writes the next one
 * under that name. So a file is removed in two steps: it gets a name that only this session makes, in one atomic operation
 * that no cache answers; it is read by that name, and removed if it is what was imported. If not, it gets its name back. After
 * a crash in between, another session finds a dropped file, whose name tells the id.
 */
import { eventKey, formatEvent, formatEventName } from '../machine/event.ts';
import {
  parseDropped,
  problemName,
  subjectOfProblem,
  takenName,
  type Dropped,
} from '../machine/dropped.ts';
import { copyPatience, decodeText, MAX_STATE_BYTES } from '../machine/state-file.ts';
import { formatInstant } from './phases/volume-clock.ts';
import type { PhaseGuard } from './operations.ts';
import { readText, writeAtomically, remove, removeIfContent } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import type { SessionContext } from './session-context.ts';
import { eventStatus } from './outcomes.ts';

interface Observation {
  /** Of the file, or the error of reading it. */
  readonly content: string;
  /** Monotonic ms. */
  readonly since: number;
}

/** One session observes a file for so many cycles, to see that it is stable. */
const CYCLES_PER_TURN = 16;
/** Of a session's name: BOOT. */
const BOOT = /[^.]*$/;

export class DroppedEvents {
  readonly #context: SessionContext;
  readonly #monotonic: () => number;
  readonly #patienceMs: number;
  /** Files that did not parse. */
  #observed = new Map<string, Observation>();
  /** Number of files that this session has taken. */
  #taken = 0;

  constructor(context: SessionContext, monotonic: () => number, cycleMs: number) {
    this.#context = context;
    this.#monotonic = monotonic;
    this.#patienceMs = copyPatience(cycleMs);
  }

  /** Called in Update System (I4). */
  async take(
    guard: PhaseGuard,
    cycle: number,
    ownsKeyIn: (file: string, turn: number) => boolean,
  ): Promise<void> {
    const turn = Math.floor(cycle / CYCLES_PER_TURN);
    const ownsKey = (file: string): boolean => ownsKeyIn(file, turn);
    const { files, layout, inbox } = this.#context;
    const previous = this.#observed;
    this.#observed = new Map();
    for (const file of inbox.dropped) {
      if (!ownsKey(file)) continue;
      if (!guard.canBegin()) return;
      const problem = await this.#takeOne(file, guard);
      if (problem === undefined) continue;
      const { content, reason } = problem;
      const before = previous.get(file);
      const since = before?.content === content ? before.since : this.#monotonic();
      this.#observed.set(file, { content, since });
      if (this.#monotonic() - since >= this.#patienceMs) await this.#explain(file, reason, guard);
    }
    const explained = new Set(inbox.dropped.map(problemName));
    for (const file of inbox.problems) {
      // If a stale cache hides the file that it explains (I8), it is written again later.
      if (explained.has(file) || !ownsKey(subjectOfProblem(file)!)) continue;
      if (guard.canBegin()) await remove(files, layout.event(file));
    }
  }

  /** Undefined if the file was imported, or is gone; else its content, and why it is not an event. */
  async #takeOne(
    file: string,
    guard: PhaseGuard,
  ): Promise<{ content: string; reason: string } | undefined> {
    const { files, layout } = this.#context;
    const path = layout.event(file);
    try {
      const bytes = await files.read(path, MAX_STATE_BYTES);
      const content = decodeText(bytes);
      if (content === undefined) return { content: `\0${bytes.length}`, reason: 'not UTF-8 text' };
      const dropped = parseDropped(file, content);
      if (typeof dropped === 'string') return { content, reason: dropped };
      const stat = await files.stat(path);
      // I8: a cache may have answered with a file of this name that was taken before, while this one is still being written.
      if (stat?.size !== bytes.length) {
        return { content: `\0${stat?.size}`, reason: 'its size does not match its content' };
      }
      // The file's mtime, so that a repetition makes the same name.
      const time = formatInstant(stat.mtime);
      if (!(await this.#send(dropped, time, guard))) return undefined;
      await this.#remove(file, content, guard);
      return undefined;
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT') return undefined;
      if (code === undefined) throw error;
      return { content: `\0${code}`, reason: `cannot be read, or taken away: ${code}` };
    }
  }

  /** False if it is too late. A repetition makes a second copy, which is never applied (I10). */
  async #send({ id, to, file }: Dropped, time: string, guard: PhaseGuard): Promise<boolean> {
    const context = this.#context;
    const { files, layout } = context;
    const key = eventKey(id);
    if ((await eventStatus(files, layout, key)).kind === 'over') {
      // Another session may have applied it, and not have synced that yet.
      await files.sync(layout.outcomes);
      await files.sync(layout.flags('done'));
      return true;
    }
    await context.ensureStaging();
    const name = formatEventName({ time, isDelayed: false, id, to });
    const temporary = context.staging(`.dropped.${key}`);
    const may = guard.canFinish;
    if (
      (await writeAtomically(files, temporary, layout.event(name), formatEvent(file, id), {
        may,
      })) === 'late'
    ) {
      return false;
    }
    // Before the file is removed: a power failure must not lose both.
    await files.sync(layout.events);
    return true;
  }

  /** Removes the file that has this content. If it was overwritten meanwhile, that is another event. */
  async #remove(file: string, content: string, guard: PhaseGuard): Promise<void> {
    const { files, layout, token } = this.#context;
    const path = layout.event(file);
    this.#taken += 1;
    const name = takenName(file, `${BOOT.exec(token.session)![0]}-${this.#taken}`);
    if (name === undefined) {
      await removeIfContent(files, path, content, guard.canFinish);
      return;
    }
    if (!guard.canFinish()) return;
    const taken = layout.event(name);
    // After a lost reply, too, it is a dropped file of one of these names.
    await files.rename(path, taken);
    const isImported = (await readOrNone(files, taken)) === content;
    // Too late: the next look finds a dropped file of this name.
    if (!guard.canFinish()) return;
    if (isImported) await remove(files, taken);
    else await this.#putBack(taken, path);
  }

  /** Leaves it where it is if its name is in use again, or links to it are forbidden: it is imported from there. */
  async #putBack(taken: string, path: string): Promise<void> {
    const { files, layout } = this.#context;
    try {
      await files.link(taken, path);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return;
    }
    // Before the other name is removed: a power failure must not lose both.
    await files.sync(layout.events);
    await remove(files, taken);
  }

  async #explain(file: string, reason: string, guard: PhaseGuard): Promise<void> {
    const context = this.#context;
    const { files, layout } = context;
    const path = layout.event(problemName(file));
    const content = `${file}: ${reason}\n`;
    const there = await readText(files, path);
    if (there === content) return;
    if (there !== undefined && !(await removeIfContent(files, path, there, guard.canFinish)))
      return;
    await context.ensureStaging();
    const temporary = context.staging('.problem');
    await writeAtomically(files, temporary, path, content, { may: guard.canFinish });
  }
}

/** The content of a file; undefined if there is none, or it cannot be read. */
async function readOrNone(files: Files, path: string): Promise<string | undefined> {
  try {
    return await readText(files, path, MAX_STATE_BYTES);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
