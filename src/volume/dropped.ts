/**
 * Events that people have dropped into `events/`: each is made a proper one, then taken away. What cannot be understood
 * stays where it is, with a file beside it that says why: so nothing is ever lost, and who mends it is understood.
 */
import { formatEvent, formatEventName } from '../machine/event.ts';
import { parseDropped, problemName, subjectOfProblem, type Dropped } from '../machine/dropped.ts';
import { copyPatience, decodeText, MAX_STATE_BYTES } from '../machine/state-file.ts';
import { formatInstant } from './phases/volume-clock.ts';
import type { PhaseGuard } from './operations.ts';
import { readText, writeAtomically, remove, removeIfContent } from './atomic-files.ts';
import { errnoOf } from './files.ts';
import type { SessionContext } from './session-context.ts';
import { eventStatus } from './outcomes.ts';

interface Observation {
  /** Of the file, or why there is none to be had. */
  readonly content: string;
  readonly since: number;
}

/** Whoever watches such a file has so many cycles to see that it stands still. */
const CYCLES_OF_WATCH = 16;

export class DroppedEvents {
  readonly #context: SessionContext;
  readonly #monotonic: () => number;
  readonly #patience: number;
  /** What did not parse, and since when it has been so, by our own clock. */
  #seen = new Map<string, Observation>();

  /** `cycle`: milliseconds. */
  constructor(context: SessionContext, monotonic: () => number, cycle: number) {
    this.#context = context;
    this.#monotonic = monotonic;
    this.#patience = copyPatience(cycle);
  }

  /** In Update System only (I4). */
  async take(
    guard: PhaseGuard,
    cycle: number,
    ownsKeyIn: (file: string, turn: number) => boolean,
  ): Promise<void> {
    const turn = Math.floor(cycle / CYCLES_OF_WATCH);
    const ownsKey = (file: string): boolean => ownsKeyIn(file, turn);
    const { files, layout, inbox } = this.#context;
    const seen = this.#seen;
    this.#seen = new Map();
    for (const file of inbox.dropped) {
      if (!ownsKey(file)) continue;
      if (!guard.canBegin()) return;
      const sighting = await this.#takeOne(file, guard);
      if (sighting === undefined) continue;
      const before = seen.get(file);
      const since = before?.content === sighting.content ? before.since : this.#monotonic();
      this.#seen.set(file, { content: sighting.content, since });
      const isWhole = this.#monotonic() - since >= this.#patience;
      if (isWhole) await this.#explain(file, sighting.reason, guard);
    }
    const explained = new Set(inbox.dropped.map(problemName));
    for (const file of inbox.problems) {
      // Should what it explains be there after all (I8), it is explained again.
      if (explained.has(file) || !ownsKey(subjectOfProblem(file)!)) continue;
      if (guard.canBegin()) await remove(files, layout.event(file));
    }
  }

  /** Undefined if it is taken, or gone; else what was found instead, and why that is no event. */
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
      // The same for whoever does it again: then it is the same name.
      const stat = await files.stat(path);
      // I8: what a cache has answered may be a file of this name that was taken before, and this one is still being written.
      if (stat !== undefined && stat.size !== bytes.length) {
        return { content: `\0${stat.size}`, reason: 'its size does not match its content' };
      }
      const time = formatInstant(stat?.mtime ?? 0);
      if (!(await this.#send(dropped, time, guard))) return undefined;
      // Who has written over it meanwhile means another event.
      await removeIfContent(files, path, content, guard.canFinish);
      return undefined;
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT') return undefined;
      if (code === undefined) throw error;
      return { content: `\0${code}`, reason: `cannot be read, or taken away: ${code}` };
    }
  }

  /** False if it is too late for that. Whoever does it again makes a second copy, which counts for nothing (I10). */
  async #send({ id, to, file }: Dropped, time: string, guard: PhaseGuard): Promise<boolean> {
    const context = this.#context;
    const { files, layout } = context;
    if ((await eventStatus(files, layout, id)).kind === 'over') {
      // That may be somebody else's doing, and not be on the disk yet.
      await files.sync(layout.outcomes);
      await files.sync(layout.flags('done'));
      return true;
    }
    await context.ensureStaging();
    const name = formatEventName({ time, isDelayed: false, id, to });
    const temporary = context.staging(`.dropped.${id}`);
    const may = guard.canFinish;
    if (
      (await writeAtomically(files, temporary, layout.event(name), formatEvent(file), { may })) ===
      'late'
    ) {
      return false;
    }
    // Before the file goes: a power cut must not take both.
    await files.sync(layout.events);
    return true;
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
