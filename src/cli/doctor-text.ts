/** Formats the findings of `flockwork doctor`, for people and for programs. Pure. */
import { flagsOf, type Advice } from '../doctor/advice.ts';
import type { Examination } from '../doctor/examine.ts';
import { isFit, type Judgement } from '../doctor/judge.ts';
import type { Latency } from '../doctor/measured.ts';
import { formatDuration } from '../machine/duration.ts';
import { quoted } from './flags.ts';
import { defaultTiming } from '../api/open-volume.ts';
import { paint, table } from './tables.ts';

const MARKS = { good: '✓', warning: '!', bad: '✗' } as const;
const STYLES = { '✓': 'green', '!': 'yellow', '✗': 'red' } as const;

export interface Findings extends Examination {
  readonly judgements: readonly Judgement[];
  /** Undefined if too little was measured. */
  readonly advice: Advice | undefined;
}

export function asJson(directory: string, findings: Findings): string {
  const { measured, skipped, judgements, advice } = findings;
  const recommended = advice && { ...advice, flags: flagsOf(advice) };
  const usable = isFit(measured);
  return JSON.stringify({ directory, usable, judgements, recommended, skipped, measured });
}

export function describe(directory: string, findings: Findings): string {
  const { measured, skipped, judgements } = findings;
  const rows = judgements.map(({ property, verdict, measured: figure, sentence }) => [
    MARKS[verdict],
    property,
    figure,
    sentence,
  ]);
  const marked = table(['', 'property', 'measured', 'which means'], rows).replace(
    /^[✓!✗]/gm,
    (mark) => paint(STYLES[mark as keyof typeof STYLES], mark),
  );
  const parts = [
    marked,
    latencyTable(measured.latency ?? []),
    skipped.map(({ what, why }) => `not measured: ${what} (${why})`).join('\n'),
    conclusion(directory, findings),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function latencyTable(latency: readonly Latency[]): string {
  if (latency.length === 0) return '';
  const fine = (ms: number): string => (ms < 10 ? `${ms.toFixed(2)} ms` : formatDuration(ms));
  const rows = latency.map(({ operation, median, p95, count }) => [
    operation,
    fine(median),
    fine(p95),
    String(count),
  ]);
  return table(['operation', 'median', 'p95', 'times'], rows);
}

function conclusion(directory: string, findings: Findings): string {
  if (!isFit(findings.measured)) {
    const bad = findings.judgements.filter(({ verdict }) => verdict === 'bad');
    const why = bad.length > 0 ? bad.map(({ property }) => property) : ['it cannot be measured'];
    return paint('red', `${directory} cannot be used as a volume: ${why.join(', ')}.`);
  }
  const usable = paint('green', `${directory} can be used as a volume.`);
  const { advice, measured } = findings;
  if (advice === undefined) return usable;
  const usual = defaultTiming(measured.fileSystem.network);
  if (flagsOf(advice) === flagsOf(usual)) return `${usable} The defaults will do.`;
  return `${usable} For what was measured, the first worker should say:\nflockwork worker --dir ${quoted(directory)} ${flagsOf(advice)}`;
}
