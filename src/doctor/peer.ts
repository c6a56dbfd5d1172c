/** A peer process of the doctor, on the same host: what it is asked, and its work: racing for names, and polling for changes. */
import type { Clock } from '../engine/ports.ts';
import { readText } from '../volume/atomic-files.ts';
import { errnoOf, type Files } from '../volume/files.ts';
import type { VisibilityCheck } from './measured.ts';

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

export interface PeerPorts {
  readonly files: Files;
  readonly clock: Clock;
  /** Waits, as exactly as possible, for a moment of the monotonic clock; returns at once if that is over. */
  readonly waitUntil: (monotonic: number) => Promise<void>;
}

const POLL_INTERVAL_MS = 2;

export async function answer(ports: PeerPorts, request: PeerRequest): Promise<PeerReply> {
  return request.kind === 'race' ? race(ports, request) : lookOut(ports, request);
}

async function race(ports: PeerPorts, request: RaceRequest): Promise<PeerReply> {
  const { first, rounds, start, interval } = request;
  const attempts: LinkAttempt[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await ports.waitUntil(start + round * interval);
    attempts.push(await attempt(ports, request, `${request.directory}/${first + round}`));
  }
  return { attempts };
}

/** Like a worker's claim: after an error, the content of the name decides. */
async function attempt(
  { files, clock }: PeerPorts,
  { token, content }: RaceRequest,
  name: string,
): Promise<LinkAttempt> {
  const begin = clock.monotonic();
  try {
    await files.link(token, name);
    return { won: true, errno: undefined, begin, end: clock.monotonic() };
  } catch (error) {
    const end = clock.monotonic();
    const there = await readText(files, name).catch(() => undefined);
    return { won: there === content, errno: errnoOf(error) ?? 'unknown', begin, end };
  }
}

const IS_VISIBLE: Readonly<
  Record<VisibilityCheck, (files: Files, request: LookRequest) => Promise<boolean>>
> = {
  listing: async (files, { directory, name }) => (await files.list(directory)).includes(name),
  stat: async (files, { directory, name }) =>
    (await files.stat(`${directory}/${name}`)) !== undefined,
  content: async (files, { directory, name, content }) =>
    (await readText(files, `${directory}/${name}`)) === content,
};

async function lookOut({ files, clock }: PeerPorts, request: LookRequest): Promise<PeerReply> {
  const until = clock.monotonic() + request.limit;
  for (;;) {
    if (await IS_VISIBLE[request.by](files, request)) return { seen: clock.monotonic() };
    if (clock.monotonic() >= until) return { seen: undefined };
    await clock.sleep(POLL_INTERVAL_MS);
  }
}
