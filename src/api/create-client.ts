/** A client in a program: submits instances, sends events, looks at what has become of them. */
import { randomUUID } from 'node:crypto';
import type {
  Engine,
  EventResult,
  InstanceFilter,
  InstanceStep,
  ListedInstance,
  Page,
  SubmitResult,
} from '../engine/engine.ts';
import type { Json } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { formatStateFile } from '../machine/state-file.ts';
import { realClock } from './node-ports.ts';

export interface NewInstance {
  /** NAME, or NAME:VERSION. */
  readonly machine: string;
  /** Default: the machine's first state. */
  readonly state?: string;
  readonly payload?: Json;
  /** Higher first. */
  readonly priority?: number;
  /** ISO 8601: it is not run before. */
  readonly notBefore?: string;
}

export interface SendOptions {
  /** The idempotency key. Default: a new one. */
  readonly id?: string;
  readonly details?: Json;
  readonly originator?: string;
  /** Milliseconds until it is due. */
  readonly delayMs?: number;
  /** Milliseconds that it waits for an instance that does not exist yet. Default: 10,000. */
  readonly graceMs?: number;
  /** Wait until it is decided. */
  readonly wait?: boolean;
  readonly signal?: AbortSignal;
}

/** As `InstanceFilter`; and when to end. */
export interface ListFilter extends InstanceFilter {
  readonly signal?: AbortSignal;
}

/** Instances that are asked for at a time. */
const PAGE_INSTANCES = 200;
/** Milliseconds between two looks: at first, and at most. */
const FIRST_LOOK_MS = 50;
const MAX_LOOK_MS = 1000;
const encoder = new TextEncoder();

export class Client {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Submits an instance. May be repeated: the same instance with the same content is `there already`.
   *
   * @throws UserError `name-taken` if another instance has this name, `bad-state` with all that is wrong.
   */
  async submit(instance: string, given: NewInstance): Promise<Exclude<SubmitResult, 'name taken'>> {
    const { machine, state, payload = {}, priority, notBefore } = given;
    const [name = machine] = machine.split(':');
    const file = {
      state: state ?? name,
      ...((state !== undefined || machine !== name) && { machine }),
      payload,
      ...(priority !== undefined && { priority }),
      ...(notBefore !== undefined && { notBefore }),
    };
    const bytes = encoder.encode(formatStateFile(file));
    const [submitted] = await this.#engine.submit([{ name: `${instance}.state`, bytes }]);
    if (submitted !== 'name taken') return submitted!;
    const message = `cannot submit ${instance}: another instance has this name; choose another`;
    throw new UserError('name-taken', message, { instance });
  }

  /**
   * Sends an event. Of all events with one id, one is applied. With `wait`, resolves to what has become of it; without, to
   * undefined, or to the result of an event with this id that was sent before.
   *
   * @throws UserError `bad-event`; with `signal`, its reason.
   */
  async send(
    instance: string,
    event: string,
    options: SendOptions = {},
  ): Promise<EventResult | undefined> {
    const { id = randomUUID(), details, originator, delayMs, graceMs, wait, signal } = options;
    const file = {
      event,
      ...(details !== undefined && { details }),
      ...(originator !== undefined && { originator }),
      timestamp: new Date().toISOString(),
      ...(delayMs !== undefined && { delay: delayMs }),
      ...(graceMs !== undefined && { grace: graceMs }),
    };
    const [sent] = await this.#engine.send([{ to: instance, id, file }]);
    if (sent?.kind === 'over') return sent;
    return wait === true ? poll(() => this.#engine.eventResult(id), signal) : undefined;
  }

  /** What has become of an event; undefined while it is pending, or was never sent. */
  eventResult(id: string): Promise<EventResult | undefined> {
    return this.#engine.eventResult(id);
  }

  /** Where an instance is now; undefined where there is none. */
  get(instance: string): Promise<InstanceStep | undefined> {
    return this.#engine.get(instance);
  }

  /** All its steps, in order. */
  history(instance: string): Promise<readonly InstanceStep[]> {
    return this.#engine.history(instance);
  }

  /**
   * Resolves to the last step of an instance when that is done, or has failed, and nothing follows.
   *
   * @throws what `signal` is aborted with.
   */
  waitFor(
    instance: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<InstanceStep> {
    return poll(async () => {
      const step = await this.#engine.get(instance);
      const isOver = step !== undefined && ['done', 'archived', 'failed'].includes(step.flag);
      return isOver ? step : undefined;
    }, signal);
  }

  /**
   * Instances that match, in the order of their names. On a volume, a filter by machine or state reads a file of each instance.
   *
   * @throws what `signal` is aborted with.
   */
  async *list({ signal, ...filter }: ListFilter = {}): AsyncGenerator<ListedInstance, void> {
    let page: Page = { limit: PAGE_INSTANCES };
    for (;;) {
      signal?.throwIfAborted();
      const { instances, next } = await this.#engine.list(filter, page);
      yield* instances;
      if (next === undefined) return;
      page = { limit: PAGE_INSTANCES, after: next };
    }
  }

  /** Makes what has failed available again. False if it has not failed. */
  async retry(instance: string): Promise<boolean> {
    const step = await this.#engine.get(instance);
    if (step === undefined) return false;
    const [retried] = await this.#engine.retry([step.name]);
    return retried!;
  }

  /** No worker takes anything until `resume`. */
  pause(by: string = 'a program'): Promise<void> {
    return this.#engine.pause(by);
  }

  resume(): Promise<boolean> {
    return this.#engine.resume();
  }
}

async function poll<Value>(
  look: () => Promise<Value | undefined>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, MAX_LOOK_MS)) {
    signal?.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    await realClock.sleep(pause, signal);
  }
}

/** For programs: see `Client`. */
export function createClient(engine: Engine): Client {
  return new Client(engine);
}
