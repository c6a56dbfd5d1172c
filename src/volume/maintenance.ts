/**
 * Maintenance by idle workers, which share it out: removes old journals, old outcomes and what killed clients have left, and
 * moves done states to the archive.
 */
import type { PhaseGuard } from './operations.ts';
import { Archiver, type ArchiveRules, type ArchiverPorts } from './archiver.ts';
import type { SessionContext } from './session-context.ts';
import { ownsKey } from './phases/liveness.ts';
import { listOrNone, remove, listInto, readText, removeIfContent } from './atomic-files.ts';
import { parseJournalName } from './journal.ts';
import { parseEventName } from '../machine/event.ts';
import { Names } from './phases/names.ts';

/** Cycles after which another worker owns a limit. */
const CYCLES_PER_ROUND = 256;

export class Maintenance {
  readonly #limits: readonly Pick<JournalLimit, 'keep'>[];
  readonly #archiver: Archiver;

  constructor(
    context: SessionContext,
    rules: ArchiveRules,
    ports: ArchiverPorts & OutcomeLimitPorts,
  ) {
    this.#limits = [
      new JournalLimit(context, ports),
      new OutcomeLimit(context, ports),
      new TemporaryLimit(context, ports),
    ];
    this.#archiver = new Archiver(context, rules, ports);
  }

  /** In Update System only, until `isBusy`. Returns the number of moves, two per state: its file and its flag. */
  async work(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<number> {
    for (const limit of this.#limits) await limit.keep(cycle, guard, isBusy);
    return this.#archiver.work(cycle, guard, isBusy);
  }
}

/** All journals of a volume: some nine million ticks. */
const MAX_BYTES = 1024 ** 3;
const CHECK_INTERVAL_MS = 3_600_000;

export interface JournalLimitPorts {
  readonly monotonic: () => number;
  readonly living: () => readonly string[];
}

interface Found {
  readonly path: string;
  readonly size: number;
  readonly mtime: number;
  /** The last file of a live session. */
  isWritten: boolean;
}

/**
 * Size limit of the journals, which only users read. An idle worker removes the oldest files beyond it, except those that a
 * live session still writes to.
 */
export class JournalLimit {
  readonly #context: SessionContext;
  readonly #ports: JournalLimitPorts;
  readonly #maxBytes: number;
  /** On our monotonic clock, ms. */
  #checked = Number.NEGATIVE_INFINITY;

  constructor(context: SessionContext, ports: JournalLimitPorts, maxBytes: number = MAX_BYTES) {
    this.#context = context;
    this.#ports = ports;
    this.#maxBytes = maxBytes;
  }

  /** In Update System only, until `isBusy`. */
  async keep(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<void> {
    const { files, token } = this.#context;
    const now = this.#ports.monotonic();
    const round = Math.floor(cycle / CYCLES_PER_ROUND);
    const isOurs = ownsKey('journals', token.session, this.#ports.living(), round);
    if (!isOurs || now - this.#checked < CHECK_INTERVAL_MS || isBusy() || !guard.canBegin()) return;
    this.#checked = now;
    for (const path of oldestBeyond(await this.#find(), this.#maxBytes)) {
      if (isBusy() || !guard.canBegin()) return;
      await remove(files, path);
    }
  }

  async #find(): Promise<Found[]> {
    const { files, layout, token, passedOver } = this.#context;
    const living = new Set([...this.#ports.living(), token.session]);
    const last = new Map<string, { part: number; found: Found }>();
    const all: Found[] = [];
    for (const name of await listOrNone(files, layout.internal('journal'))) {
      const file = parseJournalName(name);
      if (file === undefined) continue;
      await passedOver.guard(`.flockwork/journal/${name}`, async () => {
        const path = layout.internal('journal', name);
        const stat = await files.stat(path);
        if (stat?.kind !== 'file') return;
        const found = { path, size: stat.size, mtime: stat.mtime, isWritten: false };
        all.push(found);
        if (!living.has(file.session)) return;
        if (file.part >= (last.get(file.session)?.part ?? 0)) {
          last.set(file.session, { part: file.part, found });
        }
      });
    }
    for (const { found } of last.values()) found.isWritten = true;
    return all;
  }
}

/** The oldest files that may be removed, until the others have at most `maxBytes`. */
function oldestBeyond(found: readonly Found[], maxBytes: number): string[] {
  let bytes = found.reduce((sum, { size }) => sum + size, 0);
  const gone: string[] = [];
  for (const { path, size } of found
    .filter(({ isWritten }) => !isWritten)
    .sort((a, b) => a.mtime - b.mtime)) {
    if (bytes <= maxBytes) break;
    bytes -= size;
    gone.push(path);
  }
  return gone;
}

/** Unless `--keep-outcomes` says otherwise. */
export const OUTCOMES_KEPT_MS: number = 7 * 86_400_000;
const LISTING_INTERVAL_MS = 3_600_000;
const MAX_KEYS_PER_CYCLE = 2000;

export interface OutcomeLimitPorts {
  readonly monotonic: () => number;
  /** The earliest possible volume time, ms; undefined while it is too uncertain. */
  readonly volumeTime: () => number | undefined;
  readonly living: () => readonly string[];
  /** The volume's time when it was created, ms: nothing in it is older. */
  readonly created: number;
  /** Milliseconds for which an outcome stays. */
  readonly keepOutcomesMs: number;
}

/**
 * Removes outcomes that are older than `keepOutcomesMs`, so that `outcomes/` does not grow for ever: I10 holds for that time
 * after the outcome of an event. Outcomes of events that are still in `events/` stay: those events would be applied again.
 */
export class OutcomeLimit {
  readonly #context: SessionContext;
  readonly #ports: OutcomeLimitPorts;
  /** On our monotonic clock, ms. First after an hour: dead sessions' commits are finished by then, and send no event again. */
  #listed: number;
  #keys = new Names();
  /** Keys of the last listing that are still to be checked: the first ones in `#keys`. */
  #left = 0;

  constructor(context: SessionContext, ports: OutcomeLimitPorts) {
    this.#context = context;
    this.#ports = ports;
    this.#listed = ports.monotonic();
  }

  /** In Update System only, until `isBusy`. */
  async keep(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<void> {
    const { token, passedOver } = this.#context;
    const mayGoOn = (): boolean => !isBusy() && guard.canBegin();
    const { keepOutcomesMs } = this.#ports;
    const oldest = (this.#ports.volumeTime() ?? Number.NEGATIVE_INFINITY) - keepOutcomesMs;
    const round = Math.floor(cycle / CYCLES_PER_ROUND);
    const isOurs = ownsKey('outcomes', token.session, this.#ports.living(), round);
    if (!isOurs || oldest < this.#ports.created || !mayGoOn()) return;
    if (this.#left === 0) await this.#list();
    if (this.#left === 0) return;
    const pending = await this.#pending();
    for (let count = 0; count < MAX_KEYS_PER_CYCLE && this.#left > 0 && mayGoOn(); count += 1) {
      const key = this.#keys.at(this.#left - 1);
      if (!pending.has(key)) {
        await passedOver.guard(`outcomes/${key}`, () => this.#forget(key, oldest, mayGoOn));
      }
      // A key whose check was cut short comes first the next time.
      if (mayGoOn()) this.#left -= 1;
    }
  }

  /** Lists the keys, at most once an hour. */
  async #list(): Promise<void> {
    const now = this.#ports.monotonic();
    if (now - this.#listed < LISTING_INTERVAL_MS) return;
    this.#listed = now;
    const keys = new Names();
    // Later generations are checked with the first.
    const push = (name: string): void => void (/^\.|\+/.test(name) || keys.push(name));
    await listInto(this.#context.files, this.#context.layout.outcomes, { push });
    [this.#keys, this.#left] = [keys, keys.size];
  }

  async #pending(): Promise<ReadonlySet<string>> {
    const { files, layout } = this.#context;
    const names = await listOrNone(files, layout.events);
    return new Set(names.flatMap((name) => parseEventName(name)?.key ?? []));
  }

  /** Removes all generations of an outcome, the last one first, unless one of them is too recent. */
  async #forget(key: string, oldest: number, mayGoOn: () => boolean): Promise<void> {
    const { files, layout } = this.#context;
    const found: { readonly path: string; readonly text: string }[] = [];
    for (let generation = 0; ; generation += 1) {
      const path = layout.outcome(key, generation);
      const stat = await files.stat(path);
      if (stat === undefined) break;
      const text = stat.kind === 'file' ? await readText(files, path) : undefined;
      if (text === undefined || stat.mtime >= oldest) return;
      found.push({ path, text });
    }
    for (const { path, text } of found.toReversed()) {
      if (!mayGoOn() || !(await removeIfContent(files, path, text, mayGoOn))) return;
    }
  }
}

const ABANDONED_MS = 86_400_000;
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** In the root: the directory of `submit`, or its file of a single state. */
const OF_SUBMIT = new RegExp(`^\\.submit-${UUID}$`);
/** In `events/`: a file of `send`. */
const OF_SEND = new RegExp(`^\\..+\\.${UUID}(?:\\.\\d+)?$`);

export type TemporaryLimitPorts = Pick<OutcomeLimitPorts, 'monotonic' | 'volumeTime' | 'living'>;

/**
 * Removes the hidden temporary files of `submit` and `send` that were killed: those that did not change for a day. A client
 * that is suspended for longer finds its file gone, and reports an error.
 */
export class TemporaryLimit {
  readonly #context: SessionContext;
  readonly #ports: TemporaryLimitPorts;
  /** On our monotonic clock, ms. Most sessions end before the first listing. */
  #listed: number;

  constructor(context: SessionContext, ports: TemporaryLimitPorts) {
    this.#context = context;
    this.#ports = ports;
    this.#listed = ports.monotonic();
  }

  /** In Update System only, until `isBusy`. */
  async keep(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<void> {
    const { files, layout, token, passedOver } = this.#context;
    const mayGoOn = (): boolean => !isBusy() && guard.canBegin();
    const [now, time] = [this.#ports.monotonic(), this.#ports.volumeTime()];
    const round = Math.floor(cycle / CYCLES_PER_ROUND);
    const isOurs = ownsKey('temporaries', token.session, this.#ports.living(), round);
    const isDue = now - this.#listed >= LISTING_INTERVAL_MS;
    if (!isDue || !isOurs || time === undefined || !mayGoOn()) return;
    this.#listed = now;
    for (const [directory, pattern] of [
      [layout.root, OF_SUBMIT],
      [layout.events, OF_SEND],
    ] as const) {
      const names: string[] = [];
      const push = (name: string): void => void (pattern.test(name) && names.push(name));
      await listInto(files, directory, { push });
      for (const name of names) {
        if (!mayGoOn()) return;
        await passedOver.guard(name, () => this.#remove(`${directory}/${name}`, time, mayGoOn));
      }
    }
  }

  async #remove(path: string, time: number, mayGoOn: () => boolean): Promise<void> {
    const { files, layout } = this.#context;
    const stat = await files.stat(path);
    if (stat === undefined || time - stat.mtime < ABANDONED_MS) return;
    if (stat.kind === 'file') return void (await remove(files, path));
    if (stat.kind !== 'directory' || path.startsWith(layout.events)) return;
    for (const name of await listOrNone(files, path)) {
      if (!mayGoOn()) return;
      await remove(files, `${path}/${name}`);
    }
    await files.removeDirectory(path);
  }
}
