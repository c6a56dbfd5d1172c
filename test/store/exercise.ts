/**
 * What every store has to pass, whatever it keeps things in: `src/store/contract.ts`, method by method, the races, and
 * the worker itself on it. Time is virtual: nothing depends on how fast it is.
 */
import { describe } from 'vitest';
import type { MakeStore } from './bench.ts';
import { exerciseDeaths } from './exercise-deaths.ts';
import { exerciseEvents } from './exercise-events.ts';
import { exerciseFront } from './exercise-front.ts';
import { exerciseSessions } from './exercise-sessions.ts';
import { exerciseWorkers } from './exercise-workers.ts';

export function exercise(name: string, make: MakeStore): void {
  describe(name, () => {
    exerciseFront(make);
    describe('events', () => exerciseEvents(make));
    describe('sessions', () => exerciseSessions(make));
    describe('deaths', () => exerciseDeaths(make));
    describe('workers', () => exerciseWorkers(make));
  });
}
