/** A client in a program: submits instances, sends events, looks at what has become of them. */
import { randomUUID } from 'node:crypto';
import type {
  ChangeHint,
  ClientApi,
  Counts,
  EventResult,
  InstanceFilter,
  InstanceStep,
  ListedInstance,
  NewEvent,
  NewState,
  Page,
  SubmitResult,
  WorkerView,
} from '../engine/engine.ts';
import type { Json } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { jsonProblem } from '../machine/json-problem.ts';
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

export interface EventOptions {
  /** The idempotency key: any text of 1 to 200 characters (code points) without NUL. Default: a new one. */
  readonly id?: string;
  readonly details?: Json;
  readonly originator?: string;
  /** Milliseconds until it is due. */
  readonly delayMs?: number;
  /** Milliseconds that it waits for an instance that does not exist yet. Default: 10,000. */
  readonly graceMs?: number;
}

export interface EventToSend extends EventOptions {
  readonly instance: string;
  readonly event: string;
}

export interface SendOptions extends EventOptions {
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
const encoder = new TextEncoder();

export class Client {
  readonly #engine: ClientApi;
  readonly #waits: InstanceWaits;

  constructor(engine: ClientApi) {
    this.#engine = engine;
    this.#waits = new InstanceWaits(engine);
  }

  /**
   * Submits an instance. May be repeated: the same instance with the same content is `there already`.
   *
   * @throws UserError `name-taken` if another instance has this name, `bad-state` with all that is wrong.
   */
  async submit(instance: string, given: NewInstance): Promise<Exclude<SubmitResult, 'name taken'>> {
    const [submitted] = await this.#engine.submit([newState({ instance, ...given })]);
    if (submitted !== 'name taken') return submitted!;
    const message = `cannot submit ${instance}: another instance has this name; choose another`;
    throw new UserError('name-taken', message, { instance });
  }

  /**
   * Submits instances: much faster than one by one. Results are in their order.
   *
   * @throws UserError `bad-state` with all that is wrong, before any is submitted; with `signal`, its reason.
   */
  async submitMany(
    instances: readonly (NewInstance & { readonly instance: string })[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly SubmitResult[]> {
    return this.#engine.submit(instances.map(newState), signal);
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
    const { wait, signal, ...more } = options;
    const sending = newEvent({ instance, event, ...more });
    const [sent] = await this.#engine.send([sending]);
    if (sent?.kind === 'over') return sent;
    if (wait !== true) return undefined;
    return this.#waits.until(instance, () => this.#engine.eventResult(sending.id), signal);
  }

  /**
   * Sends events, those for one instance in the order given. Results are in that order, as those of `send` without `wait`.
   *
   * @throws UserError `bad-event`, before any is sent.
   */
  async sendMany(events: readonly EventToSend[]): Promise<readonly (EventResult | undefined)[]> {
    const sent = await this.#engine.send(events.map(newEvent));
    return sent.map((one) => (one.kind === 'over' ? one : undefined));
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
    const look = async (): Promise<InstanceStep | undefined> => {
      const step = await this.#engine.get(instance);
      const isOver = step !== undefined && ['done', 'archived', 'failed'].includes(step.flag);
      return isOver ? step : undefined;
    };
    return this.#waits.until(instance, look, signal);
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

  /** Instances by status, machine and state. On a volume, some of it is estimated: see `Counts`. */
  counts(): Promise<Counts> {
    return this.#engine.counts();
  }

  /** The workers that have joined, with what they hold. */
  workers(): Promise<readonly WorkerView[]> {
    return this.#engine.workers();
  }

  /** Hints that something may have changed, until `signal` aborts. A hint may be lost: look at times without one, too. */
  watch(signal: AbortSignal): AsyncIterable<ChangeHint> {
    return this.#engine.watch(signal);
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

function newState({ instance, ...given }: NewInstance & { readonly instance: string }): NewState {
  const { machine, state, payload = {}, priority, notBefore } = given;
  const problem = jsonProblem(payload, 'payload');
  if (problem !== undefined)
    throw new UserError('bad-state', `cannot submit ${instance}: ${problem}`);
  const [name = machine] = machine.split(':');
  const file = {
    state: state ?? name,
    ...((state !== undefined || machine !== name) && { machine }),
    payload,
    ...(priority !== undefined && { priority }),
    ...(notBefore !== undefined && { notBefore }),
  };
  return { name: `${instance}.state`, bytes: encoder.encode(formatStateFile(file)) };
}

function newEvent({ instance, event, ...given }: EventToSend): NewEvent {
  const { id = randomUUID(), details, originator, delayMs, graceMs } = given;
  const file = {
    event,
    ...(details !== undefined && { details }),
    ...(originator !== undefined && { originator }),
    timestamp: new Date().toISOString(),
    ...(delayMs !== undefined && { delay: delayMs }),
    ...(graceMs !== undefined && { grace: graceMs }),
  };
  return { to: instance, id, file };
}

/** For programs: see `Client`. */
export function createClient(engine: ClientApi): Client {
  return new Client(engine);
}

/** Milliseconds between two looks: at first, and at most. */
const FIRST_LOOK_MS = 50;
const MAX_LOOK_MS = 1000;

interface Wait {
  readonly instance: string;
  /** Aborts at a hint that has come since the last look began. */
  wake: AbortController;
}

/**
 * Waits for instances: looks again and again, ever less often, and at once when the engine hints at a change of the instance. All
 * waits share one `watch`, which lasts as long as any of them.
 */
class InstanceWaits {
  readonly #engine: Pick<ClientApi, 'watch'>;
  readonly #waits = new Set<Wait>();
  /** Ends the watch. */
  #stop: AbortController | undefined;

  constructor(engine: Pick<ClientApi, 'watch'>) {
    this.#engine = engine;
  }

  /** Resolves to what `look` finds. Rejects with the reason of `signal`. */
  async until<Value>(
    instance: string,
    look: () => Promise<Value | undefined>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Value> {
    const wait: Wait = { instance, wake: new AbortController() };
    this.#waits.add(wait);
    this.#stop ??= this.#watch();
    try {
      for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, MAX_LOOK_MS)) {
        signal.throwIfAborted();
        wait.wake = new AbortController();
        const found = await look();
        if (found !== undefined) return found;
        await realClock.sleep(pause, AbortSignal.any([signal, wait.wake.signal]));
      }
    } finally {
      this.#waits.delete(wait);
      if (this.#waits.size === 0) {
        this.#stop?.abort();
        this.#stop = undefined;
      }
    }
  }

  #watch(): AbortController {
    const stop = new AbortController();
    const wakeAll = async (): Promise<void> => {
      for await (const { instance } of this.#engine.watch(stop.signal)) {
        // Anything may have changed at any time: looks without a hint are for that.
        for (const wait of this.#waits) if (wait.instance === instance) wait.wake.abort();
      }
    };
    // An engine that cannot watch is looked at without hints.
    wakeAll().catch(() => undefined);
    return stop;
  }
}
