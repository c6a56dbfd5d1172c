/** Judgements, as a table: measurement → verdict and words of the sentence. */
import { describe, expect, test } from 'vitest';
import { advise, flagsOf, stampedBy } from '../../src/doctor/advice.ts';
import {
  isFit,
  judge,
  sentenceOf,
  type Judgement,
  type PropertyVerdict,
} from '../../src/doctor/judge.ts';
import type { Measured } from '../../src/doctor/measured.ts';
import { LOCAL_PHASES, NETWORK_PHASES } from '../../src/volume/phases/cycle.ts';
import { FINE, GLUSTER, latency, LOCAL, NFS, race, stamps, visibility } from './fine.ts';

const of = (property: string, more: Partial<Measured>): Judgement | undefined =>
  judge({ ...FINE, ...more }).find((one) => one.property === property);

test('judges every property of a sound volume as good', () => {
  const judgements = judge(FINE);
  expect(judgements.filter(({ verdict }) => verdict !== 'good')).toEqual([]);
  expect(judgements).toHaveLength(22);
});

test('omits properties that were not measured', () => {
  expect(judge({ fileSystem: LOCAL }).map(({ property }) => property)).toEqual(['file system']);
});

const links = FINE.links!;
const durable = FINE.durable!;
const names = FINE.names!;
const replacing = FINE.replacing!;

const TABLE: readonly [string, PropertyVerdict, string, Partial<Measured>][] = [
  ['file system', 'warning', 'actimeo', { fileSystem: NFS }],
  ['file system', 'warning', 'Mount it hard', { fileSystem: { ...NFS, options: ['soft'] } }],
  ['file system', 'warning', 'without replicas', { fileSystem: GLUSTER }],
  ['file system', 'warning', 'caches', { fileSystem: { ...NFS, type: 'lustre' } }],
  ['file system', 'warning', 'not known', { fileSystem: { ...LOCAL, type: 'unknown (0x1)' } }],
  ['writable', 'bad', 'read-only', { writable: { errno: 'EROFS' } }],
  ['writable', 'bad', 'owner or mode', { writable: { errno: 'EACCES' } }],
  ['writable', 'bad', 'fix that', { writable: { errno: 'EIO' } }],
  [
    'directory modes',
    'warning',
    'one user',
    { modes: { wanted: 0o777, got: 0o755, errno: undefined } },
  ],
  [
    'directory modes',
    'bad',
    'cannot set',
    { modes: { wanted: 0o777, got: 0o755, errno: 'EPERM' } },
  ],
  ['hard links', 'bad', 'there are none', { links: { ...links, errno: 'ENOTSUP' } }],
  ['hard links', 'bad', 'second link', { links: { ...links, refusal: undefined } }],
  ['hard links', 'bad', 'second link', { links: { ...links, kept: false } }],
  [
    'names of one file',
    'warning',
    'raise the limit',
    { linkLimit: { reached: 47, errno: 'ENOSPC' } },
  ],
  ['names of one file', 'bad', 'needs more', { linkLimit: { reached: 2, errno: 'EMLINK' } }],
  ['exclusive in a race', 'bad', 'granted twice, in 3 rounds', { race: race({ twoWinners: 3 }) }],
  ['exclusive in a race', 'bad', 'granted twice, in 1 round:', { race: race({ overturned: 1 }) }],
  ['exclusive in a race', 'warning', '1 round without a winner', { race: race({ noWinner: 1 }) }],
  ['exclusive in a race', 'warning', 'few rounds', { race: race({ rounds: 12, contested: 12 }) }],
  ['exclusive in a race', 'warning', 'only 3', { race: race({ contested: 3 }) }],
  ['exclusive in a race', 'warning', '--through', { fileSystem: NFS, race: race({ rounds: 900 }) }],
  ['exclusive in a race', 'warning', 'few rounds', { fileSystem: NFS, race: race({ mounts: 2 }) }],
  [
    'exclusive in a race',
    'good',
    'One winner',
    { fileSystem: NFS, race: race({ mounts: 2, rounds: 900 }) },
  ],
  ['error of losers', 'warning', 'reads', { race: race({ refusals: { EPERM: 9, EEXIST: 1 } }) }],
  [
    'error of losers',
    'warning',
    'reads',
    { race: race({ refusals: {} }), links: { ...links, refusal: 'EPERM' } },
  ],
  ['link count', 'warning', 'does not use', { links: { ...links, count: 1 } }],
  [
    'written content',
    'bad',
    'differs from what was written',
    { durable: { ...durable, intact: false } },
  ],
  ['written content', 'bad', 'fsync of a file', { durable: { ...durable, fileErrno: 'EIO' } }],
  [
    'written content',
    'bad',
    'fsync of a directory',
    { durable: { ...durable, directoryErrno: 'EINVAL' } },
  ],
  ['own listings', 'warning', 'missing', { listing: { fresh: false } }],
  [
    'changes by others',
    'warning',
    'hide changes',
    { visibility: visibility({ listing: 20_000 }, 2) },
  ],
  [
    'changes by others',
    'warning',
    'Not visible within 25.0 s',
    { visibility: visibility({ stat: Infinity }, 2) },
  ],
  ['changes by others', 'warning', '--through', { fileSystem: NFS }],
  ['changes by others', 'good', 'soon', { fileSystem: NFS, visibility: visibility({}, 2) }],
  ['time stamps by', 'good', 'server', { fileSystem: NFS }],
  ['time stamps by', 'warning', 'NTP', { fileSystem: GLUSTER }],
  ['time stamps by', 'warning', 'Not known', { fileSystem: { ...NFS, type: 'lustre' } }],
  ['time stamps', 'good', 'Fine', { stamps: stamps({ granularity: 1 }) }],
  ['time stamps', 'warning', 'Coarse', { stamps: stamps({ granularity: 1000 }) }],
  ['its clock', 'warning', 'host', { stamps: stamps({ offsets: [{ low: 5000, high: 5010 }] }) }],
  ['its clock', 'warning', 'host', { stamps: stamps({ offsets: [{ low: -5010, high: -5000 }] }) }],
  [
    'its clock',
    'bad',
    'implausible',
    { stamps: stamps({ offsets: [{ low: -Infinity, high: Infinity }] }) },
  ],
  [
    'its time is known to',
    'warning',
    'recommended flags',
    { stamps: stamps({ uncertainty: 150 }) },
  ],
  ['its time is known to', 'good', '', { fileSystem: NFS, stamps: stamps({ uncertainty: 150 }) }],
  ['speed', 'warning', 'recommended flags', { latency: latency(80) }],
  ['letter case', 'warning', 'one file', { names: { ...names, caseSensitive: false } }],
  ['long names', 'warning', 'short', { names: { ...names, longErrno: 'ENAMETOOLONG' } }],
  ['names in UTF-8', 'warning', 'ASCII', { names: { ...names, utf8: false } }],
  [
    'renaming over',
    'bad',
    'replaced',
    { replacing: { ...replacing, replaced: false, renameErrno: 'EEXIST' } },
  ],
  [
    'removing a full directory',
    'bad',
    'lost',
    { replacing: { ...replacing, removeErrno: undefined } },
  ],
  ['phases in use', 'warning', 'buffer', { stamps: stamps({ uncertainty: 80 }) }],
];

describe('one measurement differs', () => {
  test.each(TABLE)('%s is %s: …%s…', (property, verdict, words, more) => {
    const judgement = of(property, more);
    expect(judgement?.verdict).toBe(verdict);
    expect(judgement?.sentence).toContain(words);
    expect(judgement?.measured).not.toBe('');
  });
});

test('a volume is fit if no verdict is bad and the essentials were measured', () => {
  expect(isFit(FINE)).toBe(true);
  expect(isFit({ ...FINE, listing: { fresh: false } })).toBe(true);
  expect(isFit({ ...FINE, race: race({ twoWinners: 1 }) })).toBe(false);
  const { durable: _unknown, ...rest } = FINE;
  expect(isFit(rest)).toBe(false);
});

test('sentenceOf has the property, the figure and the sentence', () => {
  const judgement = of('names of one file', { linkLimit: { reached: 47, errno: 'ENOSPC' } })!;
  expect(sentenceOf(judgement)).toMatch(/^names of one file: 47, then ENOSPC\. .*raise the limit/);
});

describe('origin of time stamps', () => {
  const A = { low: -3, high: 8 };
  const AHEAD = { low: 9000, high: 9010 };
  test.each([
    ['a local file system', LOCAL, [A], 'this host', false],
    ['two mounts with different times', GLUSTER, [A, AHEAD], 'client', true],
    ['all mounts with the same offset', NFS, [AHEAD, AHEAD], 'server', true],
    [
      'the same offset, against what the type is known for',
      GLUSTER,
      [AHEAD, AHEAD],
      'server',
      true,
    ],
    ['no offset, NFS', NFS, [A], 'server', false],
    ['no offset, GlusterFS', GLUSTER, [A], 'client', false],
    ['no offset, unknown type', { ...NFS, type: 'afs' }, [A], 'unknown', false],
  ])('%s', (_what, fileSystem, offsets, who, measured) => {
    expect(stampedBy({ fileSystem, stamps: stamps({ offsets }) })).toEqual({ who, measured });
  });
});

describe('phases', () => {
  const phases = (more: Partial<Measured>): unknown => advise({ ...FINE, ...more })?.phases;

  test('are the defaults on a local file system', () => {
    const advice = advise(FINE)!;
    expect(advice).toEqual({ phases: LOCAL_PHASES, lease: 10_000 });
    expect(flagsOf(advice)).toBe(
      '--assignment 20ms --commitment 20ms --update 400ms --buffer 20ms --lease 10s',
    );
  });

  test('are the 12 s cycle on one mount of a network file system', () => {
    expect(advise({ ...FINE, fileSystem: NFS })).toEqual({ phases: NETWORK_PHASES, lease: 30_000 });
  });

  test.each([
    ['uncertain time', { stamps: stamps({ uncertainty: 300 }) }, { buffer: 600 }],
    ['a slow operation', { latency: latency(70) }, { buffer: 140 }],
    ['hidden names', { visibility: visibility({ listing: 2000 }, 2) }, { assignment: 4100 }],
    [
      'changes that are never visible',
      { visibility: visibility({ stat: Infinity }, 2) },
      { assignment: 51_000 },
    ],
    ['a measured network', { fileSystem: NFS, visibility: visibility({}, 2) }, LOCAL_PHASES],
    [
      'client time stamps',
      { fileSystem: GLUSTER, visibility: visibility({}, 2) },
      { buffer: 1000 },
    ],
  ])('%s', (_what, more: Partial<Measured>, expected) => {
    expect(phases(more)).toMatchObject(expected);
  });

  test('lengthen the lease if heartbeats are visible late', () => {
    expect(advise({ ...FINE, visibility: visibility({ content: 10_000 }, 2) })?.lease).toBe(41_000);
  });

  test.each([
    ['no latencies', { latency: undefined }],
    ['no stamps', { stamps: undefined }],
    ['no time', { stamps: stamps({ uncertainty: Infinity }) }],
  ])('are not recommended with %s', (_what, more) => {
    expect(advise({ ...FINE, ...more } as Measured)).toBeUndefined();
  });
});
