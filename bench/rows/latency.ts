/** Latency of an item that arrives when all workers are idle. */
import { existsSync, readFileSync } from 'node:fs';
import { watchLoad } from '../foreign.ts';
import type { Row, Site } from '../model.ts';
import { pause, until } from '../processes.ts';
import { quantile } from '../statistics.ts';
import { untilQuiet } from '../usage.ts';

const CONCURRENCY = 50;
/** Random pause between items, ms: longer than a cycle, so that all workers are idle again. */
const SHORTEST_GAP = 1000;
const LONGEST_GAP = 2500;
const NANOSECONDS = 1e6;

export const latency: Row = {
  name: 'latency',
  title: ({ drops }) =>
    `Idle latency: ${drops} items, one by one at random moments, to the start of the handler`,
  metrics: [
    { name: 'p50', unit: 'ms p50', digits: 1 },
    { name: 'p99', unit: 'ms p99', digits: 1 },
    { name: 'cycles50', unit: 'cycles p50', digits: 2 },
    { name: 'cycles99', unit: 'cycles p99', digits: 2 },
  ],
  bound:
    'the phase of the cycle in which an item arrives, for Flockwork: only Update System takes work in, and with --eager there are ' +
    '60 ms of each cycle in which nothing may be claimed. For the queues, a message to an idle client.',
  charts: ['p50'],
  notes: [
    'Time is measured from just before the item is submitted until its handler reads the clock, on the monotonic clock that all processes share. The pause between items is ' +
      `${SHORTEST_GAP / 1000} to ${LONGEST_GAP / 1000} s.`,
  ],
  maxRounds: 1,
  measure: async ({ system, amounts, site }) => {
    const place = site();
    await using rig = await system.open(place);
    await rig.start(CONCURRENCY);
    await rig.release();
    await untilQuiet();
    const endSpan = watchLoad();
    const dropped = new Map<number, bigint>();
    for (let id = 0; id < amounts.drops; id += 1) {
      await pause(SHORTEST_GAP + Math.random() * (LONGEST_GAP - SHORTEST_GAP));
      dropped.set(id, process.hrtime.bigint());
      await rig.drop({ kind: 'stamp', id });
      await until('the item is handled', () => readStamps(place).has(id), 25);
    }
    const stamps = readStamps(place);
    const waits = [...dropped].map(([id, at]) => Number(stamps.get(id)! - at) / NANOSECONDS);
    const [p50, p99] = [quantile(waits, 0.5), quantile(waits, 0.99)];
    const { cycle } = rig;
    return {
      p50,
      p99,
      foreign: endSpan().foreign,
      ...(cycle !== undefined && { cycles50: p50 / cycle, cycles99: p99 / cycle }),
    };
  },
};

/** Item → the moment of its handler's first run. */
function readStamps({ stamps }: Site): Map<number, bigint> {
  const found = new Map<number, bigint>();
  if (!existsSync(stamps)) return found;
  for (const line of readFileSync(stamps, 'utf8').trim().split('\n')) {
    const [id = '', at = ''] = line.split(' ');
    if (!found.has(Number(id)) && at !== '') found.set(Number(id), BigInt(at));
  }
  return found;
}
