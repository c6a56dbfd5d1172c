/** Runs all probes one after the other, or the quick ones only, and removes everything that they created. */
import { errnoOf } from '../volume/files.ts';
import {
  probeLatency,
  errnoFrom,
  probeDurable,
  probeLinkLimit,
  probeLinks,
  probeListing,
  probeModes,
  probeNames,
  probeReplacing,
  probeStamps,
} from './local-probes.ts';
import type { Measured } from './measured.ts';
import type { Bench, Ports } from './bench.ts';
import type { Peer, PeerRequest } from './peer.ts';
import { probeRace, RACE_FOLDER, probeVisibility, visibilityFolders } from './peer-probes.ts';
import { awaitPlace, removeScratch } from './bench.ts';

export interface Subject {
  readonly directory: string;
  /** Other mount points of the same directory. */
  readonly through: readonly string[];
  /** Name of the doctor's directory in the volume. */
  readonly scratch: string;
  readonly stop: AbortSignal;
  readonly progress: (doing: string) => void;
}

/** A probe without a result. `why` is an errno or a sentence. */
export interface Skipped {
  readonly what: string;
  readonly why: string;
}

export interface Examination {
  readonly measured: Measured;
  readonly skipped: readonly Skipped[];
}

type Probe = readonly [
  key: keyof Measured,
  doing: string,
  probe: (bench: Bench, measured: Measured) => Promise<unknown>,
];

const QUICK_PROBES: readonly Probe[] = [
  ['links', 'are there hard links', probeLinks],
  ['durable', 'is what is written kept', probeDurable],
  ['listing', 'are listings fresh', probeListing],
  ['stamps', 'what time is it there', probeStamps],
];

/** Not among the quick ones: probing the link limit creates a thousand names, while other workers may be starting. */
const LOCAL_PROBES: readonly Probe[] = [
  ['linkLimit', 'how many names may a file have', probeLinkLimit],
  ['modes', 'may all of the fleet write', probeModes],
  ['names', 'which names does it take', probeNames],
  ['replacing', 'renaming and removing', probeReplacing],
  ['latency', 'how long does each operation take', probeLatency],
];

const PEER_PROBES: readonly Probe[] = [
  ['race', 'several processes race for the same names', probeRace],
  ['visibility', 'how long do others wait to see a change', probeVisibility],
];

/** Skipped if the file system has no hard links. */
const NEEDS_LINKS: ReadonlySet<keyof Measured> = new Set(['linkLimit', 'race']);

/** Probes that have not started by then are skipped: with the longest probe, the examination ends within a minute. */
const LAST_START_MS = 30_000;
/** Enough to race through several mounts, and to watch three kinds of cache in both directions. */
const PEER_COUNT = 6;

/** Throws `no-volume` if one of `through` is another directory, and the reason of `stop` when aborted. */
export async function examine(
  ports: Ports,
  startPeer: () => Peer,
  subject: Subject,
): Promise<Examination> {
  const peers: Peer[] = [];
  const stopPeers = (): void => {
    for (const peer of peers) peer.stop();
  };
  subject.stop.addEventListener('abort', stopPeers, { once: true });
  try {
    return await inScratch(ports, subject, peers, async (bench, run) => {
      await run(QUICK_PROBES);
      await run(LOCAL_PROBES);
      const errno = await errnoFrom(prepareTogether(bench, subject));
      if (errno !== undefined) return PEER_PROBES.map(([, what]) => ({ what, why: errno }));
      peers.push(...Array.from({ length: PEER_COUNT }, startPeer));
      await Promise.all(peers.map((peer) => peer.ask(greeting(bench.places[0]!))));
      await run(PEER_PROBES);
      return [];
    });
  } finally {
    subject.stop.removeEventListener('abort', stopPeers);
    stopPeers();
  }
}

/** Creates directories that all mounts must see before their processes use them. */
async function prepareTogether(bench: Bench, { through }: Subject): Promise<void> {
  const folders = [RACE_FOLDER, ...visibilityFolders(bench.places)];
  for (const name of folders) await bench.files.makeDirectory(`${bench.places[0]}/${name}`);
  for (const [index, mount] of through.entries()) {
    await awaitPlace(bench, `${bench.places[index + 1]}/${folders.at(-1)}`, mount);
  }
}

/** A request that does nothing: its reply shows that the process is running. */
const greeting = (directory: string): PeerRequest => ({
  kind: 'look',
  by: 'stat',
  directory,
  name: '.',
  content: '',
  limit: 0,
});

/**
 * Runs the quick probes in this process, before a worker starts: a fraction of a second on a local file system. It does
 * not react to signals, because it ends soon.
 */
export function examineQuickly(
  ports: Ports,
  { directory, scratch }: Pick<Subject, 'directory' | 'scratch'>,
): Promise<Examination> {
  const stop = new AbortController().signal;
  const subject = { directory, scratch, through: [], stop, progress: () => undefined };
  return inScratch(ports, subject, [], async (_bench, run) => {
    await run(QUICK_PROBES);
    return [];
  });
}

async function inScratch(
  ports: Ports,
  subject: Subject,
  peers: readonly Peer[],
  body: (bench: Bench, run: (probes: readonly Probe[]) => Promise<void>) => Promise<Skipped[]>,
): Promise<Examination> {
  const { directory, through, scratch, stop } = subject;
  const places = [directory, ...through].map((mount) => `${mount}/${scratch}`);
  const errno = await errnoFrom(ports.files.makeDirectory(places[0]!));
  const fileSystem = ports.host.fileSystem(directory);
  const skipped: Skipped[] = [];
  const examination = { measured: { fileSystem, writable: { errno } }, skipped };
  if (errno !== undefined) return examination;
  const bench: Bench = { ...ports, directory, places, peers, stop };
  const until = ports.clock.monotonic() + LAST_START_MS;
  try {
    skipped.push(
      ...(await body(bench, (probes) => runProbes(probes, bench, subject, until, examination))),
    );
  } finally {
    await removeScratch(ports, places);
  }
  return examination;
}

async function runProbes(
  probes: readonly Probe[],
  bench: Bench,
  { stop, progress }: Subject,
  until: number,
  { measured, skipped }: { measured: Measured; skipped: Skipped[] },
): Promise<void> {
  for (const [key, doing, probe] of probes) {
    stop.throwIfAborted();
    if (NEEDS_LINKS.has(key) && measured.links?.errno !== undefined) continue;
    if (bench.clock.monotonic() > until) {
      skipped.push({ what: doing, why: 'no time left' });
      continue;
    }
    progress(doing);
    try {
      Object.assign(measured, { [key]: await probe(bench, measured) });
    } catch (error) {
      stop.throwIfAborted();
      // An unsupported operation must not hide the results of the other probes.
      const why = errnoOf(error);
      if (why === undefined) throw error;
      skipped.push({ what: doing, why });
    }
  }
}
