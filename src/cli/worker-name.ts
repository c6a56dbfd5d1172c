/** Chooses the worker's name: a second worker on the same host learns at once that a name is taken. */
import type { Io } from './command.ts';
import type { Token } from '../volume/token.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readSessions } from '../volume/overview.ts';
import { nameInUse } from '../volume/registration.ts';
import { processIdentity } from '../api/node-ports.ts';

/**
 * `wanted`, unless a process that certainly runs on this host uses it on one of the volumes: then `wanted-2`, and so on. If
 * the user has given the name (`isGiven`), throws `name-in-use` instead. Workers of other hosts and containers are detected
 * later, by their leases.
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
    // Problems of the volume are reported when it is opened.
    const tokens = await readSessions(files, new Layout(directory), `${name}.`).catch(() => []);
    const rival = tokens.find((token) => token.worker === name && isRunning(token));
    if (rival !== undefined) return rival;
  }
  return undefined;
}

function isRunning({ pid, process: identity }: Token): boolean {
  return identity !== undefined && identity === processIdentity(pid);
}

export function hostName(io: Pick<Io, 'environment'>, fallback: string): string {
  return io.environment['HOSTNAME'] || fallback;
}
