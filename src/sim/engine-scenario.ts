/** Draws a run on any engine from its seed: workers, instances, timing and faults. */
import type { CallFaultKind, CallRates } from './faults.ts';
import type { EngineProcessOptions } from './engine-callers.ts';
import { drawEvents, EYE_STATE, chainState, drawTrees } from './workloads.ts';
import type { HostPlan } from './fleet.ts';
import { Prng } from './prng.ts';
import { inOrder } from './rare-faults.ts';
import {
  CALM_PROBABILITY,
  drawInstances,
  drawTickFaults,
  START_MS,
  type CommonFault,
  type ScheduledFault,
  type Wishes,
  type RunPlan,
} from './scenario.ts';

/** Durations are milliseconds. */
export type EngineFault =
  | CommonFault
  | Extract<ScheduledFault, { kind: 'send' }>
  | ({ readonly id: string; readonly at: number } & (
      | { readonly kind: 'submit file'; readonly name: string; readonly content: string }
      /** Of all states that have failed by then. */
      | { readonly kind: 'retry' }
      | { readonly kind: 'pause'; readonly ms: number }
    ));

export interface EngineScenario extends RunPlan {
  /** Milliseconds: the unit of pauses, timeouts and retries. */
  readonly pace: number;
  /** Milliseconds. */
  readonly lease: number;
  /** `begin`: milliseconds after the start. */
  readonly hosts: readonly (HostPlan<EngineProcessOptions> & { readonly begin: number })[];
  readonly rates: CallRates;
  /** Of a slow call, ms. */
  readonly maxDelay: number;
  readonly scheduled: readonly EngineFault[];
}

const EXACT = { offset: 0, drift: 0, jitter: 0 };

/** Other faults than these are left out: the engine under test need not stand them. */
export function drawEngineScenario(
  seed: string,
  wishes: Wishes,
  callFaults: ReadonlySet<CallFaultKind>,
): EngineScenario {
  const prng = new Prng(`${seed}/engine`);
  const calm = prng.chance(CALM_PROBABILITY);
  const pace = prng.scale(20, 500);
  const lease = Math.round(pace * prng.between(2, 6));
  const workers = wishes.workers ?? prng.pick([1, 2, 2, 2, 3, 3, 4, 5]);
  const safety =
    wishes.minutes === undefined ? pace * prng.scale(20, 200) : wishes.minutes * 60_000;
  const common = { lease, latency: prng.scale(0.01, pace / 20), watch: prng.chance(0.3) };
  const hosts = Array.from({ length: workers }, (_, index) => ({
    clock: EXACT,
    begin: calm || prng.chance(0.7) ? prng.between(0, pace) : prng.between(0, 0.5) * safety,
    options: {
      ...common,
      worker: `w${index}`,
      concurrency: prng.whole(1, 4),
      capacity: prng.pick([4, 8, 1024]),
      lacks: !calm && prng.chance(0.15) ? [prng.pick(['chain', 'tree', 'lamp'])] : [],
    },
  }));
  const span = { calm, safety };
  const workload = [
    ...drawEvents(prng, span),
    ...drawEyes(prng, span),
    ...drawTrees(prng, span),
    ...(calm ? [] : drawOthers(prng, hosts.length, safety, pace, lease)),
  ] as readonly EngineFault[];
  return {
    seed,
    calm,
    start: START_MS + Math.floor(prng.between(0, 3_600_000)),
    pace,
    lease,
    hosts,
    instances: drawInstances(prng, wishes.states ?? prng.whole(1, 10)),
    tickFaults: calm ? {} : drawTickFaults(prng),
    rates: calm ? {} : drawCallRates(prng, callFaults),
    maxDelay: prng.pick([pace / 4, pace, 2 * lease]),
    scheduled: inOrder(workload),
    safety: calm ? 0 : safety,
    core: prng.shuffle(hosts.map((_, index) => index)).slice(0, prng.whole(1, workers)),
  };
}

function drawCallRates(prng: Prng, kinds: ReadonlySet<CallFaultKind>): CallRates {
  const rates: Partial<Record<CallFaultKind, number>> = {};
  for (const kind of kinds) if (prng.chance(0.5)) rates[kind] = prng.scale(3e-3, 0.1);
  return rates;
}

/** Instances that observe a lamp. */
function drawEyes(prng: Prng, { calm, safety }: { calm: boolean; safety: number }): EngineFault[] {
  if (!prng.chance(0.3)) return [];
  const at = (latest: number): number => (calm ? 0 : prng.between(0, latest) * safety);
  const eyes = Array.from({ length: prng.whole(1, 2) }, (_, index) => `eye${index}`);
  const looks = Array.from({ length: prng.whole(4, 16) }, (_, index): EngineFault => {
    const [to, event] = [prng.pick(eyes), prng.pick(['look', 'look', 'blink'])];
    const id = `look ${index}`;
    return { id, at: at(0.9), kind: 'send', to, event, eventId: `look-${index}`, hops: 0 };
  });
  const presses = Array.from({ length: prng.whole(2, 8) }, (_, index): EngineFault => {
    const eventId = `light-${index}`;
    return {
      id: `light ${index}`,
      at: at(0.9),
      kind: 'send',
      to: 'lamp0',
      event: 'press',
      eventId,
      hops: 0,
    };
  });
  const begun = eyes.map((name): EngineFault => {
    const file = { name: `${name}.state`, content: EYE_STATE };
    return { id: `begin ${name}`, at: at(0.2), kind: 'submit file', ...file };
  });
  const lamp: EngineFault = { id: 'seen lamp', at: at(0.2), kind: 'lamp', name: 'lamp0' };
  return [lamp, ...begun, ...looks, ...presses];
}

const FILES = [
  // Known to no worker.
  ['stranger.state', '{"state": "stranger"}\n'],
  ['urgent.state', `${JSON.stringify({ state: 'chain', payload: { left: 2 }, priority: 5 })}\n`],
  // In the place of a successor.
  ['i0.state-1', chainState(1)],
  ['lamp0.state-2', chainState(2)],
  // Refused at once.
  ['bad.state', '{"state": }'],
  ['../bad.state', chainState(1)],
] as const;

function drawOthers(
  prng: Prng,
  hosts: number,
  safety: number,
  pace: number,
  lease: number,
): EngineFault[] {
  const kinds = prng
    .shuffle([
      'kill',
      'stop',
      'suspend',
      'twin',
      'submit',
      'submit file',
      'retry',
      'pause',
    ] as const)
    .slice(0, prng.whole(0, 4));
  if (kinds.length === 0) return [];
  return Array.from({ length: prng.whole(1, 10) }, (_, index): EngineFault => {
    const common = { id: `fault ${index}`, at: prng.between(0, safety) };
    const host = prng.whole(0, hosts - 1);
    const ms = prng.between(0, 1) ** 2 * 10 * lease;
    const kind = prng.pick(kinds);
    switch (kind) {
      case 'kill':
      case 'stop':
        return { ...common, kind, host, restart: prng.between(0, 2 * lease) };
      case 'submit':
        return { ...common, kind, name: `late${index}.state`, steps: prng.whole(1, 3) };
      case 'submit file': {
        const [name, content] = prng.pick(FILES);
        return { ...common, kind, name, content };
      }
      case 'retry':
        return { ...common, kind };
      case 'pause':
        return { ...common, kind, ms: Math.min(prng.between(0, 20) * pace, safety - common.at) };
      default:
        return { ...common, kind, host, ms };
    }
  });
}
