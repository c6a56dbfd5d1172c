/**
 * I10 has a term: an event's id counts once for thirty days after what came of it. Older outcomes are removed while workers
 * have nothing better to do, so that `outcomes/` does not grow for ever. Not those of events that are still in `events/`,
 * which would be applied again.
 */
import { parseEventName } from '../machine/event.ts';
import { Names } from './phases/names.ts';
import { ownsKey } from './phases/ownership.ts';
import type { PhaseGuard } from './operations.ts';
import { listInto, listOrNone, readText, removeIfContent } from './atomic-files.ts';
import type { SessionContext } from './session-context.ts';

/** Milliseconds. */
const DAY = 86_400_000;
const KEPT = 30 * DAY;
/** Between two listings. */
const EVERY = 3_600_000;
/** Of ids, in one Update System. */
const LOOKS = 2000;
const CYCLES_PER_ROUND = 256;

export interface OutcomeLimitPorts {
  readonly monotonic: () => number;
  /** The volume's time at the earliest, ms; undefined while it is too uncertain. */
  readonly volumeTime: () => number | undefined;
  readonly living: () => readonly string[];
  /** The volume's time when it was made, ms: nothing in it is older. */
  readonly created: number;
}

export class OutcomeLimit {
  readonly #context: SessionContext;
  readonly #ports: OutcomeLimitPorts;
  /** On our monotonic clock. */
  #listed = Number.NEGATIVE_INFINITY;
  /** Of the last listing, and how many of them are still to be looked at. */
  #ids = new Names();
  #left = 0;

  constructor(context: SessionContext, ports: OutcomeLimitPorts) {
    this.#context = context;
    this.#ports = ports;
  }

  /** In Update System only, while there is nothing better to do. */
  async keep(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<void> {
    const { token, passedOver } = this.#context;
    const mayGoOn = (): boolean => !isBusy() && guard.canBegin();
    const oldest = (this.#ports.volumeTime() ?? Number.NEGATIVE_INFINITY) - KEPT;
    const round = Math.floor(cycle / CYCLES_PER_ROUND);
    const isOurs = ownsKey('outcomes', token.session, this.#ports.living(), round);
    if (!isOurs || oldest < this.#ports.created || !mayGoOn()) return;
    if (this.#left === 0) await this.#list();
    if (this.#left === 0) return;
    const pending = await this.#pending();
    for (let looks = 0; looks < LOOKS && this.#left > 0 && mayGoOn(); looks += 1) {
      const id = this.#ids.at(this.#left - 1);
      if (!pending.has(id)) {
        await passedOver.guard(`outcomes/${id}`, () => this.#forget(id, oldest, mayGoOn));
      }
      // What was cut short comes first the next time.
      if (mayGoOn()) this.#left -= 1;
    }
  }

  /** Not again for an hour. */
  async #list(): Promise<void> {
    const now = this.#ports.monotonic();
    if (now - this.#listed < EVERY) return;
    this.#listed = now;
    const ids = new Names();
    // Later generations are looked at with the first.
    const push = (name: string): void => void (/^\.|\+/.test(name) || ids.push(name));
    await listInto(this.#context.files, this.#context.layout.outcomes, { push });
    [this.#ids, this.#left] = [ids, ids.size];
  }

  async #pending(): Promise<ReadonlySet<string>> {
    const { files, layout } = this.#context;
    const names = await listOrNone(files, layout.events);
    return new Set(names.flatMap((name) => parseEventName(name)?.id ?? []));
  }

  /** All of its generations, the last one first, or none. */
  async #forget(id: string, oldest: number, mayGoOn: () => boolean): Promise<void> {
    const { files, layout } = this.#context;
    const found: { readonly path: string; readonly text: string }[] = [];
    for (let generation = 0; ; generation += 1) {
      const path = layout.outcome(id, generation);
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
