/** Measures the volume's time, how exactly a session would know it, and the granularity of time stamps. */
import {
  addSample,
  startVolumeClock,
  uncertaintyAt,
  type VolumeClock,
} from '../volume/phases/volume-clock.ts';
import { formatCounter } from '../volume/heartbeat.ts';
import type { Stamps } from './measured.ts';
import type { Bench } from './ports.ts';

/** As many as a session takes before its first phase. */
const SAMPLE_COUNT = 5;
/** So that the samples do not all fall into one tick of a kernel. */
const SAMPLE_INTERVAL_MS = 7;
/** Coarsest first. */
const GRANULARITIES_MS = [1000, 100, 10, 1];

export async function probeStamps(bench: Bench): Promise<Stamps> {
  const clocks: VolumeClock[] = [];
  const mtimes: number[] = [];
  for (const [index, place] of bench.places.entries()) {
    clocks.push(await sampleClock(bench, `${place}/stamp-${index}`, mtimes));
  }
  const now = bench.clock.monotonic();
  return {
    offsets: clocks.map(({ low, high }) => ({ low, high })),
    uncertainty: Math.max(...clocks.map((one) => uncertaintyAt(one, now))),
    granularity: granularityOf(mtimes),
  };
}

async function sampleClock(
  { files, clock }: Bench,
  path: string,
  mtimes: number[],
): Promise<VolumeClock> {
  let known = startVolumeClock();
  await files.create(path, formatCounter(0));
  for (let counter = 1; counter <= SAMPLE_COUNT; counter += 1) {
    const before = Math.floor(clock.now());
    await files.overwrite(path, formatCounter(counter));
    const after = Math.floor(clock.now()) + 1;
    const mtime = (await files.stat(path))?.mtime ?? Number.NaN;
    known = addSample(known, { before, after, mtime, monotonic: clock.monotonic() });
    mtimes.push(mtime);
    await clock.sleep(SAMPLE_INTERVAL_MS);
  }
  return known;
}

function granularityOf(mtimes: readonly number[]): number {
  return GRANULARITIES_MS.find((step) => mtimes.every((mtime) => mtime % step === 0)) ?? 0;
}
