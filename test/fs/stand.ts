/** A stand: a file system that is set up for the tests, with the hosts that have mounted it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, closeSync } from 'node:fs';
import { skewedBy, type Chain } from '../chaos.ts';
import { launchHere, type Host } from '../fleet.ts';

export interface Stand extends AsyncDisposable {
  /** The volumes' parent directory in this process: on the server, if there is one. */
  readonly root: string;
  readonly hosts: readonly Host[];
  /** Phases and lease of the volume. */
  readonly pace: Pace;
  /** An existing volume with these chains. */
  readonly prepared?: { readonly dir: string; readonly chains: readonly Chain[] };
  /** The server maps all users to one. */
  readonly knowsNoUsers?: true;
  readonly chaos: { readonly rounds: number; readonly chains: number; readonly count: number };
  /** For measuring whose clock stamps mtime. */
  readonly skewed?: Skewed;
  /** Breaks a part of the file system in the first round; returns which. */
  readonly disturb?: () => string | Promise<string>;
  /** Restores it before the second round, if it does not recover by itself. */
  readonly repair?: () => string;
  readonly power?: Power;
}

/** A host, or a mount made for the purpose, whose clock is `ahead` ms ahead. */
export interface Skewed {
  readonly ahead: number;
  readonly use: <T>(act: (host: Host) => Promise<T>) => Promise<T>;
}

/** Milliseconds. */
export interface Pace {
  readonly assignment: number;
  readonly commitment: number;
  readonly update: number;
  readonly buffer: number;
  readonly lease: number;
}

/** Power loss: the content of the disk at one moment, without anything that was only in memory. */
export interface Power {
  /** Saves the disk's content at this moment. */
  cut(): void;
  /** Mounts the content of the last cut in the place of the current one, which must be unused. */
  restore(): void;
}

export interface StandKind {
  readonly name: string;
  /** Required Debian packages. */
  readonly packages: readonly string[];
  /** `home`: an empty directory for all of its files. */
  readonly open: (home: string) => Promise<Stand>;
}

const LOCAL_PACE: Pace = {
  assignment: 150,
  commitment: 150,
  update: 400,
  buffer: 100,
  lease: 2000,
};

/** A directory of a file system of this machine. */
export function localStand(root: string, dispose: () => void = () => undefined): Stand {
  return {
    root,
    hosts: [{ root, launch: launchHere }],
    pace: LOCAL_PACE,
    chaos: { rounds: 3, chains: 16, count: 4 },
    [Symbol.asyncDispose]: async () => dispose(),
  };
}

/** Runs a command to its end; throws an error with its output if it fails. */
export function sh(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export function makeDirectory(...parts: string[]): string {
  const path = parts.join('/');
  mkdirSync(path, { recursive: true });
  return path;
}

export function unmount(path: string): void {
  sh('umount', path);
}

/** Mounts empty directories over those of daemons, in this namespace only. */
export function useOwn(stack: AsyncDisposableStack, home: string, places: readonly string[]): void {
  for (const place of places) {
    makeDirectory(place);
    sh('mount', '--bind', makeDirectory(home, 'own', place), place);
    stack.defer(() => void sh('umount', '--lazy', place));
  }
}

/** A daemon in the foreground, with its output in a file. */
export interface Daemon {
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export function startDaemon(
  log: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Daemon {
  const output = openSync(log, 'a');
  const child = spawn(command, args, {
    stdio: ['ignore', output, output],
    env: { ...process.env, ...env },
  });
  closeSync(output);
  const ended = once(child, 'exit');
  return {
    stop: async (signal = 'SIGKILL') => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await ended;
    },
  };
}

/** Milliseconds. */
const AHEAD_MS = 1_000_000;

/** Mounts at `home`/`name` by a process that stays in the foreground; unmounts and stops it when `owner` is disposed. */
export type Mount = (
  name: string,
  owner: AsyncDisposableStack,
  env?: NodeJS.ProcessEnv,
) => Promise<Host>;

/** `argsFor` gives the arguments of `command` for a directory and the log of the process. */
export function mountWith(
  home: string,
  command: string,
  argsFor: (path: string, log: string) => readonly string[],
  signal: NodeJS.Signals,
): Mount {
  return async (name, owner, env = {}) => {
    const path = makeDirectory(home, name);
    const log = `${home}/${name}.log`;
    const daemon = startDaemon(log, command, argsFor(path, log), env);
    owner.defer(() => daemon.stop(signal));
    await eventually(`${name} is mounted`, () => sh('mountpoint', path));
    owner.defer(() => unmount(path));
    return { root: path, launch: launchHere };
  };
}

/** A mount of its own, by a process whose clock is ahead. */
export function skewedMount(mount: Mount): Skewed {
  return {
    ahead: AHEAD_MS,
    use: async (act) => {
      await using own = new AsyncDisposableStack();
      return await act(await mount('ahead', own, skewedBy(`+${AHEAD_MS / 1000}s`)));
    },
  };
}

/** Waits until `attempt` no longer throws. */
export async function eventually<T>(
  what: string,
  attempt: () => T | Promise<T>,
  limit: number = 60_000,
): Promise<T> {
  const end = Date.now() + limit;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) {
        throw new Error(`timed out after ${limit} ms: ${what}: ${(error as Error).message}`, {
          cause: error,
        });
      }
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }
}
