/** What waiting costs: a worker with nothing to do, and one that has to look each cycle and finds nothing. */
import { FlockworkRig } from '../flockwork.ts';
import { watchLoad } from '../foreign.ts';
import type { Row } from '../model.ts';
import { pause } from '../processes.ts';

/**
 * A listing is kept if it has rested for a lease (10 s) when it is made; the next one comes after a hundred times the time
 * that one took.
 */
const SETTLE = 30_000;
/** Longer than the row lasts, shorter than a tick may take (5 min). */
const HOLD = 240_000;
const CONCURRENCY = 4;

export const idle: Row = {
  name: 'idle',
  title: ({ done, seconds }) =>
    `One idle worker with --watch, for ${seconds} s, with nothing done and with ${done} states done`,
  metrics: [
    { name: 'empty', unit: '% of a core, nothing done', digits: 2 },
    { name: 'full', unit: '% of a core, many done', digits: 2 },
    { name: 'cycle', unit: 'ms CPU a cycle, many done', digits: 2 },
  ],
  bound: 'timers: the heartbeat, the leases of the others, and a look at the volume in each cycle.',
  charts: [],
  notes: [
    'The last column measures a worker with one tick that waits: the tick keeps it from sleeping, so that it goes through every phase of every cycle.',
  ],
  maxRounds: 3,
  measure: async ({ amounts, site }) => {
    const loads: number[] = [];
    /** The share of a core, and of a cycle in ms. */
    const watch = async (done: number, isHeld: boolean): Promise<{ share: number; ms: number }> => {
      await using rig = new FlockworkRig(site(), []);
      await rig.putDone(done);
      if (isHeld) await rig.put({ kind: 'sleep', milliseconds: HOLD }, 1);
      await rig.release();
      await rig.start(CONCURRENCY, 1);
      await pause(SETTLE);
      const endSpan = watchLoad();
      await pause(amounts.seconds * 1000);
      const { cpu, seconds, foreign } = endSpan();
      loads.push(foreign);
      const share = cpu / 1000 / seconds;
      return { share, ms: share * rig.cycle };
    };
    const found = {
      empty: 100 * (await watch(0, false)).share,
      full: 100 * (await watch(amounts.done, false)).share,
      cycle: (await watch(amounts.done, true)).ms,
    };
    return { ...found, foreign: Math.max(...loads) };
  },
};
