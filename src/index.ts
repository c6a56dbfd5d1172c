/** Public names: what a module of machines imports from `flockwork`. */
export {
  done,
  fork,
  later,
  next,
  wait,
  type Answer,
  type AnswerOptions,
} from './machine/answer.ts';
export type {
  Activity,
  ActivityOptions,
  CommandActivity,
  Hooks,
  Json,
  Machine,
  MachineOptions,
  PastStep,
  RetryOptions,
  TableOptions,
  Tick,
  TickActivity,
  TickContext,
} from './machine/definition.ts';
export { FatalError, UserError } from './machine/errors.ts';
export type { EventRequest, Transition } from './machine/decide.ts';
export {
  choose,
  impossible,
  same,
  type Cell,
  type Choice,
  type InstanceSnapshot,
  type GuardContext,
  type Table,
  type Verdict,
} from './machine/table.ts';
export { machine } from './machine/machine.ts';
export {
  composition,
  never,
  possible,
  settles,
  type Claim,
  type Composition,
  type CompositionOptions,
  type World,
} from './check/composition.ts';
