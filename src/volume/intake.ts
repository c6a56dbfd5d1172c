/** Reading a claimed state file, whoever put it there and whatever it is. */
import { MAX_STATE_BYTES } from '../machine/state-file.ts';
import { nameProblem, parentName } from '../machine/name.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { readTried } from './attempts.ts';
import type { Intake } from './contract.ts';
import { readText } from './exclusive.ts';
import { errnoOf, type Stat } from './files.ts';
import type { Member } from './member.ts';
import { mendTorn } from './torn.ts';

const decoder = new TextDecoder();

export async function intake(member: Member, name: string): Promise<Intake> {
  const { files, layout } = member;
  const path = layout.state(name);
  const badName = nameProblem(name);
  if (badName !== undefined) return { kind: 'bad', code: 'bad-name', reason: badName };
  try {
    const stat = await files.stat(path);
    if (stat === undefined) return { kind: 'unreadable', code: 'ENOENT', reason: 'it is gone' };
    const problem = refuseUnread(stat);
    if (problem !== undefined) return problem;
    const bytes = await files.read(path, Math.min(stat.size, MAX_STATE_BYTES));
    if (await mendSuccessor(member, name, bytes)) return { kind: 'mended' };
    const attempts = member.attempted.has(name)
      ? (await readTried(files, layout, name)).attempts
      : [];
    return { kind: 'text', bytes, attempts };
  } catch (error) {
    const code = errnoOf(error);
    // Only this says something about the file; other errors say something about the volume.
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ELOOP') throw error;
    return {
      kind: 'unreadable',
      code,
      reason: `it cannot be read (${code}): check its mode and owner`,
    };
  }
}

/** Reading a FIFO hangs, a device may do anything, a symbolic link may lead to either. */
function refuseUnread(stat: Stat): Intake | undefined {
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

/** After a power cut a successor may be empty or torn; its parent's record has the whole content. */
async function mendSuccessor(member: Member, name: string, bytes: Uint8Array): Promise<boolean> {
  const parent = parentName(name);
  if (parent === undefined || isJson(bytes)) return false;
  const { files, layout } = member;
  const flag = (await readText(files, layout.flag('done', parent))) ?? '';
  const next = parseCommitRecord(flag, parent)?.next;
  return next?.name === name && mendTorn(member, next, bytes);
}

/** A beginning of a JSON text is none itself, though it may end like one. */
function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}
