/** Judges measurements: a verdict and a sentence for each property. Pure. */
import { knownOf } from './file-system.ts';
import type { Measured, Judge, PropertyVerdict } from './measured.ts';
import { SAFETY } from './safety.ts';
import { TIMING } from './timing.ts';

export interface Judgement {
  readonly property: string;
  readonly verdict: PropertyVerdict;
  readonly measured: string;
  readonly sentence: string;
}

const KIND: Readonly<Record<string, Judge>> = {
  'file system': ({ fileSystem }) => {
    const { type, network, options } = fileSystem;
    const remark = knownOf(type)?.remark;
    if (options.includes('soft')) {
      return ['warning', type, 'It is mounted soft: a lost reply becomes an error. Mount it hard.'];
    }
    if (network)
      return ['warning', type, remark ?? 'A network file system: its caches may be stale.'];
    if (type.startsWith('unknown')) return ['warning', type, 'This type is not known.'];
    return ['good', type, 'A local file system.'];
  },
};

const NAMES: Readonly<Record<string, Judge>> = {
  'letter case': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.caseSensitive) return ['good', 'distinguished', 'x.state and X.state are two files.'];
    return ['warning', 'ignored', 'x.state and X.state are one file: do not use both.'];
  },

  'long names': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.longErrno === undefined) return ['good', '255 bytes', 'Names may have 255 bytes.'];
    return [
      'warning',
      names.longErrno,
      'Names of 255 bytes are refused: use short names for states.',
    ];
  },

  'names in UTF-8': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.utf8) return ['good', 'kept', 'They are listed unchanged.'];
    return ['warning', 'altered', 'They are listed differently: use ASCII names for states.'];
  },
};

const JUDGES: Readonly<Record<string, Judge>> = { ...KIND, ...SAFETY, ...TIMING, ...NAMES };

/** One judgement for each measured property, in the order of the table. */
export function judge(measured: Measured): Judgement[] {
  return Object.entries(JUDGES).flatMap(([property, opinionOn]) => {
    const opinion = opinionOn(measured);
    if (opinion === undefined) return [];
    const [verdict, figure, sentence] = opinion;
    return [{ property, verdict, measured: figure, sentence }];
  });
}

/** Without these a volume cannot be called fit. */
const ESSENTIAL_PROBES = ['links', 'durable', 'stamps'] as const;

/** True if no verdict is bad and the essential probes have results. */
export function isFit(measured: Measured): boolean {
  const isKnown = ESSENTIAL_PROBES.every((key) => measured[key] !== undefined);
  return isKnown && judge(measured).every(({ verdict }) => verdict !== 'bad');
}

/** A judgement as text of a log line or an error. */
export function sentenceOf({ property, measured, sentence }: Judgement): string {
  return `${property}: ${measured}. ${sentence}`;
}
