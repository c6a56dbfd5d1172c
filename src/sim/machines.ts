/** The machine of simulated runs: chains of steps that take their time, and sometimes misbehave. */
import { done, next, type Answer } from '../machine/answer.ts';
import type { Machine, TickContext } from '../machine/definition.ts';
import { machine } from '../machine/machine.ts';
import { Dice } from './dice.ts';

/** Probabilities, for each attempt. */
export interface Mischief {
  readonly throws?: number;
  /** Never comes back, and does not listen to its signal. */
  readonly hangs?: number;
  /** Answers what is no answer. */
  readonly rubbish?: number;
  /** Keeps the process's main thread busy. */
  readonly blocks?: number;
  /** Ends its process. */
  readonly kills?: number;
}

/** What a tick may do to its process. */
export interface Host {
  block(ms: number): void;
  kill(): void;
}

export interface ChainOptions {
  readonly seed: string;
  readonly mischief: Mischief;
  /** Milliseconds. */
  readonly cycle: number;
  readonly lease: number;
  /** While false everything behaves. */
  readonly mayMisbehave: () => boolean;
}

const CHAIN = 'chain';
export const ATTEMPTS: number = 4;

/** Milliseconds. */
export function chainTimeout(cycle: number, lease: number): number {
  return Math.ceil(3 * cycle + lease);
}

/** The state file that begins a chain of `steps`. */
export function chainState(steps: number): string {
  return `${JSON.stringify({ state: CHAIN, payload: { left: steps } })}\n`;
}

export function chainMachine(options: ChainOptions, host: Host): Machine {
  const { cycle, lease } = options;
  const activity = {
    tick: (context: TickContext) => tick(context, options, host),
    timeout: chainTimeout(cycle, lease),
    retry: {
      maximumAttempts: ATTEMPTS,
      initialInterval: Math.ceil(cycle / 4),
      maximumInterval: Math.ceil(2 * cycle),
    },
  };
  return machine({ name: CHAIN, activities: { [CHAIN]: activity } });
}

async function tick(context: TickContext, options: ChainOptions, host: Host): Promise<Answer> {
  const { instance, payload, attempt, pause } = context;
  const { seed, mischief, cycle, lease, mayMisbehave } = options;
  const left = Number(payload.left);
  const dice = new Dice(`${seed}/tick/${instance}/${left}/${attempt}`);
  await pause(dice.between(0, dice.pick([cycle / 20, cycle / 3, 2 * cycle])));
  const does = (probability = 0): boolean => dice.chance(probability) && mayMisbehave();
  if (does(mischief.throws)) throw new Error('thrown on purpose');
  if (does(mischief.rubbish)) return 'rubbish' as unknown as Answer;
  if (does(mischief.hangs)) return new Promise(() => undefined);
  if (does(mischief.kills)) {
    host.kill();
    return new Promise(() => undefined);
  }
  if (does(mischief.blocks)) {
    host.block(dice.chance(0.2) ? 1e9 : dice.between(0, 4 * lease));
    await pause(0);
  }
  if (left > 1) return next(CHAIN, { left: left - 1 });
  return dice.chance(0.5) ? done() : done({ from: instance });
}
