/** Judges measurements: a verdict and a sentence for each property. Pure. */
import { formatDuration } from '../machine/duration.ts';
import { LOCAL_PHASES, NETWORK_PHASES, type PhaseLengths } from '../volume/phases/cycle.ts';
import { advise, flagsOf, stampedBy, type StampedBy } from './advice.ts';
import { knownOf, type FileSystem } from './file-system.ts';
import type { Measured } from './measured.ts';

/** `bad`: the volume cannot be used safely; `warning`: it can, with the restriction in the sentence. */
export type PropertyVerdict = 'good' | 'warning' | 'bad';

export interface Judgement {
  readonly property: string;
  readonly verdict: PropertyVerdict;
  readonly measured: string;
  readonly sentence: string;
}

/** `measured` is a short figure; `sentence` says what was found and what to do about it. */
type Opinion = readonly [verdict: PropertyVerdict, measured: string, sentence: string];

/** Returns undefined if the property was not measured. */
type Judge = (measured: Measured) => Opinion | undefined;

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`;

/** A token has several names at once: the session's file, a claim and one or two flags. */
const MIN_LINKS = 8;

/** Fewer rounds prove little: a broken network file system fails in one of some hundred. */
const MIN_RACE_ROUNDS = { local: 100, network: 500 };
const MIN_CONTESTED_ROUNDS = 20;

const WRITE_ADVICE: Readonly<Record<string, string>> = {
  EROFS: 'It is read-only: mount it read-write.',
  EACCES: 'This user may not write to it: change its owner or mode, or run as another user.',
  EPERM: 'Directories cannot be created in it.',
  ENOSPC: 'It is full: free some space.',
  EDQUOT: 'It is over its quota: free some space.',
  ENOTCONN: 'It is not connected: mount it again.',
  ESTALE: 'It is stale: mount it again.',
};

const MAX_CLOCK_OFFSET_MS = 1000;
const KERNEL_TICK_MS = 10;
/** Of a buffer, for one operation. */
const MAX_BUFFER_FRACTION = 0.5;

const defaultsOf = ({ network }: FileSystem): PhaseLengths =>
  network ? NETWORK_PHASES : LOCAL_PHASES;

const STAMP_OPINIONS: Readonly<Record<StampedBy['who'], (how: string) => Opinion>> = {
  'this host': (how) => ['good', how, 'All workers use one clock.'],
  server: (how) => ['good', how, "All hosts use the server's clock."],
  client: (how) => [
    'warning',
    how,
    'Each host stamps its own time: keep their clocks within a buffer of each other (NTP).',
  ],
  unknown: (how) => [
    'warning',
    how,
    "Not known: keep all hosts' clocks within a buffer of each other (NTP).",
  ],
};

/** In the order of the report: what the protocol relies on, then timing, then names. */
const JUDGES: Readonly<Record<string, Judge>> = {
  'file system': ({ fileSystem }) => {
    const { type, network, options } = fileSystem;
    const remark = knownOf(type)?.remark;
    if (options.includes('soft')) {
      return ['warning', type, 'It is mounted soft: a lost reply becomes an error. Mount it hard.'];
    }
    if (network)
      return ['warning', type, remark ?? 'A network file system: its caches may be stale.'];
    if (type.startsWith('unknown')) return ['warning', type, 'This type is not known.'];
    return ['good', type, 'A local file system.'];
  },

  writable: ({ writable }) => {
    if (writable === undefined) return undefined;
    const { errno } = writable;
    if (errno === undefined) return ['good', 'yes', 'A directory can be created in it.'];
    const advice = WRITE_ADVICE[errno] ?? 'Nothing can be created in it; fix that first.';
    return ['bad', errno, advice];
  },

  'directory modes': ({ modes }) => {
    if (modes === undefined) return undefined;
    const { wanted, got, errno } = modes;
    const octal = (mode: number | undefined): string => (mode ?? 0).toString(8).padStart(4, '0');
    if (errno !== undefined) {
      return ['bad', errno, 'Workers cannot set the modes of the directories that they create.'];
    }
    if (got === wanted) return ['good', octal(got), 'New directories get the mode of the volume.'];
    return [
      'warning',
      `${octal(got)}, not ${octal(wanted)}`,
      "New directories do not get the volume's mode: run all workers as one user.",
    ];
  },

  'hard links': ({ links }) => {
    if (links === undefined) return undefined;
    const { errno, refusal, kept } = links;
    if (errno !== undefined) {
      return [
        'bad',
        errno,
        'Workers claim by hard links, and there are none: use another file system.',
      ];
    }
    if (refusal === undefined || !kept) {
      return [
        'bad',
        'not exclusive',
        'A second link to a name was granted: use another file system.',
      ];
    }
    return ['good', 'yes', 'A second link to a name is refused.'];
  },

  'names of one file': ({ linkLimit }) => {
    if (linkLimit === undefined) return undefined;
    const { reached, errno } = linkLimit;
    if (errno === undefined) return ['good', `${reached} at least`, 'Enough.'];
    const measured = `${reached}, then ${errno}`;
    if (reached < MIN_LINKS) {
      return ['bad', measured, 'A commit needs more than that: use another file system.'];
    }
    return [
      'warning',
      measured,
      'Workers start a new token file that often; raise the limit for speed (GlusterFS: storage.max-hardlinks 0, storage.gfid2path off).',
    ];
  },

  'exclusive in a race': ({ race, fileSystem }) => {
    if (race === undefined) return undefined;
    const { rounds, contested, twoWinners, overturned, noWinner, mounts } = race;
    const scope = `${rounds} rounds, ${race.processes} processes, ${counted(mounts, 'mount')}`;
    if (twoWinners + overturned > 0) {
      const times = counted(twoWinners + overturned, 'round');
      return [
        'bad',
        scope,
        `A name was granted twice, in ${times}: states would run twice. Use another file system.`,
      ];
    }
    if (noWinner > 0) {
      return [
        'warning',
        scope,
        `${counted(noWinner, 'round')} without a winner: safe, but it costs cycles.`,
      ];
    }
    if (rounds < (fileSystem.network ? MIN_RACE_ROUNDS.network : MIN_RACE_ROUNDS.local)) {
      return [
        'warning',
        scope,
        'One winner each; but so few rounds prove little: repeat when the volume is idle.',
      ];
    }
    if (contested < MIN_CONTESTED_ROUNDS) {
      return [
        'warning',
        scope,
        `One winner each; but only ${contested} were simultaneous: repeat when the host is idle.`,
      ];
    }
    if (fileSystem.network && mounts < 2) {
      return [
        'warning',
        scope,
        'One winner each; but one mount serialises requests. Mount it twice and pass --through.',
      ];
    }
    return ['good', scope, `One winner each; ${contested} of them simultaneous.`];
  },

  'error of losers': ({ race, links }) => {
    const refusals = Object.keys(race?.refusals ?? {});
    if (refusals.length === 0 && links?.refusal !== undefined) refusals.push(links.refusal);
    if (refusals.length === 0) return undefined;
    const heard = refusals.sort().join(', ');
    if (heard === 'EEXIST') return ['good', heard, 'As expected.'];
    return ['warning', heard, 'Flockwork reads the content instead; other programs may not.'];
  },

  'link count': ({ links }) => {
    if (links === undefined || links.errno !== undefined) return undefined;
    if (links.count === 2) return ['good', 'correct', 'stat counts the names of a file.'];
    return ['warning', `${links.count} for 2`, 'stat is wrong; Flockwork does not use it.'];
  },

  'written content': ({ durable }) => {
    if (durable === undefined) return undefined;
    const { intact, fileErrno, directoryErrno } = durable;
    if (!intact)
      return [
        'bad',
        'altered',
        'The content that was read differs from what was written: do not use it.',
      ];
    const errno = fileErrno ?? directoryErrno;
    if (errno !== undefined) {
      const what = fileErrno === undefined ? 'a directory' : 'a file';
      return [
        'bad',
        errno,
        `fsync of ${what} fails, which every commit needs: use another file system.`,
      ];
    }
    return ['good', 'kept', 'Written, synced and read back.'];
  },

  'renaming over': ({ replacing }) => {
    if (replacing === undefined) return undefined;
    const { renameErrno, replaced } = replacing;
    if (replaced) return ['good', 'replaces', 'As expected.'];
    return [
      'bad',
      renameErrno ?? 'ignored',
      'A file cannot be replaced, which the repair of torn writes needs.',
    ];
  },

  'removing a full directory': ({ replacing }) => {
    if (replacing === undefined) return undefined;
    const { removeErrno } = replacing;
    if (removeErrno === undefined) return ['bad', 'removed', 'Its content is lost: do not use it.'];
    return ['good', removeErrno, 'It is refused.'];
  },

  'own listings': ({ listing }) => {
    if (listing === undefined) return undefined;
    if (listing.fresh) return ['good', 'fresh', 'A new name is in the next listing.'];
    return ['warning', 'stale', 'A new name is missing from the next listing: turn off caching.'];
  },

  'changes by others': ({ visibility, fileSystem }) => {
    if (visibility === undefined) return undefined;
    const { longest, mounts, limit } = visibility;
    const figures = Object.entries(longest).map(
      ([look, ms]) => `${look} ${Number.isFinite(ms) ? formatDuration(ms) : 'never'}`,
    );
    const measured = figures.join(', ');
    const worst = Math.max(...Object.values(longest));
    if (!Number.isFinite(worst)) {
      return [
        'warning',
        measured,
        `Not visible within ${formatDuration(limit)}: mount it without caching.`,
      ];
    }
    if (fileSystem.network && mounts < 2) {
      return [
        'warning',
        measured,
        'Measured through one mount, which sees its own changes: pass another one with --through.',
      ];
    }
    if (worst > NETWORK_PHASES.assignment / 2) {
      return [
        'warning',
        measured,
        'Caches hide changes for long: use phases of that length, or turn off caching.',
      ];
    }
    return ['good', measured, 'Other processes see a change soon.'];
  },

  'time stamps by': (measured) => {
    const by = stampedBy(measured);
    if (by === undefined) return undefined;
    const how = `${by.who}${by.measured || by.who === 'unknown' ? '' : ', as expected'}`;
    return STAMP_OPINIONS[by.who](how);
  },

  'time stamps': ({ stamps }) => {
    if (stamps === undefined) return undefined;
    const { granularity } = stamps;
    if (granularity === 0) return ['good', 'finer than 1 ms', 'Fine enough for any buffer.'];
    const measured = `multiples of ${formatDuration(granularity)}`;
    if (granularity <= KERNEL_TICK_MS) return ['good', measured, 'Fine enough for any buffer.'];
    return [
      'warning',
      measured,
      'Coarse, so workers know its time inexactly: use the recommended flags.',
    ];
  },

  'its clock': ({ stamps }) => {
    const own = stamps?.offsets[0];
    if (own === undefined) return undefined;
    if (!Number.isFinite(own.low) || !Number.isFinite(own.high)) {
      return [
        'bad',
        'no time',
        'Its time stamps are implausible, and workers depend on them: fix its clock.',
      ];
    }
    // `off` is a lower bound, `most` an upper one.
    const off = Math.max(own.low, -own.high, 0);
    const most = formatDuration(Math.max(Math.abs(own.low), Math.abs(own.high)));
    if (off <= MAX_CLOCK_OFFSET_MS)
      return ['good', `at most ${most} off`, "Agrees with this host's clock."];
    return [
      'warning',
      `about ${most} off`,
      "Differs from this host's clock. Workers use the volume's; other programs may not.",
    ];
  },

  'its time is known to': ({ stamps, fileSystem }) => {
    if (stamps === undefined || !Number.isFinite(stamps.uncertainty)) return undefined;
    const { buffer } = defaultsOf(fileSystem);
    const measured = formatDuration(stamps.uncertainty);
    if (stamps.uncertainty <= buffer) return ['good', measured, 'Less than a default buffer.'];
    return [
      'warning',
      measured,
      `More than a default buffer (${formatDuration(buffer)}): use the recommended flags.`,
    ];
  },

  speed: ({ latency, fileSystem }) => {
    if (latency === undefined || latency.length === 0) return undefined;
    const { operation, p95 } = latency.reduce((worst, one) => (one.p95 > worst.p95 ? one : worst));
    const { buffer } = defaultsOf(fileSystem);
    const measured = `${operation} ${formatDuration(p95)}`;
    if (p95 <= buffer * MAX_BUFFER_FRACTION)
      return ['good', measured, 'The slowest operation (p95) fits into a buffer.'];
    return [
      'warning',
      measured,
      'The slowest operation (p95) fills a default buffer: use the recommended flags.',
    ];
  },

  'phases in use': (measured) => {
    const { phases, lease } = measured;
    const advice = advise(measured);
    if (phases === undefined || lease === undefined || advice === undefined) return undefined;
    const used: Record<string, number> = { ...phases, lease };
    const advised: Record<string, number> = { ...advice.phases, lease: advice.lease };
    const short = Object.keys(used).filter((name) => used[name]! < advised[name]!);
    const text = flagsOf({ phases, lease });
    if (short.length === 0) return ['good', text, 'Long enough for what was measured.'];
    return ['warning', text, `Too short: ${short.join(', ')}. Other values need an empty volume.`];
  },

  'letter case': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.caseSensitive) return ['good', 'distinguished', 'x.state and X.state are two files.'];
    return ['warning', 'ignored', 'x.state and X.state are one file: do not use both.'];
  },

  'long names': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.longErrno === undefined) return ['good', '255 bytes', 'Names may have 255 bytes.'];
    return [
      'warning',
      names.longErrno,
      'Names of 255 bytes are refused: use short names for states.',
    ];
  },

  'names in UTF-8': ({ names }) => {
    if (names === undefined) return undefined;
    if (names.utf8) return ['good', 'kept', 'They are listed unchanged.'];
    return ['warning', 'altered', 'They are listed differently: use ASCII names for states.'];
  },
};

/** One judgement for each measured property, in the order of the table. */
export function judge(measured: Measured): Judgement[] {
  return Object.entries(JUDGES).flatMap(([property, opinionOn]) => {
    const opinion = opinionOn(measured);
    if (opinion === undefined) return [];
    const [verdict, figure, sentence] = opinion;
    return [{ property, verdict, measured: figure, sentence }];
  });
}

/** Without these a volume cannot be called fit. */
const ESSENTIAL_PROBES = ['links', 'durable', 'stamps'] as const;

/** True if no verdict is bad and the essential probes have results. */
export function isFit(measured: Measured): boolean {
  const isKnown = ESSENTIAL_PROBES.every((key) => measured[key] !== undefined);
  return isKnown && judge(measured).every(({ verdict }) => verdict !== 'bad');
}

/** A judgement as text of a log line or an error. */
export function sentenceOf({ property, measured, sentence }: Judgement): string {
  return `${property}: ${measured}. ${sentence}`;
}
