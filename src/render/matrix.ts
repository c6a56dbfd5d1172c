/** A machine's table as a Markdown table: states are rows, events are columns. */
import type { Machine } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { impossible, same, verdictsOf, type Cell, type Verdict } from '../machine/table.ts';
import { shortDuration, visible } from './text.ts';

/** `·` is same, `✗` is impossible, `→` is a target; a choice starts with its label. Throws `no-table`. */
export function matrixOf(machine: Machine): string {
  const { name, kinds, events, initial, rules, timers } = machine;
  if (rules === undefined) {
    const message = `cannot draw a matrix of machine ${name}: it has no table of states and events`;
    throw new UserError('no-table', message, { machine: name });
  }
  const rows = [...kinds.keys()].map((state) => [
    escape(state),
    ...events.map((event) => cellText(rules.table[state]![event]!)),
  ]);
  const goals = Object.entries(rules.goals).map(
    ([event, goal]) => `${escape(event)}: ${escape(goal)}`,
  );
  const waits = [...timers].flatMap(([state, all]) =>
    all.map(
      ({ after, event }) => `${escape(state)}, after ${shortDuration(after)}: ${escape(event)}`,
    ),
  );
  const runs = [...rules.activities.keys()].map(escape);
  const notes = [
    `Starts in ${escape(initial)}.`,
    ...(goals.length > 0 ? [`Goals: ${goals.join('; ')}.`] : []),
    ...(waits.length > 0 ? [`Timers: ${waits.join('; ')}.`] : []),
    ...(runs.length > 0 ? [`After transitions, it may run: ${runs.join('; ')}.`] : []),
  ];
  return `${tableOf(['', ...events.map(escape)], rows)}\n\n${notes.join('\n')}`;
}

function cellText(cell: Cell): string {
  const verdicts = [...new Set(verdictsOf(cell))].map(verdictText);
  return typeof cell === 'object'
    ? `${escape(cell.label)}: ${verdicts.join(' / ')}`
    : verdicts.join();
}

function verdictText(verdict: Verdict): string {
  if (verdict === same) return '·';
  return verdict === impossible ? '✗' : `→ ${escape(verdict)}`;
}

/** Pads columns, so that the source is readable, too. */
function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((row) => row[column]!.length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** Escapes characters that mean something in Markdown; an underscore within a word does not. */
function escape(name: string): string {
  return visible(name)
    .replace(/[\\`*[\]<>|~&$#]/g, '\\$&')
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_');
}
