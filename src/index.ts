/** Public names: for modules of machines, and for programs that embed workers and clients. */
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
  HookActivity,
  Hooks,
  HookTick,
  Json,
  Machine,
  MachineOptions,
  PastStep,
  PastTransition,
  RetryOptions,
  TableOptions,
  Tick,
  TickActivity,
  TickContext,
} from './machine/definition.ts';
export { FatalError, UserError, type ErrorCode } from './machine/errors.ts';
export { InvariantError } from './machine/invariant.ts';
export type { EventRequest, HookRun, Transition } from './machine/decide.ts';
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
export { openEngine, initEngine, memoryEngine, type OpenEngineOptions } from './api/open-engine.ts';
export {
  createWorker,
  type CreateWorkerOptions,
  type StopOptions,
  type WorkerEvents,
  type WorkerHandle,
} from './api/create-worker.ts';
export {
  createClient,
  type Client,
  type EventOptions,
  type EventToSend,
  type ListFilter,
  type NewInstance,
  type SendOptions,
} from './api/create-client.ts';
export { transition, type TransitionEvent } from './api/transition.ts';
export type { Decision } from './machine/decide.ts';
export type {
  Caution,
  ChangeHint,
  ClientApi,
  Counts,
  Engine,
  EventResult,
  InstanceFilter,
  InstanceStatus,
  InstanceStep,
  JournalEntry,
  ListedInstance,
  InstancePage,
  NewEvent,
  NewPlace,
  NewState,
  Page,
  PlaceResult,
  ResetFilter,
  ResetResult,
  SendResult,
  SubmitResult,
  TickPage,
  WorkerView,
} from './engine/engine.ts';
export type { Log } from './engine/ports.ts';
export type { Outcome, Session, Settled, Settlement, Task, WorkerInfo } from './engine/session.ts';
export type { Summary } from './worker/ports.ts';
export type { SettledStep } from './worker/settler.ts';
