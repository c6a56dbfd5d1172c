/**
 * Removes outcomes that are older than thirty days, while workers are idle, so that `outcomes/` does not grow for ever: I10
 * holds for that time after the outcome of an event. Outcomes of events that are still in `events/` stay: those events would
 * be applied again.
 */
import { parseEventName } from '../machine/event.ts';
import { Names } from './phases/names.ts';
import { ownsKey } from './phases/liveness.ts';
import type { PhaseGuard } from './operations.ts';
import { listInto, listOrNone, readText, removeIfContent } from './atomic-files.ts';
import type { SessionContext } from './session-context.ts';

const KEPT_MS = 30 * 86_400_000;
const LISTING_INTERVAL_MS = 3_600_000;
const MAX_KEYS_PER_CYCLE = 2000;
/** Cycles after which another worker owns the removal. */
const CYCLES_PER_ROUND = 256;

export interface OutcomeLimitPorts {
  readonly monotonic: () => number;
  /** The earliest possible volume time, ms; undefined while it is too uncertain. */
  readonly volumeTime: () => number | undefined;
  readonly living: () => readonly string[];
  /** The volume's time when it was created, ms: nothing in it is older. */
  readonly created: number;
}

export class OutcomeLimit {
  readonly #context: SessionContext;
  readonly #ports: OutcomeLimitPorts;
  /** On our monotonic clock, ms. */
  #listed = Number.NEGATIVE_INFINITY;
  #keys = new Names();
  /** Keys of the last listing that are still to be checked: the first ones in `#keys`. */
  #left = 0;

  constructor(context: SessionContext, ports: OutcomeLimitPorts) {
    this.#context = context;
    this.#ports = ports;
  }

  /** In Update System only, until `isBusy`. */
  async keep(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<void> {
    const { token, passedOver } = this.#context;
    const mayGoOn = (): boolean => !isBusy() && guard.canBegin();
    const oldest = (this.#ports.volumeTime() ?? Number.NEGATIVE_INFINITY) - KEPT_MS;
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
