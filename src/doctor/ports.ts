/** What the doctor needs of the world, besides files and a clock. */
import type { Clock } from '../semaphore/ports.ts';
import type { Files } from '../volume/files.ts';
import type { FileSystem } from './file-system.ts';
import type { VisibilityCheck } from './measured.ts';

export interface HostPorts {
  /** Of what is mounted there; throws with the errno of statfs. */
  fileSystem(directory: string): FileSystem;
  /** How many names a file has, as stat says. */
  linkCount(path: string): number;
}

/** One attempt to link; `begin` and `end` on the monotonic clock, which all processes of a host share. */
export interface LinkAttempt {
  /** The name is ours, whatever the reply was. */
  readonly won: boolean;
  readonly errno: string | undefined;
  readonly begin: number;
  readonly end: number;
}

/** Links `token` to DIRECTORY/`first`, `first` + 1, …: the first one at `start`, then every `interval` ms. */
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

/** Looks again and again, for `limit` ms at most (0: once), until the change shows. */
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
  /** When the change showed, on the monotonic clock; undefined: not within the limit. */
  readonly seen?: number | undefined;
  /** It could not do as asked; `errno`, if the volume was to blame. */
  readonly error?: string;
  readonly errno?: string | undefined;
}

/** As they go to a process and back: several questions may be open at a time. */
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

/** What a probe works with. `places`: the doctor's own directory, through each mount; the first one's is DIR's. */
export interface Bench extends Ports {
  readonly directory: string;
  readonly places: readonly string[];
  readonly peers: readonly Peer[];
  readonly stop: AbortSignal;
}
