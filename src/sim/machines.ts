/** The chain machine of simulated runs: steps that take time and sometimes misbehave. */
import { done, next, type Answer } from '../machine/answer.ts';
import type { Machine, Tick, TickActivity, TickContext } from '../machine/definition.ts';
import { machine } from '../machine/machine.ts';
import { Prng } from './prng.ts';

/** Probabilities per attempt. */
export interface TickFaults {
  readonly throws?: number;
  /** Never returns, and ignores its signal. */
  readonly hangs?: number;
  /** Returns an invalid answer. */
  readonly rubbish?: number;
  /** Blocks the process's main thread. */
  readonly blocks?: number;
  /** Ends its process. */
  readonly kills?: number;
}

/** What a tick can do to its process. */
export interface Host {
  block(ms: number): void;
  kill(): void;
}

export interface ChainOptions {
  readonly seed: string;
  readonly tickFaults: TickFaults;
  /** Milliseconds. */
  readonly cycle: number;
  readonly lease: number;
  /** While false, no tick fault is injected. */
  readonly mayMisbehave: () => boolean;
}

export const CHAIN = 'chain';
export const CHAIN_ATTEMPTS: number = 4;

/** Milliseconds. */
export function chainTimeout(cycle: number, lease: number): number {
  return Math.ceil(3 * cycle + lease);
}

export const chainPayload = (steps: number): { left: number } => ({ left: steps });

/** The first state file of a chain of `steps`. */
export function chainState(steps: number): string {
  return `${JSON.stringify({ state: CHAIN, payload: chainPayload(steps) })}\n`;
}

export function chainMachine(options: ChainOptions, host: Host): Machine {
  const tick = async (context: TickContext): Promise<Answer> => {
    const { instance, payload } = context;
    const prng = prngOf(context, options, payload.left);
    const wrong = await misbehave(context, prng, options, host);
    if (wrong !== undefined) return wrong;
    if (payload.left > 1) return next(CHAIN, chainPayload(payload.left - 1));
    return prng.chance(0.5) ? done() : done({ from: instance });
  };
  return machine({ name: CHAIN, activities: { [CHAIN]: activityOf(options, tick) } });
}

export function activityOf({ cycle, lease }: ChainOptions, tick: Tick): TickActivity {
  return {
    tick,
    timeout: chainTimeout(cycle, lease),
    retry: {
      maximumAttempts: CHAIN_ATTEMPTS,
      initialInterval: Math.ceil(cycle / 4),
      maximumInterval: Math.ceil(2 * cycle),
    },
  };
}

/** `where`: position in the instance. */
export function prngOf(
  { instance, attempt }: TickContext,
  { seed }: ChainOptions,
  where: number | string,
): Prng {
  return new Prng(`${seed}/tick/${instance}/${where}/${attempt}`);
}

/** Pauses, then injects a tick fault or returns undefined: the tick goes on normally. */
export async function misbehave(
  { pause }: TickContext,
  prng: Prng,
  { tickFaults, cycle, lease, mayMisbehave }: ChainOptions,
  host: Host,
): Promise<Answer | undefined> {
  await pause(prng.between(0, prng.pick([cycle / 20, cycle / 3, 2 * cycle])));
  const does = (probability = 0): boolean => prng.chance(probability) && mayMisbehave();
  if (does(tickFaults.throws)) throw new Error('thrown on purpose');
  if (does(tickFaults.rubbish)) return 'rubbish' as unknown as Answer;
  if (does(tickFaults.hangs)) return new Promise(() => undefined);
  if (does(tickFaults.kills)) {
    host.kill();
    return new Promise(() => undefined);
  }
  if (does(tickFaults.blocks)) {
    host.block(prng.chance(0.2) ? 1e9 : prng.between(0, 4 * lease));
    await pause(0);
  }
  return undefined;
}
