/** Types of a judgement of one property. */
import type { Measured } from './measured.ts';

/** `bad`: the volume cannot be used safely; `warning`: it can, with the restriction in the sentence. */
export type PropertyVerdict = 'good' | 'warning' | 'bad';

/** `measured` is a short figure; `sentence` says what was found and what to do about it. */
export type Opinion = readonly [verdict: PropertyVerdict, measured: string, sentence: string];

/** Returns undefined if the property was not measured. */
export type Judge = (measured: Measured) => Opinion | undefined;

export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`;
