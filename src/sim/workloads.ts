/**
 * The simulator's own machines and instances: *chains*, steps that take time and sometimes misbehave; *lamps*, which go out by a
 * timer and light the next one by an event; *eyes*, which observe a lamp; and *trees*, forks whose branches may be trees.
 */
import { done, next, fork, type Answer } from '../machine/answer.ts';
import type { Machine, Tick, TickActivity, TickContext } from '../machine/definition.ts';
import { machine } from '../machine/machine.ts';
import { Prng } from './prng.ts';
import { formatEvent } from '../machine/event.ts';
import type { CommitRecord } from '../machine/record.ts';
import type { StateFile } from '../machine/state-file.ts';
import { choose, same } from '../machine/table.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';
import type { Branch } from '../machine/fork.ts';

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

interface ChainOptions {
  readonly seed: string;
  readonly tickFaults: TickFaults;
  /** Milliseconds. */
  readonly cycle: number;
  readonly lease: number;
  /** While false, no tick fault is injected. */
  readonly mayMisbehave: () => boolean;
}

const CHAIN = 'chain';
export const CHAIN_ATTEMPTS: number = 4;

/** Milliseconds. */
export function chainTimeout(cycle: number, lease: number): number {
  return Math.ceil(3 * cycle + lease);
}

const chainPayload = (steps: number): { left: number } => ({ left: steps });

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

function activityOf({ cycle, lease }: ChainOptions, tick: Tick): TickActivity {
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
function prngOf(
  { instance, attempt }: TickContext,
  { seed }: ChainOptions,
  where: number | string,
): Prng {
  return new Prng(`${seed}/tick/${instance}/${where}/${attempt}`);
}

/** Pauses, then injects a tick fault or returns undefined: the tick goes on normally. */
async function misbehave(
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

const LAMP = 'lamp';
const LAMP_COUNT = 3;
const LIT_CYCLES = 0.7;

/** The state file of a new lamp. */
export const LAMP_STATE: string = `${JSON.stringify({ state: LAMP })}\n`;

/** The content of an event file. `hops` more lamps are lit after it; `rubbish` is not JSON. */
export function lampEvent(event: string, hops: number): string {
  return event === 'rubbish' ? 'rubbish' : formatEvent({ event, details: { hops } });
}

/** The content of a dropped file; `rubbish` is truncated JSON. */
export function droppedEvent(to: string, event: string, hops: number, id?: string): string {
  const whole = JSON.stringify({ to, event, details: { hops }, ...(id !== undefined && { id }) });
  return event === 'rubbish' ? whole.slice(0, -1) : whole;
}

export function lampMachine(cycle: number): Machine {
  return machine({
    name: LAMP,
    states: ['off', 'lit', 'broken'],
    events: ['press', 'expire', 'burn out'],
    initial: 'off',
    table: {
      off: { press: 'lit', expire: same, 'burn out': 'broken' },
      lit: { press: same, expire: 'off', 'burn out': 'broken' },
      broken: { press: same, expire: same, 'burn out': same },
    },
    after: { lit: { [`${Math.ceil(LIT_CYCLES * cycle)}ms`]: 'expire' } },
    hooks: {
      after: ({ instance, event, details }) => {
        const hops = (details as { hops?: number } | null)?.hops ?? 0;
        if (event !== 'press' || hops <= 0) return [];
        const following = (Number(instance.slice(LAMP.length)) + 1) % LAMP_COUNT;
        return [{ to: `${LAMP}${following}`, event, details: { hops: hops - 1 } }];
      },
    },
  });
}

const EYE = 'eye';
/** The instance that eyes observe. */
export const LAMP_SEEN: string = `${LAMP}0`;

/** The state file of a new eye. */
export const EYE_STATE: string = `${JSON.stringify({ state: EYE })}\n`;

/** Opens at a look if the lamp is lit. */
export function eyeMachine(): Machine {
  return machine({
    name: EYE,
    states: ['shut', 'open'],
    events: ['look', 'blink'],
    initial: 'shut',
    sensors: [LAMP_SEEN],
    table: {
      shut: {
        look: choose('light', ['open', same], ({ sensor }) =>
          sensor(LAMP_SEEN)?.state === 'lit' ? 'open' : same,
        ),
        blink: same,
      },
      open: { look: same, blink: 'shut' },
    },
  });
}

/** An eye's commit that does not fit the lamp, which has not moved since the eye observed it. */
export function wrongSight(
  record: CommitRecord | undefined,
  lamp: StateFile | undefined,
): string | undefined {
  const [look, ...more] = record?.events ?? [];
  if (look?.event !== 'look' || look.from !== 'shut' || more.length > 0) return undefined;
  const isLit = lamp?.state === 'lit';
  return isLit === (look.to === 'open')
    ? undefined
    : `expected ${record!.state} to see a lamp in ${lamp?.state}, got ${look.to ?? look.outcome}`;
}

/** Instances moved by events, and their events: some sent twice, some to a missing instance. */
export function drawEvents(
  prng: Prng,
  { calm, safety }: Pick<Scenario, 'calm' | 'safety'>,
): ScheduledFault[] {
  if (!prng.chance(0.4)) return [];
  const lamps = Array.from({ length: prng.whole(1, 3) }, (_, index) => `lamp${index}`);
  const at = (latest: number): number => (calm ? 0 : prng.between(0, latest) * safety);
  const begun = lamps.map((name): ScheduledFault => ({
    id: `lamp ${name}`,
    at: at(0.3),
    kind: 'lamp',
    name,
  }));
  const sent = Array.from({ length: prng.whole(1, 12) }, (_, index) => {
    const to = prng.pick([...lamps, ...lamps, ...lamps, 'nobody']);
    const event = prng.pick(['press', 'press', 'press', 'press', 'expire', 'burn out', 'rubbish']);
    return { kind: 'send', to, event, eventId: `event-${index}`, hops: prng.whole(0, 3) } as const;
  });
  const again = sent
    .filter(() => !calm && prng.chance(0.3))
    .map((one) => (prng.chance(0.3) ? { ...one, to: prng.pick(lamps) } : one));
  const sends = [...sent, ...again].map((one, index): ScheduledFault => ({
    ...one,
    id: `send ${index}`,
    at: at(0.9),
  }));
  return [...begun, ...sends];
}

export interface Tree {
  /** Forks within forks. */
  readonly depth: number;
  readonly width: number;
  /** Of each branch that does not fork. */
  readonly steps: number;
  /** Number of further forks after the first join. */
  readonly again: number;
}

const TREE = 'tree';

/** The state file of a new tree. */
export function treeState(tree: Tree): string {
  return `${JSON.stringify({ state: TREE, payload: tree })}\n`;
}

interface TreeOptions extends ChainOptions {
  /** Called when a join is ticked. */
  readonly joined: (state: string, outputs: Readonly<Record<string, unknown>>) => void;
}

export function treeMachine(options: TreeOptions, host: Host): Machine {
  const wrongAnswer = (context: TickContext): Promise<Answer | undefined> => {
    const prng = prngOf(context, options, context.idempotencyKey);
    return misbehave(context, prng, options, host);
  };
  const grow = async (context: TickContext): Promise<Answer> =>
    (await wrongAnswer(context)) ?? forkIn(context.payload as Tree);
  const work = async (context: TickContext): Promise<Answer> => {
    const { instance, payload } = context;
    const wrong = await wrongAnswer(context);
    if (wrong !== undefined) return wrong;
    return payload.left > 1 ? next('work', { left: payload.left - 1 }) : done({ from: instance });
  };
  const joined = async (context: TickContext): Promise<Answer> => {
    const { instance, payload, outputs, idempotencyKey } = context;
    // The key is the volume's id, a slash and the state file's name.
    options.joined(idempotencyKey.slice(idempotencyKey.indexOf('/') + 1), outputs);
    const wrong = await wrongAnswer(context);
    if (wrong !== undefined) return wrong;
    const { again, ...tree } = payload as Tree;
    return again > 0 ? next(TREE, { ...tree, again: again - 1 }) : done({ from: instance });
  };
  return machine({
    name: TREE,
    activities: {
      [TREE]: activityOf(options, grow),
      work: activityOf(options, work),
      joined: activityOf(options, joined),
    },
  });
}

/** The first branch is a tree if `depth` allows; the last one is of another machine. */
function forkIn({ depth, width, steps, again }: Tree): Answer {
  const branches = Array.from({ length: width }, (_, index): [string, Branch] => {
    const name = `b${index}`;
    const payload = { depth: depth - 1, width: width - 1, steps, again: 0 };
    if (index === 0 && depth > 1 && width > 1) return [name, { state: TREE, payload }];
    if (index < width - 1) return [name, { state: 'work', payload: { left: steps } }];
    return [name, { state: CHAIN, machine: CHAIN, payload: chainPayload(steps) }];
  });
  return fork(Object.fromEntries(branches), {
    state: 'joined',
    payload: { depth, width, steps, again },
  });
}

function drawTree(prng: Prng): Tree {
  return {
    depth: prng.pick([1, 1, 2]),
    width: prng.whole(1, 3),
    steps: prng.whole(1, 2),
    again: prng.pick([0, 0, 1]),
  };
}

/** Instances that fork. */
export function drawTrees(
  prng: Prng,
  { calm, safety }: Pick<Scenario, 'calm' | 'safety'>,
): ScheduledFault[] {
  if (!prng.chance(0.35)) return [];
  return Array.from({ length: prng.whole(1, 2) }, (_, index): ScheduledFault => {
    const at = calm ? 0 : prng.between(0, 0.5) * safety;
    return { id: `tree ${index}`, at, kind: 'tree', name: `tree${index}`, tree: drawTree(prng) };
  });
}
