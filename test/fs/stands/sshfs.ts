/** Two sshfs mounts, with default caches, of one directory behind an sshd of its own. */
import { writeFileSync } from 'node:fs';
import { launchHere, type Host } from '../../fleet.ts';
import { skewedBy } from '../../chaos.ts';
import {
  eventually,
  makeDirectory,
  sh,
  startDaemon,
  unmount,
  type Skewed,
  type Stand,
  type StandKind,
} from '../stand.ts';

const PORT = '2222';
const AHEAD_MS = 1_000_000;

export const sshfs: StandKind = {
  name: 'sshfs',
  packages: ['openssh-server', 'openssh-sftp-server', 'openssh-client', 'sshfs'],
  open: async (home) => {
    await using stack = new AsyncDisposableStack();
    const root = makeDirectory(home, 'exported');
    makeDirectory('/run/sshd');
    for (const key of ['host', 'user']) {
      sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', `${home}/${key}`);
    }
    writeFileSync(`${home}/sshd.conf`, configuration(home));
    const sshd = startDaemon(`${home}/sshd.log`, '/usr/sbin/sshd', [
      '-D',
      '-e',
      '-f',
      `${home}/sshd.conf`,
    ]);
    stack.defer(() => sshd.stop('SIGTERM'));
    const mount = async (
      name: string,
      owner: AsyncDisposableStack,
      env: NodeJS.ProcessEnv = {},
    ): Promise<Host> => {
      const path = makeDirectory(home, name);
      const options = [
        'allow_other',
        `port=${PORT}`,
        `IdentityFile=${home}/user`,
        'StrictHostKeyChecking=no',
        `UserKnownHostsFile=${home}/known`,
      ].join(',');
      const args = ['-f', '-o', options, `root@127.0.0.1:${root}`, path];
      const daemon = startDaemon(`${home}/${name}.log`, 'sshfs', args, env);
      owner.defer(() => daemon.stop('SIGTERM'));
      await eventually(`${name} is mounted`, () => sh('mountpoint', path));
      owner.defer(() => unmount(path));
      return { root: path, launch: launchHere };
    };
    await eventually('sshd answers', () => sh('ssh-keyscan', '-p', PORT, '127.0.0.1'));
    const hosts = [await mount('a', stack), await mount('b', stack)];
    const skewed: Skewed = {
      ahead: AHEAD_MS,
      use: async (act) => {
        await using own = new AsyncDisposableStack();
        return await act(await mount('ahead', own, skewedBy(`+${AHEAD_MS / 1000}s`)));
      },
    };
    const resources = stack.move();
    const stand: Stand = {
      root,
      hosts,
      // Listings and attributes are up to 20 s old: the lease must be longer.
      pace: { assignment: 1000, commitment: 1000, update: 2000, buffer: 1000, lease: 30_000 },
      knowsNoUsers: true,
      chaos: { rounds: 1, chains: 8, count: 3 },
      skewed,
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
    return stand;
  },
};

function configuration(home: string): string {
  return [
    `Port ${PORT}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${home}/host`,
    `AuthorizedKeysFile ${home}/user.pub`,
    `PidFile ${home}/sshd.pid`,
    'PermitRootLogin yes',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n');
}
