/**
 * Two users of one group: root and an unused uid. `node --import users.ts …` switches to that uid before it loads
 * anything else, on any machine.
 */
import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { Host } from './fleet.ts';

export const USER = 54_320;
export const GROUP = 54_321;
const VARIABLE = 'FLOCKWORK_TEST_AS';

/** True if all users may enter the folder. */
const isReachable = (path: string): boolean =>
  (statSync(path).mode & 0o001) !== 0 && (path === '/' || isReachable(dirname(path)));

/** Only root can start processes of another user, and only if that user can load the program. */
export const canBeTwo: boolean = process.getuid?.() === 0 && isReachable(import.meta.dirname);

/** As in `docs/operations.md`: new entries in these directories belong to the group. */
export function shareWithGroup(directory: string): void {
  chownSync(directory, -1, GROUP);
  chmodSync(directory, 0o2775);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) shareWithGroup(join(directory, entry.name));
  }
}

/** The same host, with processes of the other user. */
export function asOther({ launch, ...host }: Host, umask: number = 0o022): Host {
  const become = ['--import', import.meta.filename];
  return {
    ...host,
    launch: (args, env) => launch([...become, ...args], { ...env, [VARIABLE]: String(umask) }),
  };
}

const umask = process.env[VARIABLE];
if (isMainThread && umask !== undefined) {
  process.setgroups!([]);
  process.setgid!(GROUP);
  process.setuid!(USER);
  process.umask(Number(umask));
}
