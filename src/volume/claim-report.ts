/** What a session holds, for people: claims are links to one file, and have no time of their own. */
import type { ClaimedTask } from './claimed-task.ts';
import type { ClaimedTasks } from './claimed-tasks.ts';
import type { HeldClaim } from './operations.ts';

const MAX_REPORTED = 256;

const STAGES: readonly (readonly [ClaimedTask['stage'], HeldClaim['stage']])[] = [
  ['running', 'running'],
  ['claimed', 'claimed'],
  ['undecided', 'claimed'],
  ['deciding', 'claimed'],
  ['ready', 'ready'],
  ['finished', 'finished'],
];

export function claimReport(tasks: ClaimedTasks): HeldClaim[] {
  const held: HeldClaim[] = [];
  for (const [of, stage] of STAGES) {
    for (const { name, since, read } of tasks.in(of)) {
      if (held.length >= MAX_REPORTED) return held;
      const machine = read && machineOf(read.file);
      const attempt = (read?.attempts.length ?? 0) + 1;
      held.push({ state: name, machine, stage, since, attempt });
    }
  }
  return held;
}

/** Without its version. A machine of one state has that state's name. */
function machineOf({ machine, state }: { machine?: string; state: string }): string {
  return (machine ?? state).split(':')[0]!;
}
