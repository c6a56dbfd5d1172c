/** Events to instances that wait for them: what one costs, alone and among many for the same instance. */
import { createClient, openEngine } from '../../src/index.ts';
import { FlockworkRig } from '../flockwork.ts';
import { watchLoad, type LoadSpan } from '../foreign.ts';
import type { Row } from '../model.ts';
import { run } from '../processes.ts';
import { untilQuiet } from '../usage.ts';

const CONCURRENCY = 50;
/** Events to each instance, in the second part. */
const MANY_EVENTS = 100;

export const events: Row = {
  name: 'events',
  title: ({ events: count }) =>
    `${count} events to instances that wait for them, one to each, and ${MANY_EVENTS} to each`,
  metrics: [
    { name: 'cpu', unit: 'µs CPU an event, one each', digits: 0 },
    { name: 'cpuMany', unit: `µs CPU an event, ${MANY_EVENTS} each`, digits: 0 },
    { name: 'rate', unit: 'events/s, one each', digits: 0 },
    { name: 'rateMany', unit: `events/s, ${MANY_EVENTS} each`, digits: 0 },
    { name: 'send', unit: 'µs to send one', digits: 0 },
  ],
  bound:
    'processor time: an event is a file that is read, given to a state, and given an outcome. Events that are due together are one commit.',
  charts: [],
  notes: [
    'The instances wait, the events are sent and held back (`flockwork pause`); time is measured from the release to the last outcome. The ' +
      'column “to send” is time on the clock, of one client that sends all together. The other systems have no instances that wait: ' +
      'with them an event would be a job, as in the drain.',
  ],
  maxRounds: 3,
  measure: async ({ system, amounts, site }) => {
    const measure = async (perInstance: number): Promise<LoadSpan & Timed> => {
      const place = site();
      await using rig = await system.open(place);
      if (!(rig instanceof FlockworkRig)) throw new TypeError('only Flockwork has events');
      const instances = Math.ceil(amounts.events / perInstance);
      const count = instances * perInstance;
      const sendMs = await fill(rig.volume, instances, count);
      await rig.start(CONCURRENCY);
      await run('sync', ['-f', place.directory]);
      await untilQuiet();
      const endSpan = watchLoad();
      const begin = await rig.release();
      const end = await rig.finished(count, 'outcomes');
      return { ...endSpan(), count, ms: end - begin, sendMs };
    };
    const [one, many] = [await measure(1), await measure(MANY_EVENTS)];
    return {
      cpu: (one.cpu * 1000) / one.count,
      cpuMany: (many.cpu * 1000) / many.count,
      rate: (one.count / one.ms) * 1000,
      rateMany: (many.count / many.ms) * 1000,
      send: (one.sendMs * 1000) / one.count,
      foreign: Math.max(one.foreign, many.foreign),
    };
  },
};

interface Timed {
  readonly count: number;
  /** From the release to the last outcome. */
  readonly ms: number;
  readonly sendMs: number;
}

/** Submits lamps, and sends them events in turn; resolves with the time that sending took, ms. */
async function fill(volume: string, instances: number, count: number): Promise<number> {
  const engine = await openEngine(`volume:${volume}`);
  const client = createClient(engine);
  const lamp = (index: number): string => `lamp-${index % instances}`;
  await client.submitMany(
    Array.from({ length: instances }, (_, index) => ({ instance: lamp(index), machine: 'lamp' })),
  );
  const begin = performance.now();
  await client.sendMany(
    Array.from({ length: count }, (_, index) => ({ instance: lamp(index), event: 'press' })),
  );
  const ms = performance.now() - begin;
  await engine.close();
  return ms;
}
