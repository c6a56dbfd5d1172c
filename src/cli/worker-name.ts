/** The name that a worker goes by: on one host, a second worker is told at once that the name is taken. */
import type { Token } from '../volume/token.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readSessions } from '../volume/overview.ts';
import { nameInUse } from '../volume/registration.ts';
import { processIdentity } from './process-identity.ts';

/**
 * `wanted`, unless a process that surely runs on this host has it on one of these volumes: then `wanted-2`, and so on. Throws
 * `name-in-use` where the user has asked for that very name. Of others (other hosts, other containers) the leases tell, later.
 */
export async function chooseName(
  directories: readonly string[],
  wanted: string,
  isGiven: boolean,
): Promise<string> {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    const rival = await runningRival(directories, name);
    if (rival === undefined) return name;
    if (isGiven) throw nameInUse(rival);
  }
}

async function runningRival(
  directories: readonly string[],
  name: string,
): Promise<Token | undefined> {
  const files = new NodeFiles();
  for (const directory of directories) {
    // What is wrong with the volume is said when it is opened.
    const tokens = await readSessions(files, new Layout(directory), `${name}.`).catch(() => []);
    const rival = tokens.find((token) => token.worker === name && isRunning(token));
    if (rival !== undefined) return rival;
  }
  return undefined;
}

function isRunning({ pid, process: identity }: Token): boolean {
  return identity !== undefined && identity === processIdentity(pid);
}
