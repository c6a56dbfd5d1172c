/** Reads the past steps of an instance for a tick. */
import type { PastStep } from '../machine/definition.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import { pastStep } from '../machine/past-step.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { findState, readDoneFlag } from './archive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { wholeOf } from './torn-write.ts';

/** Steps up to the state file `last`. Throws if a file is missing or unreadable. */
export async function readPastSteps(
  files: Files,
  layout: Layout,
  last: string,
): Promise<PastStep[]> {
  const { instance, step } = parseStateName(last)!;
  const steps: PastStep[] = [];
  for (let index = 0; index <= step; index += 1) {
    const name = stateName(instance, index);
    const bytes = await files.read(await findState(files, layout, name));
    const whole = await wholeOf(files, layout, name, bytes);
    const flag = name === last ? undefined : await readDoneFlag(files, layout, name);
    steps.push(pastStep(name, whole, parseCommitRecord(flag ?? '', name)));
  }
  return steps;
}
