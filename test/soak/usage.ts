/** Samples the memory, open files and processor time of a process over time. */
import { readdirSync, readFileSync } from 'node:fs';

/** Unit of the times in /proc/PID/stat: USER_HZ is 100 per second. */
const TICK_MS = 10;

interface Sample {
  /** Megabytes: resident set, and the heap size that the process last printed. */
  readonly rss: number;
  readonly heap: number;
  readonly files: number;
}

export class Usage {
  readonly #samples: Sample[] = [];
  readonly #pid: number;
  readonly #output: () => string;
  readonly name: string;
  #cpu = 0;

  /** `output`: standard output so far. */
  constructor(name: string, pid: number, output: () => string) {
    this.name = name;
    this.#pid = pid;
    this.#output = output;
  }

  sample(): void {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]);
    const files = readdirSync(`/proc/${this.#pid}/fd`).length;
    const heap = Number(
      this.#output()
        .match(/heap [\d.]+/g)
        ?.at(-1)
        ?.slice('heap '.length),
    );
    this.#samples.push({ rss: kilobytes / 1024, heap, files });
  }

  /** Milliseconds of processor time since the last call. */
  cpuSince(): number {
    const stat = readFileSync(`/proc/${this.#pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const cpu = (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    const since = cpu - this.#cpu;
    this.#cpu = cpu;
    return since;
  }

  /** Medians of the first and the last quarter: megabytes, and files. */
  trend(of: keyof Sample): { first: number; last: number } {
    const values = this.#samples
      .map((sample) => sample[of])
      .filter((value) => !Number.isNaN(value));
    const quarter = Math.max(1, Math.floor(values.length / 4));
    return { first: median(values.slice(0, quarter)), last: median(values.slice(-quarter)) };
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
