/** A client in a program: submits instances, sends events, looks at what has become of them. */
import { randomUUID } from 'node:crypto';
import type { InstanceStep, Engine, EventResult, SubmitResult } from '../engine/engine.ts';
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

export interface ListFilter {
  /** NAME of the machine. */
  readonly machine?: string;
  readonly state?: string;
  readonly status?: InstanceStep['flag'];
  readonly signal?: AbortSignal;
}

/** An instance, and where it is. */
export interface ListedInstance extends InstanceStep {
  readonly instance: string;
}

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
    const submitted = await this.#engine.submit(
      `${instance}.state`,
      encoder.encode(formatStateFile(file)),
    );
    if (submitted !== 'name taken') return submitted;
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
    const sent = await this.#engine.send({
      to: instance,
      id,
      file: {
        event,
        ...(details !== undefined && { details }),
        ...(originator !== undefined && { originator }),
        timestamp: new Date().toISOString(),
        ...(delayMs !== undefined && { delay: delayMs }),
        ...(graceMs !== undefined && { grace: graceMs }),
      },
    });
    if (sent.kind === 'over') return sent;
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

  /** Instances with where they are, in no order. Reads each: on a volume, a file or two for each instance. */
  async *list(filter: ListFilter = {}): AsyncGenerator<ListedInstance, void> {
    const { state, status, signal } = filter;
    for (const instance of await this.#engine.instances()) {
      signal?.throwIfAborted();
      const step = await this.#engine.get(instance);
      if (step === undefined || !isOfMachine(step, filter.machine)) continue;
      if (state !== undefined && step.state !== state) continue;
      if (status === undefined || step.flag === status) yield { instance, ...step };
    }
  }

  /** Makes what has failed available again. False if it has not failed. */
  async retry(instance: string): Promise<boolean> {
    const step = await this.#engine.get(instance);
    return step !== undefined && this.#engine.retry(step.name);
  }

  /** No worker takes anything until `resume`. */
  pause(by: string = 'a program'): Promise<void> {
    return this.#engine.pause(by);
  }

  resume(): Promise<boolean> {
    return this.#engine.resume();
  }
}

/** Without a machine of its own, a state file is of the machine that its state names. */
function isOfMachine(step: InstanceStep, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  return (step.machine ?? step.state)?.split(':')[0] === wanted.split(':')[0];
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
