/** Time of whole runs of the built command line. */
import { MAIN } from './flockwork.ts';
import { Child } from './processes.ts';
import { cpuOfChildren } from './usage.ts';

export interface CommandTime {
  /** From the start of the process to its end. */
  readonly ms: number;
  /** Processor time of it and its children, in ticks of 10 ms. */
  readonly cpuMs: number;
}

/** `status` ends with it while states are pending. */
const INCOMPLETE = 3;

/** Nothing else that this process has started may run meanwhile. Throws if the command fails. */
export async function timeCommand(
  args: readonly string[],
  program: string = MAIN,
): Promise<CommandTime> {
  const cpu = cpuOfChildren();
  const begin = performance.now();
  const child = new Child(process.execPath, [program, ...args]);
  if ((await child.ended) !== INCOMPLETE) await child.succeed();
  const ms = performance.now() - begin;
  return { ms, cpuMs: cpuOfChildren() - cpu };
}
