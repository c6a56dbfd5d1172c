/** A finding as text: its message, and its trace with one numbered line per step. */
import type { StepCause, Finding, Trace, TracedStep } from './findings.ts';

const CAUSE_TEXTS: Readonly<Record<StepCause, string>> = {
  input: 'from outside',
  timer: 'timer',
  event: 'waiting',
};

export function storyOf({ kind, message, trace }: Finding): string {
  const heading = `${kind}: ${message}`;
  return trace === undefined ? heading : [heading, ...linesOf(trace)].join('\n');
}

function linesOf({ steps, isExact, end }: Trace): string[] {
  const width = String(steps.length).length;
  const margin = ' '.repeat(width + 4);
  const lines = steps.flatMap((together, at) => {
    const number = `  ${String(at + 1).padStart(width)}  `;
    const [first] = together;
    if (together.length === 1) return indent(number, margin, linesOfStep(first!));
    return [
      `${number}simultaneously, on the same snapshot:`,
      ...together.flatMap((step) => indent(`${margin}- `, `${margin}  `, linesOfStep(step))),
    ];
  });
  const where = Object.entries(end).map(([instance, state]) => `${instance}: ${state}`);
  const begin = steps.length === 0 ? 'at the start' : 'then';
  const doubt =
    'it takes an event more often than the event was sent; raise waiting.repeats for an exact trace';
  return [
    ...lines,
    `${margin}${begin} ${where.join(', ')}`,
    ...(isExact ? [] : [`${margin}${doubt}`]),
  ];
}

function indent(first: string, others: string, lines: readonly string[]): string[] {
  return lines.map((line, at) => (at === 0 ? first : others) + line);
}

function linesOfStep(step: TracedStep): string[] {
  const { instance, event, cause, from, to, outcome, reason, goal, emits } = step;
  const toward = goal === undefined ? '' : `, toward ${goal}`;
  const result =
    outcome === 'Ok'
      ? from === to
        ? `stays ${to}${toward}`
        : `${from} → ${to}${toward}`
      : `${outcome}: ${reason}`;
  return [
    `${instance}: ${event} (${CAUSE_TEXTS[cause]}): ${result}`,
    ...emits.map((one) => `sends ${one.to}: ${one.event}`),
  ];
}
