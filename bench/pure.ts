/** Measures the pure parts, one call at a time, with tinybench: no files, no processes. */
import { Bench } from 'tinybench';
import { parseStateName } from '../src/machine/name.ts';
import { formatRecord, parseCommitRecord } from '../src/machine/record.ts';
import { formatStateFile, parseStateFile } from '../src/machine/state-file.ts';
import { assign } from '../src/volume/phases/assignment.ts';
import { Ring } from '../src/volume/phases/ring.ts';
import { LOCAL_PHASES, momentAt, momentOf } from '../src/volume/phases/cycle.ts';
import { hash } from '../src/volume/phases/hash.ts';

export interface PureResult {
  readonly name: string;
  /** Microseconds per call: median and 99th percentile. */
  readonly p50: number;
  readonly p99: number;
  readonly calls: number;
}

const TIME_EACH_MS = 500;
const STATES = 10_000;
const FLEET = 8;

const stateText = formatStateFile({ state: 'chain', payload: { left: 5, note: 'as in the rows' } });
const stateBytes = new TextEncoder().encode(stateText);
const recordText = formatRecord({
  flockwork: 1,
  state: 'chain-1.state-4',
  session: 'bench-0.0123456789abcdef',
  worker: 'bench-0',
  started: '2026-01-01T00:00:00.000Z',
  finished: '2026-01-01T00:00:00.100Z',
  machine: 'chain',
  next: { name: 'chain-1.state-5', content: stateText },
});
const tasks = Array.from({ length: STATES }, (_, index) => ({
  name: `noop-${index}.state`,
  instance: `noop-${index}`,
}));
const roster = Array.from({ length: FLEET }, (_, index) => ({
  session: `bench-${index}.0123456789abcdef`,
  name: `bench-${index}`,
  concurrency: 50,
  capacity: 1024,
}));

const PARTS: readonly (readonly [string, () => unknown])[] = [
  ['parse a state file', () => parseStateFile(stateBytes)],
  ['parse a state file’s name', () => parseStateName('chain-1.state-4')],
  ['parse a commit record', () => parseCommitRecord(recordText, 'chain-1.state-4')],
  ['which phase is it?', () => momentAt(LOCAL_PHASES, 1_767_225_600_123)],
  [
    'which phase is it, surely?',
    () => momentOf(LOCAL_PHASES, { earliest: 1_767_225_600_123, latest: 1_767_225_600_133 }),
  ],
  ['hash an instance’s name', () => hash('chain-1')],
  [`split ${STATES} states among ${FLEET} workers`, () => assign(roster, Ring.of(tasks), 7)],
];

export async function measurePure(): Promise<PureResult[]> {
  const bench = new Bench({ time: TIME_EACH_MS, throws: true });
  for (const [name, call] of PARTS) bench.add(name, call);
  await bench.run();
  return bench.tasks.map(({ name, result }) => {
    if (!('latency' in result)) throw new Error(`${name} was not measured: ${result.state}`);
    const { p50, p99, samplesCount } = result.latency;
    return { name, p50: p50 * 1000, p99: p99 * 1000, calls: samplesCount };
  });
}
