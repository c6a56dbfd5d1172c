/** Processor time of what is measured, and foreign load: what everything else on the machine took meanwhile. */
import { readFileSync } from 'node:fs';
import { cpuOfChildren, cpuOfKernelThreads, TICK_MS } from './usage.ts';

/** A round with more foreign load than this is repeated, cores. */
export const MAX_FOREIGN_CORES = 0.5;

/** Totals at one moment, ms. */
export interface LoadSample {
  /** On a clock that does not jump. */
  readonly at: number;
  /** Of all cores, since the machine's start. */
  readonly busy: number;
  /** Of the benchmark's processes, without this one. */
  readonly children: number;
  /** Of this process. */
  readonly self: number;
  /** Of the kernel's threads: they write for every process, also for those that are measured. */
  readonly kernel: number;
}

export interface LoadSpan {
  readonly seconds: number;
  /** Processor time of the benchmark's processes without this one, ms. */
  readonly cpu: number;
  /** Mean number of cores that were busy with something else. */
  readonly foreign: number;
}

/** Busy time of all cores, ms, from the text of /proc/stat: all but `idle` and `iowait`; `guest` is part of `user`. */
export function busyOf(stat: string): number {
  const [user, nice, system, , , irq, softirq, steal] =
    /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number) ?? [];
  const ticks = [user, nice, system, irq, softirq, steal].reduce<number>(
    (sum, one) => sum + (one ?? 0),
    0,
  );
  return ticks * TICK_MS;
}

export function spanBetween(before: LoadSample, after: LoadSample): LoadSpan {
  const passed = (of: keyof LoadSample): number => after[of] - before[of];
  const foreign = passed('busy') - passed('children') - passed('self') - passed('kernel');
  return {
    seconds: passed('at') / 1000,
    cpu: passed('children'),
    // The counters are of different clocks: on an idle machine the difference may be below 0.
    foreign: passed('at') > 0 ? Math.max(0, foreign / passed('at')) : 0,
  };
}

function sample(): LoadSample {
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now(),
    busy: busyOf(readFileSync('/proc/stat', 'utf8')),
    children: cpuOfChildren(),
    self: (user + system) / 1000,
    kernel: cpuOfKernelThreads(),
  };
}

/** Begins a span; the returned function ends it. */
export function watchLoad(): () => LoadSpan {
  const before = sample();
  return () => spanBetween(before, sample());
}
