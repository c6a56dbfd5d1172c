/** What is thought of one property. */
import type { Measured } from './measured.ts';

/** `bad`: the volume cannot be used, or not safely; `warning`: it can, but somebody should know. */
export type PropertyVerdict = 'good' | 'warning' | 'bad';

/** The figure, short; and a sentence on what was found, and what to do about it. */
export type Opinion = readonly [verdict: PropertyVerdict, measured: string, sentence: string];

/** Undefined where there is nothing to judge. */
export type Judge = (measured: Measured) => Opinion | undefined;

export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`;
