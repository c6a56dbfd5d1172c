/** Tables, the progress line and the bar, for people. */
import { styleText } from 'node:util';
import { formatDuration } from '../machine/duration.ts';
import type { JournalEntry } from '../volume/operations.ts';
import type { FailureRecord } from '../machine/record.ts';
import { oneLine, shown } from './terminal.ts';
import { placeOfFailure } from './stack.ts';
import type { ClaimInfo, FlagCounts } from '../volume/overview.ts';

type Style = Parameters<typeof styleText>[0];

/** Paints if standard output shows colours; `styleText` respects NO_COLOR and FORCE_COLOR. */
export function paint(style: Style, text: string): string {
  return styleText(style, shown(text), { stream: process.stdout });
}

/** Columns are as wide as their widest cell; numbers are right-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map(oneLine))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const isNumber = head.map((_, column) =>
    rows.every((row) => /^[\d.,]* ?(ms|s)?$/.test(row[column] ?? '')),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        isNumber[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd();
  return [paint('bold', line(head)), ...all.slice(1).map(line)].join('\n');
}

/** The first `max` names on one line, and how many more there are. */
export function namesText(names: readonly string[], max: number): string {
  const more = names.length - max;
  return names.slice(0, max).map(oneLine).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const RESULT_STYLE: Record<JournalEntry['result'], Style> = {
  done: 'green',
  failed: 'red',
  retry: 'yellow',
  lost: 'yellow',
  released: 'dim',
};

export function clockTime(iso: string): string {
  return iso.slice(11, 23);
}

/** The events that decided a step without a tick, in short: `pay: open → paid`. */
export function eventsText({ events = [] }: Pick<JournalEntry, 'events'>): string {
  return events
    .map(
      ({ event, outcome, from, to }) =>
        `${event}: ${to === undefined ? outcome : `${from} → ${to}`}`,
    )
    .join('; ');
}

/** Which steps ran where. */
export function workTable(journal: readonly JournalEntry[]): string {
  const rows = journal.map((entry) => [
    entry.state,
    entry.machine,
    entry.worker,
    clockTime(entry.started),
    entry.events === undefined ? formatDuration(entry.duration) : '',
    [entry.result, eventsText(entry)].filter((part) => part !== '').join(', '),
  ]);
  const text = table(['state', 'machine', 'worker', 'started', 'took', 'result'], rows);
  return text.replace(/  (done|failed|retry|lost|released)(?=$|, )/gm, (_, result) => {
    return `  ${paint(RESULT_STYLE[result as JournalEntry['result']], result as string)}`;
  });
}

/** Counts of flags, and the reasons of failures as far as they were read. */
export function flagTable(
  counts: FlagCounts,
  isArchiveSampled: boolean,
  failures: readonly FailureRecord[],
): string {
  const { available, delayed, inProgress, waiting, events, done, failed, archived } = counts;
  const parts = [
    paint('green', `${done} done`),
    `${inProgress} in progress`,
    `${available} available${delayed > 0 ? ` (${delayed} of them later)` : ''}`,
    failed > 0 ? paint('red', `${failed} failed`) : '0 failed',
  ];
  if (waiting > 0) parts.push(`${waiting} waiting`);
  if (events > 0) parts.push(`${events} pending ${events === 1 ? 'event' : 'events'}`);
  if (archived > 0) parts.push(`${isArchiveSampled ? 'about ' : ''}${archived} archived`);
  const reasons = failures.map(({ state, reason, line, column, attempts }) => {
    const place = line === undefined ? '' : `:${line}:${column ?? 1}`;
    const code = placeOfFailure(attempts, process.cwd());
    const where = code === undefined ? '' : ` (${oneLine(code)})`;
    return `  ${paint('red', state)}${place}: ${indented(reason)}${where}`;
  });
  const more = failed - failures.length;
  if (more > 0) reasons.push(`  … and ${more} more: flockwork list --status failed`);
  return [`flags: ${parts.join(', ')}`, ...reasons].join('\n');
}

/** A text of several lines as an item of a list. */
const indented = (text: string): string => shown(text).replaceAll('\n', '\n    ');

const BAR_CHARS = 30;

export function bar(part: number, whole: number): string {
  const full = whole === 0 ? BAR_CHARS : Math.floor((BAR_CHARS * part) / whole);
  return '█'.repeat(full) + '░'.repeat(BAR_CHARS - full);
}

/** One line of progress. The whole counts the known states only: chains may still grow. */
export function progressLine(
  { available, inProgress, done, failed }: FlagCounts,
  held: readonly ClaimInfo[],
  elapsed: number,
  columns: number | undefined,
): string {
  const settled = done + failed;
  const whole = settled + available + inProgress;
  const names = held.map(({ state, token }) => `${state}@${token?.worker ?? '?'}`).join(' ');
  const text = `${bar(settled, whole)} ${settled} of ${whole} ${formatDuration(elapsed)}  ${names}`;
  return columns === undefined ? text : text.slice(0, columns - 1);
}
