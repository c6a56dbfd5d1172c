/** Public names: what a module of machines imports from `flockwork`. */
export { done, next, type Answer } from './machine/answer.ts';
export type {
  Activity,
  ActivityOptions,
  CommandActivity,
  Json,
  Machine,
  MachineOptions,
  RetryOptions,
  Tick,
  TickActivity,
  TickContext,
} from './machine/definition.ts';
export { FatalError, UserError } from './machine/errors.ts';
export { machine } from './machine/machine.ts';
