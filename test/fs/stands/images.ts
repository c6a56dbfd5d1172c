/** ext4, xfs and btrfs in an image file, whose power can be cut while workers write. */
import { truncateSync, writeFileSync } from 'node:fs';
import {
  localStand,
  makeDirectory,
  sh,
  unmount,
  type Power,
  type Stand,
  type StandKind,
} from '../stand.ts';

const MIB = 1024 * 1024;
const SHELF_SIZE = 4096 * MIB;
const IMAGE_SIZE = 512 * MIB;

export const images: readonly StandKind[] = [
  { name: 'ext4', packages: ['e2fsprogs', 'xfsprogs'], open: (home) => open(home, 'ext4', '-q') },
  { name: 'xfs', packages: ['xfsprogs'], open: (home) => open(home, 'xfs', '-q') },
  {
    name: 'btrfs',
    packages: ['btrfs-progs', 'xfsprogs'],
    open: (home) => open(home, 'btrfs', '-q'),
  },
];

/**
 * The image is on an xfs of its own, where a copy with `--reflink` is atomic while the image is written. An ordinary
 * copy would mix blocks of different times, as no power cut does.
 */
async function open(home: string, kind: string, ...options: string[]): Promise<Stand> {
  const shelf = makeDirectory(home, 'shelf');
  const root = makeDirectory(home, 'mount');
  makeImage(`${home}/shelf.img`, SHELF_SIZE, 'xfs', ['-q', '-m', 'reflink=1']);
  sh('mount', '-o', 'loop', `${home}/shelf.img`, shelf);
  let image = `${shelf}/0.img`;
  let cuts = 0;
  makeImage(image, IMAGE_SIZE, kind, options);
  sh('mount', '-o', 'loop', image, root);
  const power: Power = {
    cut: () => void sh('cp', '--reflink=always', image, `${shelf}/${(cuts += 1)}.img`),
    restore: () => {
      unmount(root);
      image = `${shelf}/${cuts}.img`;
      sh('mount', '-o', 'loop', image, root);
    },
  };
  const stand = localStand(root, () => {
    unmount(root);
    unmount(shelf);
  });
  return { ...stand, power };
}

function makeImage(path: string, size: number, kind: string, options: readonly string[]): void {
  writeFileSync(path, '');
  truncateSync(path, size);
  sh(`mkfs.${kind}`, ...options, path);
}
