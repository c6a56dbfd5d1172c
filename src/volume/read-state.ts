/** Reads a claimed state file; any user or program may have written anything there. */
import { MAX_STATE_BYTES } from '../machine/state-file.ts';
import { instanceProblem, parseStateName, stepProblem } from '../machine/name.ts';
import { readTried, writtenAt } from './attempts.ts';
import type { StateRead } from './operations.ts';
import { errnoOf, type Stat } from './files.ts';
import type { SessionContext } from './session-context.ts';
import { repairTornWrite, tornSuccessor } from './torn-write.ts';

export async function readState(context: SessionContext, name: string): Promise<StateRead> {
  const { files, layout } = context;
  const path = layout.state(name);
  const badName = instanceProblem(parseStateName(name)!.instance) ?? stepProblem(name);
  if (badName !== undefined) return { kind: 'bad', code: 'bad-name', reason: badName };
  try {
    const stat = await files.stat(path);
    if (stat === undefined) return { kind: 'unreadable', code: 'ENOENT', reason: 'it is gone' };
    const problem = refuseUnread(stat);
    if (problem !== undefined) return problem;
    const bytes = await files.read(path, Math.min(stat.size, MAX_STATE_BYTES));
    const torn = await tornSuccessor(files, layout, name, bytes);
    if (torn !== undefined && (await repairTornWrite(context, torn, bytes)))
      return { kind: 'repaired' };
    const written = writtenAt(stat);
    if (!context.attempted.has(name)) return { kind: 'text', bytes, attempts: [], written };
    const { attempts, refusedBy } = await readTried(files, layout, name);
    return { kind: 'text', bytes, attempts, refusedBy, written };
  } catch (error) {
    const code = errnoOf(error);
    // Only these are about the file; other errors are about the volume.
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ELOOP') throw error;
    return {
      kind: 'unreadable',
      code,
      reason: `it cannot be read (${code}): check its mode and owner`,
    };
  }
}

/** Reads regular files only: a FIFO blocks, a device may do anything, a symbolic link may lead to either. */
function refuseUnread(stat: Stat): StateRead | undefined {
  if (stat.kind !== 'file') {
    const what = stat.kind === 'directory' ? 'a directory' : 'a link, FIFO, socket or device';
    return {
      kind: 'bad',
      code: 'not-a-file',
      reason: `it is ${what}; only regular files are read`,
    };
  }
  if (stat.size <= MAX_STATE_BYTES) return undefined;
  return {
    kind: 'bad',
    code: 'too-large',
    reason: `it has ${stat.size} bytes; ${MAX_STATE_BYTES} are allowed`,
  };
}
