/** Two sshfs mounts, with default caches, of one directory behind an sshd of its own. */
import { writeFileSync } from 'node:fs';
import {
  eventually,
  makeDirectory,
  mountWith,
  sh,
  skewedMount,
  startDaemon,
  type Stand,
  type StandKind,
} from '../stand.ts';

const PORT = '2222';

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
    const options = [
      'allow_other',
      `port=${PORT}`,
      `IdentityFile=${home}/user`,
      'StrictHostKeyChecking=no',
      `UserKnownHostsFile=${home}/known`,
    ].join(',');
    const argsFor = (path: string): readonly string[] => [
      '-f',
      '-o',
      options,
      `root@127.0.0.1:${root}`,
      path,
    ];
    const mount = mountWith(home, 'sshfs', argsFor, 'SIGTERM');
    await eventually('sshd answers', () => sh('ssh-keyscan', '-p', PORT, '127.0.0.1'));
    const hosts = [await mount('a', stack), await mount('b', stack)];
    const resources = stack.move();
    const stand: Stand = {
      root,
      hosts,
      // Listings and attributes are up to 20 s old: the lease must be longer.
      pace: { assignment: 1000, commitment: 1000, update: 2000, buffer: 1000, lease: 30_000 },
      knowsNoUsers: true,
      chaos: { rounds: 1, chains: 8, count: 3 },
      skewed: skewedMount(mount),
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
