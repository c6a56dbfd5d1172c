/** Reading a claimed state file, whoever put it there and whatever it is. */
import { MAX_STATE_BYTES } from '../machine/state-file.ts';
import { nameProblem, parentName } from '../machine/name.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { readTried } from './attempts.ts';
import type { Intake } from './contract.ts';
import { createAnew, readText } from './exclusive.ts';
import { errnoOf, type Stat } from './files.ts';
import type { Member } from './member.ts';

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
    const bytes = await files.read(path, MAX_STATE_BYTES);
    if (await mendTorn(member, name, bytes)) return { kind: 'mended' };
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

/**
 * After a power cut a successor may be empty or torn. Its parent's record has the whole content; only a
 * file that is a beginning of it (or as long, all zeros) is written again, so nobody else's is lost (I9).
 */
async function mendTorn(member: Member, name: string, bytes: Uint8Array): Promise<boolean> {
  const parent = parentName(name);
  if (parent === undefined || !looksTorn(bytes)) return false;
  const { files, layout } = member;
  const record = parseCommitRecord((await readText(files, layout.flag('done', parent))) ?? '');
  if (record?.next?.name !== name) return false;
  const whole = new TextEncoder().encode(record.next.content);
  if (bytes.length >= whole.length && !bytes.every((byte) => byte === 0)) return false;
  if (!bytes.every((byte, index) => byte === whole[index] || byte === 0)) return false;
  await member.ensureStaging();
  const temporary = member.staging(`.mended.${name}`);
  await createAnew(files, temporary, record.next.content);
  await files.sync(temporary);
  await files.rename(temporary, layout.state(name));
  await files.sync(layout.root);
  return true;
}

/** Whole state files end with a brace, and perhaps white space. */
function looksTorn(bytes: Uint8Array): boolean {
  const text = new TextDecoder().decode(bytes).trimEnd();
  return !text.endsWith('}');
}
