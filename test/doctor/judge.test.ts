/** The judgement, as a table: what was measured → what is thought of it. */
import { describe, expect, test } from 'vitest';
import { advise, flagsOf } from '../../src/doctor/advice.ts';
import { stampedBy } from '../../src/doctor/clocks.ts';
import { isFit, judge, sentenceOf, type Judgement } from '../../src/doctor/judge.ts';
import type { Measured } from '../../src/doctor/measured.ts';
import type { PropertyVerdict } from '../../src/doctor/opinion.ts';
import { LOCAL_PHASES, NETWORK_PHASES } from '../../src/semaphore/cycle.ts';
import { FINE, GLUSTER, latency, LOCAL, NFS, race, stamps, visibility } from './fine.ts';

const of = (property: string, more: Partial<Measured>): Judgement | undefined =>
  judge({ ...FINE, ...more }).find((one) => one.property === property);

test('where everything is as it should be, all is good, and every property has its say', () => {
  const judgements = judge(FINE);
  expect(judgements.filter(({ verdict }) => verdict !== 'good')).toEqual([]);
  expect(judgements).toHaveLength(22);
});

test('what was not measured is not judged', () => {
  expect(judge({ fileSystem: LOCAL }).map(({ property }) => property)).toEqual(['file system']);
});

const links = FINE.links!;
const durable = FINE.durable!;
const names = FINE.names!;
const replacing = FINE.replacing!;

const TABLE: readonly [string, PropertyVerdict, string, Partial<Measured>][] = [
  ['file system', 'warning', 'actimeo', { fileSystem: NFS }],
  ['file system', 'warning', 'Mount it hard', { fileSystem: { ...NFS, options: ['soft'] } }],
  ['file system', 'warning', 'unreplicated', { fileSystem: GLUSTER }],
  ['file system', 'warning', 'caches', { fileSystem: { ...NFS, type: 'lustre' } }],
  ['file system', 'warning', 'Nothing', { fileSystem: { ...LOCAL, type: 'unknown (0x1)' } }],
  ['writable', 'bad', 'read-only', { writable: { errno: 'EROFS' } }],
  ['writable', 'bad', 'owner or mode', { writable: { errno: 'EACCES' } }],
  ['writable', 'bad', 'mend', { writable: { errno: 'EIO' } }],
  [
    'directory modes',
    'warning',
    'one user',
    { modes: { wanted: 0o777, got: 0o755, errno: undefined } },
  ],
  [
    'directory modes',
    'bad',
    'cannot be set',
    { modes: { wanted: 0o777, got: 0o755, errno: 'EPERM' } },
  ],
  ['hard links', 'bad', 'no hard links', { links: { ...links, errno: 'ENOTSUP' } }],
  ['hard links', 'bad', 'second link', { links: { ...links, refusal: undefined } }],
  ['hard links', 'bad', 'second link', { links: { ...links, kept: false } }],
  ['names of one file', 'warning', 'raise it', { linkLimit: { reached: 47, errno: 'ENOSPC' } }],
  ['names of one file', 'bad', 'needs more', { linkLimit: { reached: 2, errno: 'EMLINK' } }],
  ['exclusive in a race', 'bad', 'granted twice, in 3 rounds', { race: race({ twoWinners: 3 }) }],
  ['exclusive in a race', 'bad', 'granted twice, in 1 round:', { race: race({ overturned: 1 }) }],
  ['exclusive in a race', 'warning', 'Nobody won 1 round', { race: race({ noWinner: 1 }) }],
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
  ['what losers hear', 'warning', 'looks', { race: race({ refusals: { EPERM: 9, EEXIST: 1 } }) }],
  [
    'what losers hear',
    'warning',
    'looks',
    { race: race({ refusals: {} }), links: { ...links, refusal: 'EPERM' } },
  ],
  ['link count', 'warning', 'does not ask', { links: { ...links, count: 1 } }],
  ['what is written', 'bad', 'not what was written', { durable: { ...durable, intact: false } }],
  ['what is written', 'bad', 'fsync of a file', { durable: { ...durable, fileErrno: 'EIO' } }],
  [
    'what is written',
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
    'Not seen in 25.0 s',
    { visibility: visibility({ stat: Infinity }, 2) },
  ],
  ['changes by others', 'warning', '--through', { fileSystem: NFS }],
  ['changes by others', 'good', 'soon', { fileSystem: NFS, visibility: visibility({}, 2) }],
  ['time stamps by', 'good', 'server', { fileSystem: NFS }],
  ['time stamps by', 'warning', 'NTP', { fileSystem: GLUSTER }],
  ['time stamps by', 'warning', 'cannot be told', { fileSystem: { ...NFS, type: 'lustre' } }],
  ['time stamps', 'good', 'Fine', { stamps: stamps({ granularity: 1 }) }],
  ['time stamps', 'warning', 'Coarse', { stamps: stamps({ granularity: 1000 }) }],
  ['its clock', 'warning', 'host', { stamps: stamps({ offsets: [{ low: 5000, high: 5010 }] }) }],
  ['its clock', 'warning', 'host', { stamps: stamps({ offsets: [{ low: -5010, high: -5000 }] }) }],
  [
    'its clock',
    'bad',
    'no sense',
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

describe('one thing is otherwise', () => {
  test.each(TABLE)('%s is %s: …%s…', (property, verdict, words, more) => {
    const judgement = of(property, more);
    expect(judgement?.verdict).toBe(verdict);
    expect(judgement?.sentence).toContain(words);
    expect(judgement?.measured).not.toBe('');
  });
});

test('fit is what has nothing bad, and whose essentials are known', () => {
  expect(isFit(FINE)).toBe(true);
  expect(isFit({ ...FINE, listing: { fresh: false } })).toBe(true);
  expect(isFit({ ...FINE, race: race({ twoWinners: 1 }) })).toBe(false);
  const { durable: _unknown, ...rest } = FINE;
  expect(isFit(rest)).toBe(false);
});

test('a line for a log has the property, the figure and the sentence', () => {
  const judgement = of('names of one file', { linkLimit: { reached: 47, errno: 'ENOSPC' } })!;
  expect(sentenceOf(judgement)).toMatch(/^names of one file: 47, then ENOSPC\. .*raise it/);
});

describe('whose clock stamps', () => {
  const A = { low: -3, high: 8 };
  const AHEAD = { low: 9000, high: 9010 };
  test.each([
    ['a local file system', LOCAL, [A], 'this host', false],
    ['two mounts tell two times', GLUSTER, [A, AHEAD], 'client', true],
    ['all of them are off alike', NFS, [AHEAD, AHEAD], 'server', true],
    ['off alike, whatever the type is known for', GLUSTER, [AHEAD, AHEAD], 'server', true],
    ['nothing to tell by', NFS, [A], 'server', false],
    ['nothing to tell by', GLUSTER, [A], 'client', false],
    ['nothing to tell by, nothing known', { ...NFS, type: 'afs' }, [A], 'unknown', false],
  ])('%s', (_what, fileSystem, offsets, who, measured) => {
    expect(stampedBy({ fileSystem, stamps: stamps({ offsets }) })).toEqual({ who, measured });
  });
});

describe('phases', () => {
  const phases = (more: Partial<Measured>): unknown => advise({ ...FINE, ...more })?.phases;

  test('a local file system keeps the defaults; flags are as the worker takes them', () => {
    const advice = advise(FINE)!;
    expect(advice).toEqual({ phases: LOCAL_PHASES, lease: 10_000 });
    expect(flagsOf(advice)).toBe(
      '--assignment 20ms --commitment 20ms --update 400ms --buffer 20ms --lease 10s',
    );
  });

  test('one mount of a network file system says nothing of other hosts: the 12 s cycle', () => {
    expect(advise({ ...FINE, fileSystem: NFS })).toEqual({ phases: NETWORK_PHASES, lease: 30_000 });
  });

  test.each([
    ['uncertain time: twice that', { stamps: stamps({ uncertainty: 300 }) }, { buffer: 600 }],
    ['a slow operation', { latency: latency(70) }, { buffer: 140 }],
    ['names are hidden', { visibility: visibility({ listing: 2000 }, 2) }, { assignment: 4100 }],
    [
      'nothing is ever seen',
      { visibility: visibility({ stat: Infinity }, 2) },
      { assignment: 51_000 },
    ],
    ['a measured network', { fileSystem: NFS, visibility: visibility({}, 2) }, LOCAL_PHASES],
    ['clients stamp', { fileSystem: GLUSTER, visibility: visibility({}, 2) }, { buffer: 1000 }],
  ])('%s', (_what, more: Partial<Measured>, expected) => {
    expect(phases(more)).toMatchObject(expected);
  });

  test('a lease outlives what hides its beats', () => {
    expect(advise({ ...FINE, visibility: visibility({ content: 10_000 }, 2) })?.lease).toBe(41_000);
  });

  test.each([
    ['no latencies', { latency: undefined }],
    ['no stamps', { stamps: undefined }],
    ['no time', { stamps: stamps({ uncertainty: Infinity }) }],
  ])('nothing is recommended on %s', (_what, more) => {
    expect(advise({ ...FINE, ...more } as Measured)).toBeUndefined();
  });
});
