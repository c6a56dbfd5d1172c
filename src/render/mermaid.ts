/** A machine as a Mermaid state diagram, which many sites draw where they show Markdown. */
import type { Machine } from '../machine/definition.ts';
import { drawingOf } from './arrows.ts';

/** One line for each event that leads somewhere. */
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
 * Mermaid's own entities for whatever might mean something to it. `direction LR` is a statement, wherever on a line
 * it stands; a text that begins as a list does is taken for one.
 */
function escape(text: string): string {
  const entity = (one: string): string => `#${one.codePointAt(0)};`;
  return text
    .replace(/[^\p{L}\p{N}\p{M} ,()?!'=/_[\]-]|--|\[(?=\[)|^-/gu, (one) =>
      [...one].map(entity).join(''),
    )
    .replace(/direction(?= )/gi, (word) => entity(word[0]!) + word.slice(1));
}
