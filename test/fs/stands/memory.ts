/** tmpfs, and overlayfs over a lower layer that already has the volume's directories and state files. */
import { FLAGS } from '../../../src/volume/layout.ts';
import { submitChains } from '../../chaos.ts';
import { localStand, makeDirectory, sh, unmount, type StandKind } from '../stand.ts';

export const tmpfs: StandKind = {
  name: 'tmpfs',
  packages: [],
  open: async (home) => {
    const root = makeDirectory(home, 'mount');
    sh('mount', '-t', 'tmpfs', 'tmpfs', root);
    return localStand(root, () => unmount(root));
  },
};

export const overlay: StandKind = {
  name: 'overlayfs',
  packages: [],
  open: async (home) => {
    const [lower, upper, work, root] = ['lower', 'upper', 'work', 'mount'].map((name) =>
      makeDirectory(home, name),
    ) as [string, string, string, string];
    for (const flag of FLAGS) makeDirectory(lower, VOLUME, flag);
    const chains = Array.from({ length: 8 }, (_, index) => ({ instance: `low${index}`, count: 4 }));
    submitChains(`${lower}/${VOLUME}`, chains);
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    sh('mount', '-t', 'overlay', 'overlay', '-o', layers, root);
    const stand = localStand(root, () => unmount(root));
    return { ...stand, prepared: { dir: `${root}/${VOLUME}`, chains } };
  },
};

const VOLUME = 'lower-volume';
