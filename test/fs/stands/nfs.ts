/**
 * NFS: NFS-Ganesha on this machine, and two guests with Linux's own client, one of version 4.1 and one of version 3,
 * each with its own caches and clock. The guests are user-mode Linux: ordinary processes on this machine's files. The
 * server is killed and restarted once.
 */
import { symlinkSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Host } from '../../fleet.ts';
import { agentAnswers, launchOn } from '../remote.ts';
import {
  eventually,
  makeDirectory,
  sh,
  startDaemon,
  useOwn,
  type Daemon,
  type Stand,
  type StandKind,
} from '../stand.ts';

/** The network of the bridge and the guests, in the test's namespace. */
const SERVER = '10.77.1.1';
/**
 * Frames must not exceed the MTU: guests drop larger ones ("Incoming GSO frames and GRO disabled"), and TCP repeats
 * them ever more slowly, until a client has been silent for minutes.
 */
const WHOLE_FRAMES = ['gso_max_segs', '1'];
const NFS_PORT = 2049;
const MOUNTD_PORT = 20048;
/** Preloaded into user-mode Linux: see there. */
const REGISTERS = join(import.meta.dirname, 'registers.c');
const AGENT = join(import.meta.dirname, '../agent.ts');
const AGENT_PORT = 7000;
const MODULES = '/usr/lib/uml/modules';
/** Mount point of the volume in a guest. */
const MOUNT = '/mnt/nfs';
/** Milliseconds: longer than the server's restart, its grace period and the clients' reconnection. */
const LEASE_MS = 15_000;
/** Milliseconds by which the second guest's clock is ahead. */
const AHEAD_MS = 5000;

export const nfs: StandKind = {
  name: 'nfs',
  packages: ['nfs-ganesha', 'nfs-ganesha-vfs', 'rpcbind', 'user-mode-linux', 'tcc', 'kmod'],
  open: async (home) => {
    await using stack = new AsyncDisposableStack();
    useOwn(stack, home, ['/var/lib/nfs']);
    for (const place of ['/var/lib/nfs/ganesha', '/run/ganesha', '/run/rpcbind']) {
      makeDirectory(place);
    }
    // Ganesha's NFSv3 does not start without it.
    const rpcbind = startDaemon(`${home}/rpcbind.log`, 'rpcbind', ['-f', '-w']);
    stack.defer(() => rpcbind.stop());
    const root = makeDirectory(home, 'exported');
    writeFileSync(`${home}/ganesha.conf`, serverConfiguration(root));
    sh('ip', 'link', 'add', 'fw-fs-bridge', 'type', 'bridge');
    stack.defer(() => void sh('ip', 'link', 'delete', 'fw-fs-bridge'));
    sh('ip', 'address', 'add', `${SERVER}/24`, 'dev', 'fw-fs-bridge');
    sh('ip', 'link', 'set', 'fw-fs-bridge', 'up', ...WHOLE_FRAMES);
    await eventually('rpcbind answers', () => sh('rpcinfo', '-s', '127.0.0.1'));
    let server = await startServer(home);
    stack.defer(() => server.stop());
    sh('tcc', '-shared', '-o', registersIn(home), REGISTERS);
    // The layout that modprobe expects.
    makeDirectory(home, 'kernel/lib/modules');
    const [release] = readdirSync(MODULES) as [string];
    symlinkSync(`${MODULES}/${release}`, `${home}/kernel/lib/modules/${release}`);
    const hosts: Host[] = [];
    for (const [number, ahead] of [0, AHEAD_MS].entries()) {
      const address = `10.77.1.${number + 2}`;
      const mount = number === 0 ? mountVersion4(address) : mountVersion3(root);
      const guest = startGuest(home, number, guestInit(home, number, address, ahead, mount));
      stack.defer(() => guest.stop());
      await agentAnswers(address, AGENT_PORT);
      hosts.push({ root: MOUNT, launch: launchOn(address, AGENT_PORT), ahead });
    }
    const resources = stack.move();
    const stand: Stand = {
      root,
      hosts,
      pace: { assignment: 1000, commitment: 700, update: 1500, buffer: 300, lease: LEASE_MS },
      chaos: { rounds: 2, chains: 10, count: 3 },
      skewed: { ahead: AHEAD_MS, use: (act) => act(hosts[1]!) },
      disturb: async () => {
        await server.stop('SIGKILL');
        server = await startServer(home);
        return 'the server was killed, and started again';
      },
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
    return stand;
  },
};

function serverConfiguration(root: string): string {
  return `
    NFS_CORE_PARAM {
      NFS_Port = ${NFS_PORT}; MNT_Port = ${MOUNTD_PORT}; Protocols = 3, 4;
      Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false;
    }
    NFSV4 { Grace_Period = 5; Lease_Lifetime = 10; }
    EXPORT {
      Export_Id = 1; Path = ${root}; Pseudo = /volume; Access_Type = RW; Squash = None;
      SecType = sys; Protocols = 3, 4; Transports = TCP; FSAL { Name = VFS; }
    }
  `;
}

async function startServer(home: string): Promise<Daemon> {
  const files = ['-f', `${home}/ganesha.conf`, '-L', `${home}/ganesha.log`];
  const server = startDaemon(`${home}/ganesha.out`, 'ganesha.nfsd', [
    '-F',
    ...files,
    '-p',
    `${home}/ganesha.pid`,
  ]);
  await eventually(
    'the server listens',
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(NFS_PORT, SERVER, () => {
          socket.destroy();
          resolve();
        });
        socket.once('error', reject);
      }),
  );
  return server;
}

const mountVersion4 = (address: string): string =>
  `mount -i -t nfs4 -o addr=${SERVER},clientaddr=${address},vers=4.1,hard,actimeo=3,sec=sys ` +
  `${SERVER}:/volume ${MOUNT}`;

const mountVersion3 = (root: string): string =>
  `mount -i -t nfs -o addr=${SERVER},vers=3,proto=tcp,port=${NFS_PORT},mountproto=tcp,` +
  `mountport=${MOUNTD_PORT},nolock,hard,actimeo=3,sec=sys ${SERVER}:${root} ${MOUNT}`;

const registersIn = (home: string): string => `${home}/registers.so`;

function startGuest(home: string, number: number, script: string): Daemon {
  const tap = `fw-fs-${number}`;
  sh('ip', 'tuntap', 'add', tap, 'mode', 'tap');
  sh('ip', 'link', 'set', tap, 'master', 'fw-fs-bridge', 'up', ...WHOLE_FRAMES);
  const init = `${home}/init-${number}`;
  writeFileSync(init, script, { mode: 0o755 });
  const args = [
    'mem=1G',
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `init=${init}`,
    `vec0:transport=tap,ifname=${tap},depth=128`,
    'con=null',
    'con0=null,fd:1',
    `umid=fw-fs-${number}`,
    `uml_dir=${home}`,
  ];
  const env = { LD_PRELOAD: registersIn(home) };
  return startDaemon(`${home}/guest-${number}.log`, 'linux.uml', args, env);
}

function guestInit(
  home: string,
  number: number,
  address: string,
  ahead: number,
  mount: string,
): string {
  return `#!/bin/sh -e
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir /dev/shm
for place in /run /mnt /dev/shm; do mount -t tmpfs tmpfs $place; done
mkdir ${MOUNT}
# Servers identify clients by it.
echo guest-${number} > /proc/sys/kernel/hostname
date --set '${ahead / 1000} seconds'
ip link set lo up
ip address add ${address}/24 dev vec0
ip link set vec0 up
modprobe --dirname ${home}/kernel --all nfsv3 nfsv4
${mount}
exec ${process.execPath} ${AGENT} ${AGENT_PORT}
`;
}
