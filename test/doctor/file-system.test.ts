import { expect, test } from 'vitest';
import { describeFileSystem } from '../../src/doctor/file-system.ts';

const EXT = 0xef53;
const NFS = 0x6969;
const FUSE = 0x65735546;
const OVERLAY = 0x794c7630;

const MOUNTS = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:40 / /mnt/my\\040states rw,nosuid shared:2 - fuse.sshfs me@host:/exp rw,user_id=0
41 22 0:41 / /mnt/nfs rw - nfs4 host:/exp rw,vers=4.2,soft,actimeo=3
42 22 0:42 / /mnt/over rw - nfs4 host:/old rw
43 22 0:43 / /mnt/over rw - fuse.glusterfs host:/dv rw
44 22 7:0 / /mnt/disk rw - fuseblk /dev/sdb1 rw
`;

test.each([
  ['magic number alone', EXT, '', '/x', 'ext4', false],
  ['FUSE, and which one', FUSE, MOUNTS, '/mnt/my states/deep', 'fuse.sshfs', true],
  ['NFS, and which version', NFS, MOUNTS, '/mnt/nfs', 'nfs4', true],
  ['the last of several mounts', FUSE, MOUNTS, '/mnt/over/x', 'fuse.glusterfs', true],
  ['a directory beside a mount point', EXT, MOUNTS, '/mnt/nfs2', 'ext4', false],
  ['a type that mountinfo contradicts', OVERLAY, MOUNTS, '/mnt/nfs', 'overlay', false],
  ['FUSE without mountinfo', FUSE, '', '/x', 'fuse', true],
  ['FUSE on a disk of this host', FUSE, MOUNTS, '/mnt/disk', 'fuseblk', false],
  ['known to mountinfo only', 0x1234, MOUNTS, '/mnt/disk', 'fuseblk', false],
  ['a folder of the virtual machine’s host', 0x786f4256, MOUNTS, '/x', 'vboxsf', true],
  ['an unknown type counts as network', 0x1234, MOUNTS, '/x', 'ext4', true],
  ['an unknown type without mountinfo', 0x1234, '', '/x', 'unknown (0x1234)', false],
])('%s', (_what, magic, mounts, path, type, network) => {
  expect(describeFileSystem(magic, mounts, path)).toMatchObject({ type, network });
});

test('has the mount options, those of the superblock too', () => {
  const { options } = describeFileSystem(NFS, MOUNTS, '/mnt/nfs');
  expect(options).toEqual(expect.arrayContaining(['rw', 'soft', 'actimeo=3']));
});
