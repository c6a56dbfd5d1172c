/** Judges timing: visibility of changes, origin of time stamps, speed. Pure. */
import { formatDuration } from '../machine/duration.ts';
import { LOCAL_PHASES, NETWORK_PHASES, type PhaseLengths } from '../volume/phases/cycle.ts';
import { advise, flagsOf, stampedBy, type StampedBy } from './advice.ts';
import type { FileSystem } from './file-system.ts';
import type { Judge, Opinion } from './measured.ts';

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

export const TIMING: Readonly<Record<string, Judge>> = {
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
};
