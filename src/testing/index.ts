/** For tests: the exercise that every engine must pass, and the simulation of a user's machines. Not loaded by a worker. */
import type { MakeEngine, TestFramework } from './bench.ts';
import { exerciseOperators, exercisePlace } from './exercise-operators.ts';
import { exerciseClients, exerciseLists } from './exercise-clients.ts';
import { exerciseModel } from './exercise-model.ts';
import { exerciseSessions } from './exercise-sessions.ts';
import { exerciseWorkers } from './exercise-workers.ts';

export {
  simulate,
  type SimulatedEvent,
  type SimulateOptions,
  type SimulationFinding,
  type SimulationResult,
} from './simulate.ts';
export type { InstanceEnd } from '../sim/own-work.ts';
export type { SimulatedEngine } from '../sim/campaign.ts';
export type { EngineBench, Expect, MakeEngine, TestFramework } from './bench.ts';

/**
 * Registers the tests of the engine contract, each on an engine of its own: clients, sessions, workers and random calls
 * against a model. `make`: a new, empty engine whose time passes when the exercise says so. `framework`: `test` and
 * `expect` of vitest, or functions like them.
 */
export function exerciseEngine(name: string, make: MakeEngine, framework: TestFramework): void {
  const { expect } = framework;
  const test: TestFramework['test'] = (what, body) => framework.test(`${name}: ${what}`, body);
  for (const exercise of [
    exerciseClients,
    exerciseLists,
    exerciseOperators,
    exercisePlace,
    exerciseSessions,
    exerciseWorkers,
    exerciseModel,
  ])
    exercise({ test, expect }, make);
}
