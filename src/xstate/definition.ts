/** Validates an XState machine before it runs, and computes the hash that identifies its snapshots. */
import { createHash } from 'node:crypto';
import type { AnyActorLogic, AnyStateMachine } from 'xstate';
import { UserError } from '../machine/errors.ts';

type StateNode = AnyStateMachine['root'];

export interface Definition {
  readonly name: string;
  readonly machine: AnyStateMachine;
  readonly hash: string;
  /** The promises that it invokes, by `src`. */
  readonly promises: ReadonlyMap<string, AnyActorLogic>;
}

/** Actions that only change the snapshot or its effects. Any other action has side effects of its own. */
const PURE_ACTIONS: ReadonlySet<unknown> = new Set(
  ['assign', 'raise', 'sendTo', 'cancel', 'enqueueActions'].map((name) => `xstate.${name}`),
);

/** Throws `bad-machine`, with a line in the message and an entry in `facts.problems` for each unsupported feature. */
export function define(machine: AnyStateMachine, name: string): Definition {
  if (!isMachine(machine)) {
    refuse(name, ['expected a machine made with createMachine of XState 5']);
  }
  const nodes = nodesBelow(machine.root);
  const invokes = nodes.flatMap((node) => node.invoke.map((_, index) => invokeAt(node, index)));
  const problems = [
    ...nodes.flatMap((node) => [...actionProblems(node), ...delayProblems(node)]),
    ...nodes.filter(({ invoke }) => invoke.length > 1).map(severalAt),
    ...invokes.flatMap(({ where, src, logic }) =>
      isPromise(logic)
        ? []
        : [
            `${where}: ${actorText(src)} is not made with fromPromise(…); no other actors are supported`,
          ],
    ),
  ];
  if (problems.length > 0) refuse(name, problems);
  const promises = new Map(invokes.map(({ src, logic }) => [src, logic!]));
  return { name, machine, hash: hashOf(machine, name), promises };
}

function refuse(name: string, all: readonly string[]): never {
  const problems = [...new Set(all)];
  const lines = problems.map((one) => (problems.length === 1 ? ` ${one}` : `\n  ${one}`)).join('');
  throw new UserError('bad-machine', `machine ${name}:${lines}`, { problems });
}

/** Also true for a machine of another copy of XState 5. */
function isMachine(value: unknown): value is AnyStateMachine {
  const { root, implementations, getPersistedSnapshot } = (value ?? {}) as Partial<AnyStateMachine>;
  return root !== undefined && implementations !== undefined && getPersistedSnapshot !== undefined;
}

function nodesBelow(node: StateNode): StateNode[] {
  return [node, ...Object.values(node.states).flatMap(nodesBelow)];
}

const placeOf = (node: StateNode): string =>
  node.path.length === 0 ? 'the machine' : `state ${node.path.join('.')}`;

function severalAt(node: StateNode): string {
  return `${placeOf(node)} invokes ${node.invoke.length} actors; one promise runs at a time`;
}

function invokeAt(
  node: StateNode,
  index: number,
): { readonly where: string; readonly src: string; readonly logic: AnyActorLogic | undefined } {
  const { src: named } = node.invoke[index]!;
  // XState names actors that are written inline.
  const src = typeof named === 'string' ? named : `invoke ${index}`;
  const configured: unknown = [node.config.invoke].flat()[index];
  const given = (configured as { src?: unknown }).src;
  const actors = node.machine.implementations.actors as Record<string, AnyActorLogic>;
  const logic = typeof given === 'object' ? (given as AnyActorLogic) : actors[src];
  return { where: `${placeOf(node)}, invoke`, src, logic };
}

const actorText = (src: string): string =>
  src.startsWith('xstate.invoke.') ? 'its actor' : `actor ${src}`;

/** Tested by its behaviour, for XState has no mark for it: the resolve event completes it. */
function isPromise(logic: AnyActorLogic | undefined): boolean {
  try {
    const active = { status: 'active', input: undefined, output: undefined, error: undefined };
    const event = { type: 'xstate.promise.resolve', data: 1 };
    const { status, output } = logic!.transition(active, event, {} as never);
    return status === 'done' && output === 1;
  } catch {
    return false;
  }
}

function actionProblems(node: StateNode): string[] {
  const transitions = [...node.transitions.values(), node.always ?? []].flat();
  const initial = node.type === 'compound' ? node.initial.actions : [];
  const all = [
    ...[...node.entry, ...initial].map((action) => ['entry', action] as const),
    ...node.exit.map((action) => ['exit', action] as const),
    ...transitions.flatMap(({ actions, eventType }) =>
      actions.map((action) => [eventType || 'always', action] as const),
    ),
  ];
  const given = node.machine.implementations.actions as Record<string, unknown>;
  return all.flatMap(([where, action]) => {
    const named = typeof action === 'string' ? action : (action as { type?: string }).type;
    const implemented: unknown = typeof action === 'function' ? action : given[named ?? ''];
    const { type, name = '' } = (implemented ?? {}) as { type?: string; name?: string };
    if (PURE_ACTIONS.has(type)) return [];
    if (implemented === undefined)
      return [`${placeOf(node)}, ${where}: there is no action ${named}`];
    // The name of an inline function is the key that it is under.
    const isNamed = named !== undefined || !['', 'actions', 'entry', 'exit'].includes(name);
    const called = isNamed ? `action ${named ?? name}` : 'a function';
    const reason = `${called} has side effects, which only an invoked promise may have`;
    return [`${placeOf(node)}, ${where}: ${reason}`];
  });
}

function delayProblems(node: StateNode): string[] {
  const given = node.machine.implementations.delays as Record<string, unknown>;
  return node.after.flatMap(({ delay }) =>
    typeof delay === 'string' && given[delay] === undefined
      ? [`${placeOf(node)}, after: there is no delay ${delay}`]
      : [],
  );
}

/** Hashes what snapshots depend on. Of a function it hashes the properties, as `assign` has, not the source text. */
function hashOf({ config }: AnyStateMachine, name: string): string {
  const plain = (_key: string, value: unknown): unknown =>
    typeof value === 'function' ? { ...value } : typeof value === 'bigint' ? `${value}n` : value;
  try {
    return createHash('sha256').update(JSON.stringify(config, plain)).digest('hex').slice(0, 16);
  } catch (error) {
    return refuse(name, [`cannot hash its definition: ${(error as Error).message}`]);
  }
}
