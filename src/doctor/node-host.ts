/** The real ports: statfs and stat of this host, and child processes. */
import { fork } from 'node:child_process';
import { lstatSync, readFileSync, realpathSync, statfsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeFileSystem } from './file-system.ts';
import type { HostPorts } from './bench.ts';
import type { PeerAnswer, Peer, PeerQuestion, PeerReply } from './peer.ts';

export const nodeHost: HostPorts = {
  fileSystem: (directory) =>
    describeFileSystem(statfsSync(directory).type, mountinfo(), realpathSync(directory)),
  linkCount: (path) => lstatSync(path).nlink,
};

/** Only Linux has it. */
function mountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}

export function startPeerProcess(): Peer {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const script = fileURLToPath(new URL(`../doctor/peer-process${extension}`, import.meta.url));
  // Detached, so that Ctrl-C reaches only the doctor, which stops its peers.
  const child = fork(script, { execArgv: [], detached: true, stdio: 'ignore' });
  const ended = new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`a peer process of the doctor ended unexpectedly (${signal ?? code})`)),
    );
  });
  // It may end while no request is pending.
  ended.catch(() => undefined);
  const waiting = new Map<number, (reply: PeerReply) => void>();
  let asked = 0;
  child.on('message', ({ id, reply }: PeerAnswer) => {
    waiting.get(id)?.(reply);
    waiting.delete(id);
  });
  return {
    ask: async (request) => {
      const id = (asked += 1);
      const replied = new Promise<PeerReply>((resolve) => void waiting.set(id, resolve));
      child.send({ id, request } satisfies PeerQuestion);
      const reply = await Promise.race([replied, ended]);
      if (reply.error !== undefined) {
        throw Object.assign(new Error(reply.error), { code: reply.errno });
      }
      return reply;
    },
    stop: () => void child.kill('SIGKILL'),
  };
}
