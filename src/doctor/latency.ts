/** Measures how long each operation on the volume takes. */
import type { Files } from '../volume/files.ts';
import { OPERATIONS, type Latency, type Operation } from './measured.ts';
import type { Bench } from './ports.ts';

const MAX_ROUNDS = 60;
/** A slow volume gets fewer rounds, but at least `MIN_ROUNDS`. */
const MAX_PROBE_MS = 6000;
const MIN_ROUNDS = 3;
const CONTENT = 'x'.repeat(256);

const RUN_OPERATION: Readonly<
  Record<Operation, (files: Files, directory: string, index: number) => Promise<unknown>>
> = {
  create: (files, directory, index) => files.create(`${directory}/${index}`, CONTENT),
  'fsync file': (files, directory, index) => files.sync(`${directory}/${index}`),
  overwrite: (files, directory, index) => files.overwrite(`${directory}/${index}`, CONTENT),
  read: (files, directory, index) => files.read(`${directory}/${index}`),
  stat: (files, directory, index) => files.stat(`${directory}/${index}`),
  link: (files, directory, index) =>
    files.link(`${directory}/${index}`, `${directory}/link-${index}`),
  'fsync directory': (files, directory) => files.sync(directory),
  list: (files, directory) => files.list(directory),
  rename: (files, directory, index) =>
    files.rename(`${directory}/${index}`, `${directory}/renamed-${index}`),
  unlink: (files, directory, index) => files.unlink(`${directory}/renamed-${index}`),
};

/** An operation that the volume refuses has no entry. */
export async function probeLatency({ files, clock, places, stop }: Bench): Promise<Latency[]> {
  const directory = `${places[0]}/latency`;
  await files.makeDirectory(directory);
  const times = new Map<Operation, number[]>(OPERATIONS.map((operation) => [operation, []]));
  const until = clock.monotonic() + MAX_PROBE_MS;
  for (let index = 0; index < MAX_ROUNDS; index += 1) {
    stop.throwIfAborted();
    if (index >= MIN_ROUNDS && clock.monotonic() > until) break;
    for (const [operation, taken] of times) {
      const begin = clock.monotonic();
      await RUN_OPERATION[operation](files, directory, index).then(
        () => taken.push(clock.monotonic() - begin),
        () => undefined,
      );
    }
  }
  return [...times]
    .filter(([, taken]) => taken.length > 0)
    .map(([operation, taken]) => ({ operation, ...summary(taken) }));
}

function summary(taken: number[]): { median: number; p95: number; count: number } {
  const sorted = taken.sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.ceil(part * sorted.length) - 1]!;
  return { median: at(0.5), p95: at(0.95), count: sorted.length };
}
