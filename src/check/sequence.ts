/** A trace as a Mermaid sequence diagram: events, and the states that they lead to. */
import type { Finding, TracedStep } from './findings.ts';

/** Without a trace the diagram has only a title. */
export function sequenceOf({ kind, message, trace }: Finding): string {
  const steps = trace?.steps ?? [];
  const acting = steps.flat().map(({ instance }) => instance);
  const addressees = steps.flat().flatMap(({ emits }) => emits.map(({ to }) => to));
  const ids = new Map([...new Set([...acting, ...addressees])].map((name, at) => [name, `i${at}`]));
  const idOf = (name: string): string => ids.get(name)!;
  const hasInputs = steps.flat().some(({ cause }) => cause === 'input');
  const lines = [
    ...(hasInputs ? ['actor outside'] : []),
    ...[...ids].map(([name, id]) => `participant ${id} as ${escape(name)}`),
    ...steps.flatMap((together) =>
      together.length === 1
        ? linesOf(together[0]!, idOf)
        : together.flatMap((step, at) => [
            `${at === 0 ? 'par' : 'and'} on the same snapshot`,
            ...linesOf(step, idOf).map((line) => `  ${line}`),
            ...(at === together.length - 1 ? ['end'] : []),
          ]),
    ),
  ];
  return [
    '---',
    `title: ${JSON.stringify(`${kind}: ${message}`)}`,
    '---',
    'sequenceDiagram',
    ...lines.map((line) => `  ${line}`),
  ].join('\n');
}

function linesOf(step: TracedStep, idOf: (name: string) => string): string[] {
  const { instance, event, cause, from, to, outcome, emits } = step;
  const id = idOf(instance);
  // The sender of a waiting event was drawn when it sent it.
  const arrow = { input: `outside->>${id}`, timer: `${id}->>${id}`, event: `${id}-->>${id}` }[
    cause
  ];
  const result = outcome === 'Ok' ? (from === to ? to : `${from} → ${to}`) : outcome;
  return [
    `${arrow}: ${escape(event)}`,
    `Note over ${id}: ${escape(result)}`,
    ...emits.map((one) => `${id}-)${idOf(one.to)}: ${escape(one.event)}`),
  ];
}

/** Replaces characters that may have a meaning in Mermaid by its entities. */
function escape(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{M} ,.()?!'/_→-]|\bend\b/gu, (one) =>
    [...one].map((letter) => `#${letter.codePointAt(0)};`).join(''),
  );
}
