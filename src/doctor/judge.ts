/** What the measurements are worth: a verdict and a sentence for each property. Pure. */
import { knownOf } from './file-system.ts';
import type { Measured } from './measured.ts';
import type { Judge, PropertyVerdict } from './opinion.ts';
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
      return [
        'warning',
        type,
        'It is mounted soft: a lost answer becomes an error. Mount it hard.',
      ];
    }
    if (network) return ['warning', type, remark ?? 'A network file system: its caches decide.'];
    if (type.startsWith('unknown')) return ['warning', type, 'Nothing is known of this type.'];
    return ['good', type, 'A local file system.'];
  },
};

const NAMES: Readonly<Record<string, Judge>> = {
  'letter case': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.caseSensitive) return ['good', 'kept apart', 'x.state and X.state are two.'];
    return ['warning', 'one', 'x.state and X.state are one file: do not use both.'];
  },

  'long names': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.longErrno === undefined) return ['good', '255 bytes', 'Names may be as long.'];
    return [
      'warning',
      names.longErrno,
      'Names of 255 bytes are refused: keep those of states short.',
    ];
  },

  'names in UTF-8': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.utf8) return ['good', 'kept', 'They are listed as they were given.'];
    return ['warning', 'altered', 'They are not kept as given: name states in ASCII.'];
  },
};

const JUDGES: Readonly<Record<string, Judge>> = { ...KIND, ...SAFETY, ...TIMING, ...NAMES };

/** In the order of the table; only of what was measured. */
export function judge(measured: Measured): Judgement[] {
  return Object.entries(JUDGES).flatMap(([property, opinionOn]) => {
    const opinion = opinionOn(measured);
    if (opinion === undefined) return [];
    const [verdict, figure, sentence] = opinion;
    return [{ property, verdict, measured: figure, sentence }];
  });
}

/** Without these nobody can say that a volume is fit. */
const ESSENTIAL_PROBES = ['links', 'durable', 'stamps'] as const;

/** Nothing bad was found, and what matters most was measured. */
export function isFit(measured: Measured): boolean {
  const isKnown = ESSENTIAL_PROBES.every((key) => measured[key] !== undefined);
  return isKnown && judge(measured).every(({ verdict }) => verdict !== 'bad');
}

/** For a line of a log, or an error. */
export function sentenceOf({ property, measured, sentence }: Judgement): string {
  return `${property}: ${measured}. ${sentence}`;
}
