/** Ports of the doctor besides files and a clock. */
import type { Clock } from '../engine/ports.ts';
import type { Files } from '../volume/files.ts';
import type { FileSystem } from './file-system.ts';
import type { VisibilityCheck } from './measured.ts';

export interface HostPorts {
  /** Throws with the errno of statfs. */
  fileSystem(directory: string): FileSystem;
  /** Link count of stat. */
  linkCount(path: string): number;
}

/** One attempt to link; `begin` and `end` are of the monotonic clock, which all processes of a host share. */
export interface LinkAttempt {
  /** The name has this process's content, even if `link` failed. */
  readonly won: boolean;
  readonly errno: string | undefined;
  readonly begin: number;
  readonly end: number;
}

/** Links `token` to `directory`/`first`, `first` + 1, …: the first at `start`, then one every `interval` ms. */
export interface RaceRequest {
  readonly kind: 'race';
  readonly token: string;
  readonly content: string;
  readonly directory: string;
  readonly first: number;
  readonly rounds: number;
  readonly start: number;
  readonly interval: number;
}

/** Polls until the change is visible, for at most `limit` ms (0: once). */
export interface LookRequest {
  readonly kind: 'look';
  readonly by: VisibilityCheck;
  readonly directory: string;
  readonly name: string;
  readonly content: string;
  readonly limit: number;
}

export type PeerRequest = RaceRequest | LookRequest;

export interface PeerReply {
  readonly attempts?: readonly LinkAttempt[];
  /** When the change was visible, on the monotonic clock; undefined: not within the limit. */
  readonly seen?: number | undefined;
  /** Why the request failed; `errno` if a file operation did. */
  readonly error?: string;
  readonly errno?: string | undefined;
}

/** Messages to a process and back: several questions may be pending. */
export interface PeerQuestion {
  readonly id: number;
  readonly request: PeerRequest;
}

export interface PeerAnswer {
  readonly id: number;
  readonly reply: PeerReply;
}

/** Another process on this host. */
export interface Peer {
  /** Rejects if the process fails, or ends before it answers. */
  ask(request: PeerRequest): Promise<PeerReply>;
  stop(): void;
}

export interface Ports {
  readonly files: Files;
  readonly clock: Clock;
  readonly host: HostPorts;
}

/** Environment of a probe. `places`: the doctor's directory through each mount; the first is in `directory`. */
export interface Bench extends Ports {
  readonly directory: string;
  readonly places: readonly string[];
  readonly peers: readonly Peer[];
  readonly stop: AbortSignal;
}
