/** `flockwork doctor`: measures whether a directory is fit to be a volume, and which phases it needs. */
import { resolve } from 'node:path';
import { realClock, realRandom } from '../../api/node-ports.ts';
import { defaultTiming } from '../../api/open-volume.ts';
import { advise, flagsOf, type Advice } from '../../doctor/advice.ts';
import { examine, type Examination, type Subject } from '../../doctor/examine.ts';
import { isFit, judge, type Judgement } from '../../doctor/judge.ts';
import type { Measured, Latency } from '../../doctor/measured.ts';
import { nodeHost, startPeerProcess } from '../../doctor/node-host.ts';
import { scratchName } from '../../doctor/bench.ts';
import { formatDuration } from '../../machine/duration.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { readVolume } from '../../volume/open.ts';
import { COMMON, EXIT, ONE_VOLUME, type Command, type Io } from '../command.ts';
import { quoted } from '../settings.ts';
import { paint, table } from '../tables.ts';
import { directoryOf } from '../volumes.ts';

export const doctor: Command = {
  name: 'doctor',
  describe: 'Measure whether a directory is fit to be a volume, and which phases it needs',
  positional: { name: 'directory', describe: 'The directory [default: that of --dir]' },
  options: [...COMMON, 'through', 'json'],
  optionTexts: ONE_VOLUME,
  exits:
    '0 fit to be a volume, 2 not fit or wrong usage, 3 stopped before the end, 130 stopped by Ctrl-C.',
  examples: [
    ['$0 doctor /mnt/states', 'takes a few seconds; safe on a volume in use'],
    [
      '$0 doctor /mnt/a --through /mnt/b',
      'the same network directory, mounted twice: what one host sees of another',
    ],
    ['$0 doctor --dir /mnt/states --json', 'for programs; exit 2 if it cannot be used'],
  ],
  run: async (settings, [word], io) => {
    const directory = word === undefined ? directoryOf(settings, 'doctor') : resolve(word);
    const through = settings.through.map((mount) => resolve(mount));
    const files = new NodeFiles();
    // Throws if one of them is not a directory.
    for (const mount of [directory, ...through]) await readVolume(files, new Layout(mount));
    const subject: Subject = {
      directory,
      through,
      scratch: scratchName(realRandom),
      stop: io.stop,
      progress: (doing) => io.draw?.(`${doing} …`),
    };
    const examination = await run(files, subject, io);
    if (examination === undefined) return EXIT.incomplete;
    const { phases, lease } = (await readVolume(files, new Layout(directory))) ?? {};
    const measured: Measured = {
      ...examination.measured,
      ...(phases !== undefined && { phases }),
      ...(lease !== undefined && { lease }),
    };
    const findings: Findings = {
      measured,
      skipped: examination.skipped,
      judgements: judge(measured),
      advice: advise(measured),
    };
    io.print(settings.json ? asJson(directory, findings) : describe(directory, findings));
    return isFit(findings.measured) ? EXIT.done : EXIT.usage;
  },
};

/** Undefined if it was stopped. */
async function run(files: NodeFiles, subject: Subject, io: Io): Promise<Examination | undefined> {
  const ports = { files, clock: realClock, host: nodeHost };
  try {
    return await examine(ports, startPeerProcess, subject);
  } catch (error) {
    if (!io.stop.aborted) throw error;
    io.say('stopped; the measurement was removed from the directory');
    return undefined;
  } finally {
    io.draw?.('');
  }
}

const MARKS = { good: '✓', warning: '!', bad: '✗' } as const;
const STYLES = { '✓': 'green', '!': 'yellow', '✗': 'red' } as const;

export interface Findings extends Examination {
  readonly judgements: readonly Judgement[];
  /** Undefined if too little was measured. */
  readonly advice: Advice | undefined;
}

function asJson(directory: string, findings: Findings): string {
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
  return `${usable} For what was measured, start the first worker with:\nflockwork worker --dir ${quoted(directory)} ${flagsOf(advice)}`;
}
