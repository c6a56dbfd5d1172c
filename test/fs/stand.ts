/** A stand: a file system set up for the tests, with the hosts that have mounted it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, closeSync } from 'node:fs';
import type { Chain } from '../chaos.ts';
import type { Host } from '../fleet.ts';

export interface Stand extends AsyncDisposable {
  /** How this process sees what the hosts see: directly, on the server, wherever there is one. */
  readonly root: string;
  readonly hosts: readonly Host[];
  /** Options of the first worker: phases and lease. */
  readonly pace: Pace;
  /** A volume that is there already, with these chains. */
  readonly prepared?: { readonly dir: string; readonly chains: readonly Chain[] };
  /** Whoever writes is one user to the server. */
  readonly knowsNoUsers?: true;
  readonly chaos: { readonly rounds: number; readonly chains: number; readonly count: number };
  /** Tells who stamps mtime. */
  readonly skewed?: Skewed;
  /** In the middle of the first round: breaks a part of the file system; says which. */
  readonly disturb?: () => string | Promise<string>;
  /** Before the second round: brings it back, where it does not come back by itself. */
  readonly repair?: () => string;
  readonly power?: Power;
}

/** A host, or a mount made for the purpose, whose clock is so many milliseconds ahead. */
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

/** Power loss: what the disk holds at one moment, and nothing of what was only in memory. */
export interface Power {
  /** Keeps that moment, whatever happens at it. */
  cut(): void;
  /** Puts the disk of the last cut in the place of the one that is mounted; nobody uses it by now. */
  restore(): void;
}

export interface StandKind {
  readonly name: string;
  /** Debian's packages that it takes. */
  readonly packages: readonly string[];
  /** `home`: an empty directory for everything it needs. */
  readonly open: (home: string) => Promise<Stand>;
}

export const LOCAL_PACE: Pace = {
  assignment: 150,
  commitment: 150,
  update: 400,
  buffer: 100,
  lease: 2000,
};

/** Runs a command to its end; its output is in the error when it fails. */
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

/** In place of directories that daemons keep things in: empty ones of the test's, in this namespace only. */
export function useOwn(stack: AsyncDisposableStack, home: string, places: readonly string[]): void {
  for (const place of places) {
    makeDirectory(place);
    sh('mount', '--bind', makeDirectory(home, 'own', place), place);
    stack.defer(() => void sh('umount', '--lazy', place));
  }
}

/** A daemon that stays in the foreground, with its output in a file. */
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
        throw new Error(`waited in vain until ${what}: ${(error as Error).message}`, {
          cause: error,
        });
      }
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }
}
