/** The machines that are built in: those of the examples in `simpleStates/` and `interestingStates/`. */
import { done, next, type Answer } from './answer.ts';
import type { Machine, TickContext } from './definition.ts';
import { FatalError } from './errors.ts';
import { machine } from './machine.ts';

const SECOND_MS = 1000;

function greet(context: TickContext): Promise<Answer> {
  const target: unknown = context.payload?.target;
  if (typeof target !== 'string') {
    throw new FatalError(
      `simple needs a payload {"target": "…"}, got ${JSON.stringify(context.payload)}`,
    );
  }
  context.print(target);
  return context.pause(SECOND_MS).then(() => done());
}

/** One step for each number: a count of 5 is five ticks, the last one without a successor. */
function count(pause: number): (context: TickContext) => Promise<Answer> {
  return (context) => {
    const left: unknown = context.payload?.count;
    if (typeof left !== 'number' || !Number.isSafeInteger(left) || left < 0) {
      throw new FatalError(
        `a countdown needs a payload {"count": 5}, with a whole number, got ${JSON.stringify(context.payload)}`,
      );
    }
    context.print(`${context.instance}: ${left}`);
    return context
      .pause(pause)
      .then(() => (left > 1 ? next(context.state, { count: left - 1 }) : done()));
  };
}

export const shippedMachines: readonly Machine[] = [
  machine({ name: 'simple', activities: { simple: greet } }),
  machine({ name: 'countdown', activities: { countdown: count(SECOND_MS) } }),
  // Longer than a cycle, on purpose.
  machine({ name: 'slow-countdown', activities: { 'slow-countdown': count(10 * SECOND_MS) } }),
];
