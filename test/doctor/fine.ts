/** Measurements of a sound directory, and functions to vary them. */
import { OPERATIONS, type Measured, type Visibility } from '../../src/doctor/measured.ts';
import { LOCAL_PHASES } from '../../src/volume/phases/cycle.ts';

type FileSystem = Measured['fileSystem'];

export const LOCAL: FileSystem = { type: 'ext4', network: false, options: ['rw'] };
export const NFS: FileSystem = { type: 'nfs4', network: true, options: ['rw', 'hard'] };
export const GLUSTER: FileSystem = { type: 'fuse.glusterfs', network: true, options: [] };

export const latency = (ms: number): NonNullable<Measured['latency']> =>
  OPERATIONS.map((operation) => ({ operation, median: ms / 2, p95: ms, count: 60 }));
export const visibility = (
  longest: Partial<Visibility['longest']> = {},
  mounts = 1,
): NonNullable<Measured['visibility']> => ({
  mounts,
  rounds: 8,
  limit: 25_000,
  longest: { listing: 3, stat: 2, content: 2, ...longest },
});
export const race = (
  more: Partial<NonNullable<Measured['race']>>,
): NonNullable<Measured['race']> => ({
  processes: 6,
  mounts: 1,
  rounds: 400,
  planned: 400,
  contested: 380,
  twoWinners: 0,
  noWinner: 0,
  overturned: 0,
  refusals: { EEXIST: 2000 },
  ...more,
});
export const stamps = (
  more: Partial<NonNullable<Measured['stamps']>>,
): NonNullable<Measured['stamps']> => ({
  offsets: [{ low: -2, high: 6 }],
  uncertainty: 8,
  granularity: 0,
  ...more,
});

/** A sound local file system. */
export const FINE: Measured = {
  fileSystem: LOCAL,
  writable: { errno: undefined },
  modes: { wanted: 0o2775, got: 0o2775, errno: undefined },
  links: { errno: undefined, refusal: 'EEXIST', kept: true, count: 2 },
  linkLimit: { reached: 1100, errno: undefined },
  durable: { intact: true, fileErrno: undefined, directoryErrno: undefined },
  listing: { fresh: true },
  race: race({}),
  stamps: stamps({}),
  latency: latency(1),
  visibility: visibility(),
  names: { caseSensitive: true, longErrno: undefined, utf8: true },
  replacing: { renameErrno: undefined, replaced: true, removeErrno: 'ENOTEMPTY' },
  phases: LOCAL_PHASES,
  lease: 10_000,
};
