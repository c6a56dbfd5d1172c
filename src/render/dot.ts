/** A machine as a Graphviz diagram. */
import type { StateKind, Machine } from '../machine/definition.ts';
import { drawingOf } from './arrows.ts';

const NODE_STYLES: Record<StateKind, string> = {
  runnable: 'style="rounded,filled", fillcolor="#dbeafe"',
  waiting: 'style=rounded',
  terminal: 'style=rounded, peripheries=2',
};

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
  const escape = (line: string): string => line.replace(/["\\]/g, '\\$&').replaceAll('&', '&amp;');
  return `"${lines.map(escape).join('\\n')}"`;
}
