/** Types of file systems, and what is known of them without a measurement. Pure. */

/** A file system as the operating system names it. */
export interface FileSystem {
  /** As in `mount -t`: `ext4`, `nfs4`, `fuse.sshfs`; or `unknown (0x…)`. */
  readonly type: string;
  /** Other hosts can change it: listings may be stale, and there are no file events for their changes. */
  readonly network: boolean;
  /** As mounted: `rw`, `soft`, … */
  readonly options: readonly string[];
}

interface Kind {
  readonly name: string;
  readonly network: boolean;
}

const local = (name: string): Kind => ({ name, network: false });
const network = (name: string): Kind => ({ name, network: true });

/** statfs magic numbers, from Linux's magic.h and the file systems' sources. */
const KINDS: Readonly<Record<number, Kind>> = {
  0xef53: local('ext4'), // ext2 and ext3, too
  0x58465342: local('xfs'),
  0x9123683e: local('btrfs'),
  0x01021994: local('tmpfs'),
  0x858458f6: local('ramfs'),
  0x794c7630: local('overlay'),
  0x2fc12fc1: local('zfs'),
  0xf2f52010: local('f2fs'),
  0xca451a4e: local('bcachefs'),
  0x4d44: local('vfat'),
  0x2011bab0: local('exfat'),
  0x7366746e: local('ntfs3'),
  0x3153464a: local('jfs'),
  0x52654973: local('reiserfs'),
  0x3434: local('nilfs2'),
  0x482b: local('hfsplus'),
  0x15013346: local('udf'),
  0xf15f: local('ecryptfs'),
  0x6969: network('nfs'),
  0x517b: network('smb'),
  0xff534d42: network('cifs'),
  0xfe534d42: network('smb2'),
  0x65735546: network('fuse'), // sshfs, GlusterFS, s3fs, virtiofs, …
  0x00c36400: network('ceph'),
  0x0bd00bd0: network('lustre'),
  0x47504653: network('gpfs'),
  0x19830326: network('beegfs'),
  0x5346414f: network('afs'),
  0x01021997: network('9p'),
  0x786f4256: network('vboxsf'),
  0xbacbacbc: network('vmhgfs'),
  0x01161970: network('gfs2'),
  0x7461636f: network('ocfs2'),
};

/** FUSE on a local disk: ntfs-3g, exfat-fuse. */
const LOCAL_FUSE_TYPE = 'fuseblk';

/** `mountinfo`: the text of /proc/self/mountinfo, empty if there is none. `path` is absolute and without symbolic links. */
export function describeFileSystem(magic: number, mountinfo: string, path: string): FileSystem {
  const mount = mountOf(mountinfo, path);
  const kind = KINDS[magic];
  const name = kind?.name ?? mount?.type ?? `unknown (0x${magic.toString(16)})`;
  // statfs says FUSE, mountinfo which one. If they disagree, statfs is right: it has read the directory itself.
  const finer = mount?.type.startsWith(name) === true ? mount : undefined;
  const type = finer?.type ?? name;
  return {
    type,
    network: isNetwork(kind, mountinfo) && type !== LOCAL_FUSE_TYPE,
    options: finer?.options ?? [],
  };
}

/** On Linux an unknown type counts as network: a wrongly trusted cache can lose states, a mistrusted one costs seconds. */
function isNetwork(kind: Kind | undefined, mountinfo: string): boolean {
  return kind === undefined ? mountinfo !== '' : kind.network;
}

interface Mount {
  readonly type: string;
  readonly options: readonly string[];
}

/** The mount of `path`: the longest mount point, and of equal ones the one mounted last. */
function mountOf(mountinfo: string, path: string): Mount | undefined {
  let best: (Mount & { point: string }) | undefined;
  for (const line of mountinfo.split('\n')) {
    const [own = '', superblock] = line.split(' - ');
    if (superblock === undefined) continue;
    const [, , , , rawPoint = '', options = ''] = own.split(' ');
    const [type = '', , superOptions = ''] = superblock.split(' ');
    const point = rawPoint.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = path === point || path.startsWith(point === '/' ? '/' : `${point}/`);
    if (holds && point.length >= (best?.point.length ?? 0)) {
      best = { type, point, options: [...options.split(','), ...superOptions.split(',')] };
    }
  }
  return best;
}

/** Properties of a type that cannot be measured from one host. */
export interface KnownType {
  /** Which clock mtime comes from. */
  readonly stamps?: 'server' | 'client';
  readonly remark: string;
}

const CEPH: KnownType = {
  stamps: 'client',
  remark: 'Contended operations may take a second each.',
};
const NFS: KnownType = {
  stamps: 'server',
  remark: 'Mount it hard, with actimeo=3 or less, on every host.',
};
const SMB: KnownType = {
  stamps: 'server',
  remark: 'Mount it with cache=none and actimeo=1 or less.',
};

const KNOWN: Readonly<Record<string, KnownType>> = {
  nfs: NFS,
  nfs4: NFS,
  cifs: SMB,
  smb3: SMB,
  'fuse.sshfs': {
    stamps: 'server',
    remark: 'Mount it with dir_cache=no: its listings may be 20 s old otherwise.',
  },
  'fuse.glusterfs': {
    stamps: 'client',
    remark:
      'A distributed volume without replicas can grant one link twice; a replicated one does not.',
  },
  ceph: CEPH,
  'fuse.ceph': CEPH,
  'fuse.ceph-fuse': CEPH,
};

export function knownOf(type: string): KnownType | undefined {
  return KNOWN[type];
}
