/** A very long backlog with a small inflow: when the first one runs, and what it takes until the last one is done. */
import { watchLoad } from '../foreign.ts';
import type { Row } from '../model.ts';
import { pause, run } from '../processes.ts';
import { peakMemory } from '../usage.ts';

const CONCURRENCY = 50;
const INFLOW = 100;

export const million: Row = {
  name: 'million',
  title: ({ million: count, seconds }) =>
    `${count} pending states to the last one, and ten more a second for ${seconds} s`,
  metrics: [
    { name: 'cpu', unit: 'µs CPU a state', digits: 0 },
    { name: 'first', unit: 's to the first', digits: 2 },
    { name: 'rate', unit: 'states/s', digits: 0 },
    { name: 'worker', unit: 'MB peak of a worker', digits: 0 },
  ],
  bound:
    'processor time, as in the drain; until the first one, the listing of the directory; memory, the names of what is pending.',
  charts: [],
  notes: [
    'The states are submitted before the workers start: the time to the first counts from the start of their processes. The rate is that from ' +
      'the first one to the last; memory is measured at the end.',
  ],
  maxRounds: 1,
  measure: async ({ system, amounts, site }) => {
    const place = site();
    await using rig = await system.open(place);
    await rig.put({ kind: 'noop' }, amounts.million);
    await rig.release();
    await run('sync', ['-f', place.directory]);
    const endSpan = watchLoad();
    const start = Date.now();
    const isStarted = rig.start(CONCURRENCY);
    const first = await rig.firstBegan();
    await isStarted;
    let count = amounts.million;
    for (; Date.now() - first < amounts.seconds * 1000; count += 1) {
      await rig.drop({ kind: 'noop' });
      await pause(INFLOW);
    }
    const last = await rig.finished(count);
    const { cpu, foreign } = endSpan();
    return {
      cpu: (cpu * 1000) / count,
      first: (first - start) / 1000,
      rate: (count / (last - first)) * 1000,
      worker: peakMemory(rig.workerPids),
      foreign,
    };
  },
};
