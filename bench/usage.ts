/** Processor time and memory of the benchmark's processes, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { WORKERS } from './model.ts';
import { pause, until } from './processes.ts';

/** Clock ticks of /proc: always 100 a second, for programs. */
export const TICK_MS = 10;
const QUIET_WINDOW_MS = 300;
/** Of a core, for each process. */
const QUIET_SHARE = 0.05;
/** PF_KTHREAD of the kernel's include/linux/sched.h. */
const KERNEL_THREAD_FLAG = 0x00200000;
/** Name of the threads that V8 compiles and collects garbage in. */
const V8_THREAD = 'V8Worker';

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly isKernelThread: boolean;
  /** Its own, ms. */
  readonly own: number;
  /** Of its children that have ended, ms. */
  readonly ended: number;
}

/** Undefined for a process that is gone. */
function statOf(pid: number | string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = (place: number): number => Number(fields[place]) * TICK_MS;
    return {
      pid: Number(pid),
      parent: Number(fields[1]),
      isKernelThread: (Number(fields[6]) & KERNEL_THREAD_FLAG) !== 0,
      own: ticks(11) + ticks(12),
      ended: ticks(13) + ticks(14),
    };
  } catch {
    return undefined;
  }
}

function allProcesses(): Stat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(name) ?? []);
}

/** This process' children, theirs, and so on. */
function descendants(): Stat[] {
  const all = allProcesses();
  const found: Stat[] = [];
  let parents = new Set([process.pid]);
  while (parents.size > 0) {
    const children = all.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map(({ pid }) => pid));
  }
  return found;
}

/** Processor time, user and system, of everything started from here, ended or not: ms. Without this process. */
export function cpuOfChildren(): number {
  const times = descendants().map(({ own, ended }) => own + ended);
  return times.reduce((sum, one) => sum + one, statOf(process.pid)!.ended);
}

/** Of the kernel's own threads, ms. */
export function cpuOfKernelThreads(): number {
  const threads = allProcesses().filter(({ isKernelThread }) => isKernelThread);
  return threads.reduce((sum, { own }) => sum + own, 0);
}

/**
 * Of these processes, all threads that still run, ms; exact to nanoseconds, unlike the ticks of the others. Without V8's own
 * threads: when they compile and collect garbage differs from run to run by more than what programs change.
 */
export function exactCpuOf(pids: readonly number[]): number {
  const threads = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`),
  );
  const nanoseconds = threads
    .filter((thread) => readFileSync(`${thread}/comm`, 'utf8').trim() !== V8_THREAD)
    .map((thread) => Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[0]));
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}

/** Peak resident memory of the largest of these processes, MB. */
export function peakMemory(pids: readonly number[]): number {
  return Math.max(0, ...pids.map((pid) => field(`/proc/${pid}/status`, 'VmHWM')));
}

/** Memory of these processes and their children, shared pages in proportion, MB. */
export function memoryOfTrees(pids: readonly number[]): number {
  const roots = new Set(pids);
  const all = descendants().filter(({ pid, parent }) => roots.has(pid) || roots.has(parent));
  return all.reduce((sum, { pid }) => sum + field(`/proc/${pid}/smaps_rollup`, 'Pss'), 0);
}

function field(path: string, name: string): number {
  try {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'));
    return Number(match?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Waits until all processes are idle, so that the effects of filling are not measured. */
export async function untilQuiet(processes: number = WORKERS): Promise<void> {
  await until('the processes are idle', async () => {
    const before = cpuOfChildren();
    await pause(QUIET_WINDOW_MS);
    return cpuOfChildren() - before <= QUIET_WINDOW_MS * QUIET_SHARE * processes;
  });
}
