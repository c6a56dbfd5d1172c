/**
 * Bursts of file calls, written once: a generator yields each call, and `drive` carries it out. Where the port has calls that
 * answer at once (`Files.direct`), a burst of many states costs no promise; elsewhere each call is awaited, and other
 * processes come in between, as they do in the simulator.
 */
import type { DirectFiles, Files, Sink } from './files.ts';

/** A method of `Files`, and its arguments. */
export type Call =
  | readonly ['link', existing: string, name: string]
  | readonly ['list', directory: string, into: Sink]
  | readonly ['read', path: string, limit: number]
  | readonly ['stat', path: string]
  | readonly ['unlink', path: string];

/** Is resumed with the result of each call, or with its error. */
export type Calls<Result> = Generator<Call, Result, unknown>;

const CALLS_PER_PAUSE = 16;

/** Resolves with what the generator returns. Between two calls, the event loop has its turn now and then. */
export async function drive<Result>(files: Files, calls: Calls<Result>): Promise<Result> {
  const { direct } = files;
  let step = calls.next();
  for (let count = 1; step.done !== true; count += 1) {
    const call: Call = step.value;
    let result: unknown;
    try {
      const isDirect = direct !== undefined && call[0] !== 'list';
      result = isDirect ? carryOut(direct, call) : await carryOut(files, call);
    } catch (error) {
      step = calls.throw(error);
      continue;
    }
    // Before the generator goes on: it asks then whether it still may.
    if (direct !== undefined && count % CALLS_PER_PAUSE === 0) await direct.pause();
    step = calls.next(result);
  }
  return step.value;
}

function carryOut(files: Files | DirectFiles, call: Call): unknown {
  switch (call[0]) {
    case 'link':
      return files.link(call[1], call[2]);
    case 'list':
      return (files as Files).list(call[1], call[2]);
    case 'read':
      return files.read(call[1], call[2]);
    case 'stat':
      return files.stat(call[1]);
    default:
      return files.unlink(call[1]);
  }
}
