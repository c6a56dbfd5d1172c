/** A workload of events: lamps that go out by a timer and light the next lamp. */
import { formatEvent } from '../machine/event.ts';
import type { Machine } from '../machine/definition.ts';
import { machine } from '../machine/machine.ts';
import type { CommitRecord } from '../machine/record.ts';
import type { StateFile } from '../machine/state-file.ts';
import { choose, same } from '../machine/table.ts';
import type { Prng } from './prng.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';

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
        const next = (Number(instance.slice(LAMP.length)) + 1) % LAMP_COUNT;
        return [{ to: `${LAMP}${next}`, event, details: { hops: hops - 1 } }];
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
