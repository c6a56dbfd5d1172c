/** A machine as a Mermaid state diagram, which many sites render in Markdown. */
import type { Machine } from '../machine/definition.ts';
import { drawingOf } from './arrows.ts';

/** One line for each event and target. */
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
