/** All sessions crash at once, and one worker starts whose reads are true: does it complete everything? */
import { parseCommitRecord } from '../../../src/machine/record.ts';
import { claim } from '../../../src/volume/claim.ts';
import { commit } from '../../../src/volume/commit.ts';
import { LeaseWatch } from '../../../src/volume/lease-watch.ts';
import { Recoverer } from '../../../src/volume/recovery.ts';
import { AskingFiles } from './asking-files.ts';
import { apply, type Entries } from './memory.ts';
import { LAYOUT, LEASE, memberOf, PATHS, STATE, stepOf } from './scenario.ts';
import { OPEN } from '../guards.ts';

const HEALER = 'healer.1';
/** In the first cycle it sees the sessions, in the third it knows that they are dead. */
const CYCLES = 8;

/** The problem of the volume that it leaves, or undefined. */
export async function heal(start: Entries): Promise<string | undefined> {
  let entries = start;
  let now = 0;
  const files = new AskingFiles(LAYOUT, async (op) => {
    const applied = apply(entries, op);
    entries = applied.entries;
    return applied.reply;
  });
  const context = memberOf(files, HEALER);
  const leases = new LeaseWatch(context, LEASE, () => now);
  const recoverer = new Recoverer(context, leases, LEASE, () => now);
  const recover = async (): Promise<void> => {
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      now += LEASE / 2;
      await recoverer.recover(cycle, OPEN);
    }
  };
  await recover();
  if (!entries.has(PATHS.done)) {
    const outcome = await claim(context, STATE, OPEN);
    if (outcome !== 'ours') return `the state is neither done nor to be had: ${outcome}`;
    const step = stepOf({ session: HEALER, number: 1 });
    await commit(context, [step], OPEN);
    if (step.progress !== 'settled') return `it cannot be committed: ${String(step.error)}`;
    await recover();
  }
  const record = parseCommitRecord(entries.get(PATHS.done) ?? '', STATE);
  if (record === undefined) return 'it is not done';
  if (start.has(PATHS.done) && start.get(PATHS.done) !== entries.get(PATHS.done)) {
    return 'the commit was replaced';
  }
  const successor = entries.get(PATHS.successor);
  if (successor === undefined) return 'the successor is lost';
  if (successor !== record.next?.content) return 'the successor is another’s';
  if ((await recoverer.countUnfinishedCommits()) > 0) return 'a commit is still unfinished';
  const left = [...entries.keys()].find(
    (path) =>
      path.startsWith(`${LAYOUT.flags('in_progress')}/`) ||
      path.startsWith(`${LAYOUT.flags('failed')}/`) ||
      (path.startsWith(`${LAYOUT.internal('staging')}/`) &&
        !path.startsWith(LAYOUT.internal('staging', HEALER))),
  );
  return left === undefined ? undefined : `${left} is left`;
}
