/** A very long backlog with a small inflow: when the first one runs, and how fast they go from then on. */
import { WORKERS, type Row } from '../model.ts';
import { pause, run } from '../processes.ts';
import { peakMemory } from '../usage.ts';

const CONCURRENCY = 50;
const INFLOW = 100;

export const million: Row = {
  name: 'million',
  title: ({ million: count, seconds }) =>
    `${count} pending states, and ten more a second, for ${seconds} s`,
  metrics: [
    { name: 'first', unit: 's to the first', digits: 2 },
    { name: 'rate', unit: 'states/s', digits: 0 },
    { name: 'worker', unit: 'MB peak of a worker', digits: 0 },
  ],
  charts: [],
  notes: [
    'The states are submitted before the workers start: the time to the first counts from the start of their processes. The rate is that of the ' +
      'seconds after the first one began.',
  ],
  maxRounds: 1,
  measure: async ({ system, amounts, site }) => {
    const place = site();
    await using rig = await system.open(place);
    await rig.put({ kind: 'noop' }, amounts.million);
    await rig.release();
    await run('sync', ['-f', place.directory]);
    const start = Date.now();
    const isStarted = rig.start(CONCURRENCY);
    const first = await rig.firstBegan();
    await isStarted;
    while (Date.now() - first < amounts.seconds * 1000) {
      await rig.drop({ kind: 'noop' });
      await pause(INFLOW);
    }
    const seconds = (Date.now() - first) / 1000;
    return {
      first: (first - start) / 1000,
      rate: (await rig.countDone()) / seconds,
      worker: peakMemory(rig.workerPids),
      workers: WORKERS,
    };
  },
};
