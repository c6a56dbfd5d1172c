/** GlusterFS: a volume with three replicas and two mounts; one brick's process is killed and restarted during the run. */
import { readdirSync, readFileSync } from 'node:fs';
import {
  eventually,
  makeDirectory,
  mountWith,
  sh,
  skewedMount,
  startDaemon,
  useOwn,
  type Stand,
  type StandKind,
} from '../stand.ts';

/** GlusterFS refuses 127.0.0.1; this network is in the test's namespace. */
const ADDRESS = '10.77.0.1';
const VOLUME = 'fw-fs';
/** Its state directories: replaced by the test's own in this namespace. */
const OWN_PLACES = ['/var/lib/glusterd', '/var/log/glusterfs'];

export const glusterfs: StandKind = {
  name: 'glusterfs',
  packages: ['glusterfs-server', 'glusterfs-client', 'attr'],
  open: async (home) => {
    await using stack = new AsyncDisposableStack();
    useOwn(stack, home, OWN_PLACES);
    for (const place of ['/var/log/glusterfs/bricks', '/run/gluster']) makeDirectory(place);
    sh('ip', 'address', 'add', `${ADDRESS}/32`, 'dev', 'lo');
    stack.defer(() => void sh('ip', 'address', 'delete', `${ADDRESS}/32`, 'dev', 'lo'));
    const glusterd = startDaemon(`${home}/glusterd.log`, 'glusterd', ['--no-daemon']);
    stack.defer(() => glusterd.stop());
    await eventually('glusterd answers', () => gluster('pool', 'list'));
    const bricks = ['1', '2', '3'].map(
      (name) => `${ADDRESS}:${makeDirectory(home, 'brick', name)}/b`,
    );
    gluster('volume', 'create', VOLUME, 'replica', '3', ...bricks, 'force');
    gluster('volume', 'start', VOLUME);
    stack.defer(() => void gluster('volume', 'stop', VOLUME, 'force'));
    const server = [`--volfile-server=${ADDRESS}`, `--volfile-id=/${VOLUME}`];
    const argsFor = (path: string, log: string): readonly string[] => [
      `--log-file=${log}`,
      '--no-daemon',
      ...server,
      path,
    ];
    const mount = mountWith(home, 'glusterfs', argsFor, 'SIGKILL');
    const hosts = [await mount('a', stack), await mount('b', stack)];
    const { root } = await mount('c', stack);
    const resources = stack.move();
    const stand: Stand = {
      root,
      hosts,
      pace: { assignment: 500, commitment: 500, update: 1500, buffer: 300, lease: 5000 },
      // Enough last steps of chains for one worker to exceed the link limit of a file.
      chaos: { rounds: 3, chains: 36, count: 2 },
      skewed: skewedMount(mount),
      disturb: killBrick,
      repair: () => {
        // Two bricks may each miss changes of the other: then only the third is complete.
        gluster('volume', 'start', VOLUME, 'force');
        return 'the brick was started again';
      },
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
    return stand;
  },
};

const gluster = (...args: string[]): string => sh('gluster', '--mode=script', ...args);

function killBrick(): string {
  const folder = `/run/gluster/vols/${VOLUME}`;
  const file = readdirSync(folder).find((name) => name.endsWith('-2-b.pid'));
  if (file === undefined) throw new Error(`expected a pid file of brick 2 in ${folder}, got none`);
  const pid = Number(readFileSync(`${folder}/${file}`, 'utf8'));
  process.kill(pid, 'SIGKILL');
  return `brick 2 of 3 killed (process ${pid})`;
}
