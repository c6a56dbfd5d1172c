/** Several volumes as one: for counts and progress of all of them together. */
import type { Overview } from '../volume/overview.ts';

export function sumOf(overviews: readonly Overview[]): Overview {
  const [first] = overviews;
  if (overviews.length === 1) return first!;
  return {
    paused: overviews.some(({ paused }) => paused),
    available: overviews.flatMap(({ available }) => available),
    delayed: new Map(overviews.flatMap(({ delayed }) => [...delayed])),
    inProgress: overviews.flatMap(({ inProgress }) => inProgress),
    done: overviews.flatMap(({ done }) => done),
    failed: overviews.flatMap(({ failed }) => failed),
    registered: [...new Set(overviews.flatMap(({ registered }) => registered))],
    sessions: overviews.flatMap(({ sessions }) => sessions),
    journal: overviews
      .flatMap(({ journal }) => journal)
      .sort((a, b) => (a.started < b.started ? -1 : Number(a.started > b.started))),
  };
}
