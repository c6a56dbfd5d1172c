/**
 * Mutants that an assertion must find in the simulator: each takes out the line that upholds it. The message that it must
 * give begins with the assertion's own words.
 */
import type { NamedMutant } from './mutants.ts';

export interface AssertedMutant extends NamedMutant {
  /** Beginning of the assertion's message. */
  readonly message: string;
}

const VOLUME = 'src/volume';

export const ASSERTED: readonly AssertedMutant[] = [
  {
    name: 'what is finished is given back too',
    seed: 27,
    message: 'I6: expected a stage that may follow the present one',
    file: `${VOLUME}/local-queue.ts`,
    find: "(['claimed', 'undecided', 'ready'] as const)",
    replace: "(['claimed', 'undecided', 'ready', 'finished'] as const)",
  },
  {
    name: 'more is claimed than fits',
    seed: 4,
    message: 'I6: expected held <= capacity',
    file: `${VOLUME}/claim-target.ts`,
    find: 'return Math.min(this.#capacity, this.#worker.slots() + prefetch);',
    replace: 'return this.#capacity + prefetch + 1;',
  },
  {
    name: 'a settled state stays in its stage',
    seed: 1,
    message: 'I3: expected one stage of each held state',
    file: `${VOLUME}/claimed-tasks.ts`,
    find: `    this.#byStage[task.stage].delete(task);
    this.#following.delete`,
    replace: '    this.#following.delete',
  },
  {
    name: 'an expired session keeps what it held',
    seed: 29,
    message: 'I6: expected a new session to hold nothing',
    file: `${VOLUME}/cycle-loop.ts`,
    find: `this.queue.held);
      this.queue.abandon();`,
    replace: 'this.queue.held);',
  },
  {
    name: 'a step is linked without a staged record',
    seed: 1,
    message: 'I2: expected a staged record before the link',
    file: `${VOLUME}/commit.ts`,
    find: 'for (const step of ofBundle) step.staged = path;',
    replace: '',
  },
  {
    name: 'a step whose event belongs to another state is linked',
    seed: 419,
    message: 'I1: expected progress staged before the link',
    file: `${VOLUME}/commit.ts`,
    find: "if (outcome === 'taken') discard(step);",
    replace: "if (outcome === 'taken') discard(step), assigned.push(step);",
  },
  {
    name: 'steps are published that are only staged',
    seed: 5,
    message: 'I2: expected a commit before it is published',
    file: `${VOLUME}/commit.ts`,
    find: "await publishSuccessors(context, at(steps, 'committed'), guard);",
    replace:
      "await publishSuccessors(context, [...at(steps, 'staged'), ...at(steps, 'committed')], guard);",
  },
  {
    name: 'steps are unstaged that are only committed',
    seed: 12,
    message: 'I3: expected all to be published before it is unstaged',
    file: `${VOLUME}/commit.ts`,
    find: "await unstage(context, at(steps, 'published'), guard);",
    replace:
      "await unstage(context, [...at(steps, 'committed'), ...at(steps, 'published')], guard);",
  },
  {
    name: 'a record names another state',
    seed: 1,
    message: 'I2: expected the record of the state that is claimed',
    file: 'src/worker/plan.ts',
    find: 'state: tick.name,\n    session',
    replace: 'state: `${tick.instance}.state`,\n    session',
  },
  {
    name: 'a record names another session',
    seed: 1,
    message: 'I1: expected a record of the session that commits',
    file: 'src/worker/worker.ts',
    find: `    return {
      session,
      worker`,
    replace: `    return {
      session: this.#options.name,
      worker`,
  },
  {
    name: 'a successor has the number of its state',
    seed: 1,
    message: 'I2: expected the next number for the successor',
    file: 'src/machine/step-effects.ts',
    find: 'const successor = successorName(name);\n  if (content',
    replace: 'const successor = name;\n  if (content',
  },
  {
    name: 'events lead to a state with the same number',
    seed: 3,
    message: 'I2: expected the next number for the successor',
    file: 'src/machine/event-batch.ts',
    find: 'const next = successorName(name);',
    replace: 'const next = name;',
  },
  {
    name: 'branches have the name of one',
    seed: 1,
    message: 'I12: expected distinct names of branches',
    file: 'src/machine/fork.ts',
    find: 'name: stateName(own, 0),',
    replace: 'name: stateName(instance, 0),',
  },
  {
    name: 'the end of a branch is counted and not kept',
    seed: 1,
    message: 'I12: expected one end of a branch for each event that was applied',
    file: 'src/machine/fork.ts',
    find: '    join = after;\n',
    replace: '',
  },
  {
    name: 'a step that goes on has no successor',
    seed: 1,
    message: 'I2: expected a successor of every step but the last',
    file: 'src/machine/step-effects.ts',
    find: 'content = formatSuccessor(file, machine.name, { state: answer.state, payload, notBefore });',
    replace: '',
  },
  {
    name: 'quotas are rounded up',
    seed: 1,
    message: 'I5: expected quotas that add up to min(available, capacity)',
    file: `${VOLUME}/phases/assignment.ts`,
    find: 'const before = Math.floor(through / weight);',
    replace: 'const before = Math.floor(through / weight) - 1;',
  },
  {
    name: 'what slices leave over is not dealt',
    seed: 1,
    message: 'I5: expected complete shares',
    file: `${VOLUME}/phases/assignment.ts`,
    find: 'dealRoundRobin(shares, namesAt(overflow, ring), ring, cycle);',
    replace: '',
  },
  {
    name: 'what slices have taken is dealt again',
    seed: 1,
    message: 'I5: expected disjoint shares',
    file: `${VOLUME}/phases/assignment.ts`,
    find: 'else overflow.push(index);',
    replace: 'overflow.push(index);',
  },
  {
    name: 'a worker is paired twice',
    seed: 16,
    message: 'I5: expected min(workers, available) pairs',
    file: `${VOLUME}/phases/assignment.ts`,
    find: 'free.delete(taker);',
    replace: '',
  },
  {
    name: 'a turn goes on in the same phase of later cycles',
    seed: 3,
    message: 'I4: expected canFinish wherever canBegin',
    file: `${VOLUME}/phases/cycle.ts`,
    find: 'isWithin(phases, interval, turn.phase, turn.cycle)',
    replace: 'isWithin(phases, interval, turn.phase)',
  },
  {
    name: 'contradicting samples of the clock are both kept',
    seed: 5,
    message: 'I4: expected earliest <= latest of the time',
    file: `${VOLUME}/phases/volume-clock.ts`,
    find: 'return low > high ? fresh : { ...fresh, low, high };',
    replace: 'return { ...fresh, low, high };',
  },
  {
    name: 'a session watches its own lease',
    seed: 1,
    message: "I6: expected another session's lease",
    file: `${VOLUME}/lease-watch.ts`,
    find: 'if (session !== token.session && !isJunkName(session)) await',
    replace: 'if (!isJunkName(session)) await',
  },
  {
    name: 'a session that has come back is recovered',
    seed: 106,
    message: 'I6: expected to break the lease of a dead session only',
    file: `${VOLUME}/recovery.ts`,
    find: 'if (!isStill) continue;',
    replace: '',
  },
  {
    name: 'events are applied in the order of a listing',
    seed: 8,
    message: 'I10: expected events in the order of their names',
    file: `${VOLUME}/inbox.ts`,
    find: 'for (const waiting of due.values()) if (waiting.length > 1) waiting.sort();',
    replace: '',
  },
  {
    name: 'the worker forgets what it has taken',
    seed: 1,
    message: 'I6: expected a tick of a held state',
    file: 'src/worker/worker.ts',
    find: 'this.#active.add(task);',
    replace: '',
  },
  {
    name: 'the end of a tick is not counted',
    seed: 1,
    message: 'I3: expected to settle all that was taken',
    file: 'src/worker/worker.ts',
    find: 'this.#ticks -= 1;',
    replace: '',
  },
];
