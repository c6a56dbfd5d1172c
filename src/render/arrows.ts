/** A machine as nodes and arrows of a diagram. */
import type { Machine, StateKind } from '../machine/definition.ts';
import { verdictsOf, type Cell } from '../machine/table.ts';
import { shortDuration, visible } from './text.ts';

export interface Arrow {
  readonly from: string;
  readonly to: string;
  /** One line each: visible, not escaped. */
  readonly labels: readonly string[];
  /** The target depends on more than state and event. */
  readonly isChoice: boolean;
}

export interface Node {
  readonly name: string;
  /** Visible, not escaped. */
  readonly text: string;
  readonly kind: StateKind;
  readonly isInitial: boolean;
}

export interface Drawing {
  readonly title: string;
  readonly nodes: readonly Node[];
  readonly arrows: readonly Arrow[];
}

/** Events that change nothing have no arrow. */
export function drawingOf(machine: Machine): Drawing {
  const { name, version, kinds, initial } = machine;
  const nodes = [...kinds].map(([state, kind]) => ({
    name: state,
    text: visible(state),
    kind,
    isInitial: state === initial,
  }));
  const arrows = new Map<string, Arrow>();
  const add = (from: string, to: string, label: string, isChoice: boolean): void => {
    const key = JSON.stringify([from, to, isChoice]);
    const labels = [...(arrows.get(key)?.labels ?? []), label];
    arrows.set(key, { from, to, labels, isChoice });
  };
  for (const state of kinds.keys()) {
    for (const event of machine.events) {
      const cell = machine.rules!.table[state]![event]!;
      const label = visible(event) + whenOf(machine, state, event) + conditionOf(cell);
      const targets = new Set(verdictsOf(cell).filter((verdict) => typeof verdict === 'string'));
      for (const target of targets) add(state, target, label, typeof cell === 'object');
    }
    const activity = machine.activities.get(state);
    if (activity?.kind === 'command' && activity.next !== undefined) {
      add(state, activity.next, 'exit 0', false);
    }
  }
  const title = version === undefined ? name : `${name}:${version}`;
  return { title, nodes, arrows: [...arrows.values()] };
}

function whenOf({ timers }: Machine, state: string, event: string): string {
  const own = (timers.get(state) ?? []).filter((timer) => timer.event === event);
  return own.map(({ after }) => ` (after ${shortDuration(after)})`).join('');
}

function conditionOf(cell: Cell): string {
  return typeof cell === 'object' ? ` [${visible(cell.label)}]` : '';
}
