/** A trace for people: one line a step, numbered. */
import type { StepCause, Finding, Trace, TracedStep } from './findings.ts';

const CAUSE_TEXTS: Readonly<Record<StepCause, string>> = {
  input: 'from outside',
  timer: 'timer',
  event: 'was waiting',
};

/** What is wrong, and how it comes to it. */
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
    if (together.length === 1) return indent(number, margin, tell(first!));
    return [
      `${number}at once, on the same frozen world:`,
      ...together.flatMap((step) => indent(`${margin}- `, `${margin}  `, tell(step))),
    ];
  });
  const where = Object.entries(end).map(([instance, state]) => `${instance}: ${state}`);
  const begin = steps.length === 0 ? 'at the beginning' : 'then';
  const doubt =
    'it takes an event more often than that was sent: raise waiting.repeats to know more';
  return [
    ...lines,
    `${margin}${begin} ${where.join(', ')}`,
    ...(isExact ? [] : [`${margin}${doubt}`]),
  ];
}

function indent(first: string, others: string, lines: readonly string[]): string[] {
  return lines.map((line, at) => (at === 0 ? first : others) + line);
}

function tell(step: TracedStep): string[] {
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
