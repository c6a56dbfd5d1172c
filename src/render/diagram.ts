/** A machine as nodes and arrows, and as the text of a diagram: Graphviz, Mermaid. */
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

const NODE_STYLES: Record<StateKind, string> = {
  runnable: 'style="rounded,filled", fillcolor="#dbeafe"',
  waiting: 'style=rounded',
  terminal: 'style=rounded, peripheries=2',
};

/** A Graphviz diagram. */
export function dotOf(machine: Machine): string {
  const { title, nodes, arrows } = drawingOf(machine);
  const ids = new Map(nodes.map(({ name }, index) => [name, `s${index}`]));
  const start = nodes.find(({ isInitial }) => isInitial)!;
  const lines = [
    'rankdir=LR',
    'node [shape=box, fontname="sans-serif"]',
    'edge [fontname="sans-serif", fontsize=10]',
    'start [shape=point, width=0.15]',
    ...nodes.map(
      ({ name, text, kind }) => `${ids.get(name)} [label=${quote([text])}, ${NODE_STYLES[kind]}]`,
    ),
    `start -> ${ids.get(start.name)}`,
    ...arrows.map(
      ({ from, to, labels, isChoice }) =>
        `${ids.get(from)} -> ${ids.get(to)} [label=${quote(labels)}${isChoice ? ', style=dashed' : ''}]`,
    ),
  ];
  return [`digraph ${quote([title])} {`, ...lines.map((line) => `  ${line};`), '}'].join('\n');
}

/** Quotes lines of text. Graphviz interprets backslashes and HTML entities in labels. */
function quote(lines: readonly string[]): string {
  const quoted = (line: string): string => line.replace(/["\\]/g, '\\$&').replaceAll('&', '&amp;');
  return `"${lines.map(quoted).join('\\n')}"`;
}

/** A Mermaid state diagram, which many sites render in Markdown. One line for each event and target. */
export function mermaidOf(machine: Machine): string {
  const { nodes, arrows } = drawingOf(machine);
  const ids = new Map(nodes.map(({ name }, index) => [name, `s${index}`]));
  const start = nodes.find(({ isInitial }) => isInitial)!;
  const lines = [
    ...nodes.map(({ name, text }) => `state "${escape(text)}" as ${ids.get(name)}`),
    `[*] --> ${ids.get(start.name)}`,
    ...arrows.flatMap(({ from, to, labels }) =>
      labels.map((label) => `${ids.get(from)} --> ${ids.get(to)} : ${escape(label)}`),
    ),
    ...nodes
      .filter(({ kind }) => kind === 'terminal')
      .map(({ name }) => `${ids.get(name)} --> [*]`),
  ];
  return ['stateDiagram-v2', ...lines.map((line) => `  ${line}`)].join('\n');
}

/**
 * Replaces characters that may have a meaning in Mermaid by its entities. `direction LR` is a statement anywhere on a
 * line, and a text that starts like a list becomes one.
 */
function escape(text: string): string {
  const entity = (one: string): string => `#${one.codePointAt(0)};`;
  return text
    .replace(/[^\p{L}\p{N}\p{M} ,()?!'=/_[\]-]|--|\[(?=\[)|^-/gu, (one) =>
      [...one].map(entity).join(''),
    )
    .replace(/direction(?= )/gi, (word) => entity(word[0]!) + word.slice(1));
}
