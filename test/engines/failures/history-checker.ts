/** Judges a run by what clients were told, and what is stored at its end. Pure. */
import type { EventResult, InstanceStep } from '../../../src/engine/engine.ts';

/** A run of chains that count down, and of lamps that events press. */
export interface Run {
  /** Instances whose submission was acknowledged, with the number of their steps. */
  readonly chains: ReadonlyMap<string, number>;
  /** By id: the instance to which an acknowledged event was sent. */
  readonly events: ReadonlyMap<string, string>;
  readonly histories: ReadonlyMap<string, readonly InstanceStep[]>;
  readonly results: ReadonlyMap<string, EventResult | undefined>;
}

/** One sentence for each broken promise. */
export function findingsOf({ chains, events, histories, results }: Run): string[] {
  const findings: string[] = [];
  for (const [instance, steps] of chains) {
    const history = histories.get(instance) ?? [];
    if (history.length === 0) findings.push(`${instance} is lost`);
    else if (history.length !== steps) {
      findings.push(`${instance} has ${history.length} steps, not ${steps}`);
    }
    for (const [index, { name, flag, payload }] of history.entries()) {
      const expected = index === 0 ? `${instance}.state` : `${instance}.state-${index}`;
      if (name !== expected) findings.push(`${name} is where ${expected} should be`);
      if (flag !== 'done') findings.push(`${name} is ${flag}`);
      const { left } = payload as { readonly left: number };
      if (left !== steps - index) findings.push(`${name} has ${left} left, not ${steps - index}`);
    }
  }
  const applied = new Map<string, number>();
  for (const history of histories.values()) {
    for (const { id } of history.flatMap((step) => step.events)) {
      applied.set(id, (applied.get(id) ?? 0) + 1);
    }
  }
  for (const [id, instance] of events) {
    const result = results.get(id);
    const times = applied.get(id) ?? 0;
    if (result === undefined) findings.push(`event ${id} of ${instance} has no outcome`);
    if (times !== 1) findings.push(`event ${id} of ${instance} was applied ${times} times`);
  }
  for (const [instance, history] of histories) {
    const order = history.flatMap((step) => step.events.map(({ file }) => file));
    if (order.some((file, index) => index > 0 && file < order[index - 1]!)) {
      findings.push(`${instance} has applied its events in another order`);
    }
  }
  return findings;
}
