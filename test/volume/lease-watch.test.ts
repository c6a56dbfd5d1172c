/** Which sessions count as living, by what is found in `leases/`. */
import { expect, test } from 'vitest';
import type { Files, Sink } from '../../src/volume/files.ts';
import { formatCounter } from '../../src/volume/heartbeat.ts';
import { Layout } from '../../src/volume/layout.ts';
import { LeaseWatch } from '../../src/volume/lease-watch.ts';
import { SessionContext } from '../../src/volume/session-context.ts';

const LEASE_MS = 1000;
const TOKEN = {
  flockwork: 1,
  session: 'ant.aaaaaaaa',
  worker: 'ant',
  host: 'host',
  pid: 1,
  started: '2026-01-01T00:00:00.000Z',
  concurrency: 1,
  capacity: 1,
  machines: [],
} as const;

/** `lease`: what reading the only lease gives; undefined if that is a directory. */
function watchOf(leases: { lease: string | undefined }): {
  watch: LeaseWatch;
  pass: (ms: number) => Promise<void>;
} {
  let now = 0;
  const files = {
    list: async (directory: string, into: Sink) => {
      if (directory.endsWith('/leases')) into.push('bee.bbbbbbbb');
      return into;
    },
    read: async () => {
      if (leases.lease !== undefined) return new TextEncoder().encode(leases.lease);
      throw Object.assign(new Error('EISDIR'), { code: 'EISDIR' });
    },
  } as unknown as Files;
  const context = new SessionContext(files, new Layout('/volume'), TOKEN, () => '');
  const watch = new LeaseWatch(context, LEASE_MS, () => now);
  return {
    watch,
    pass: async (ms) => {
      now += ms;
      await watch.observe([]);
    },
  };
}

test('what is no lease counts as living for one lease, not again after it was recovered', async () => {
  const { watch, pass } = watchOf({ lease: undefined });
  await pass(0);
  expect(watch.living()).toEqual(['bee.bbbbbbbb']);
  await pass(2 * LEASE_MS);
  expect(watch.dead()).toEqual(['bee.bbbbbbbb']);
  watch.forget('bee.bbbbbbbb');
  await pass(1);
  expect([watch.living(), watch.dead()]).toEqual([[], []]);
});

test('a session that was recovered counts as living once its counter moves', async () => {
  const leases = { lease: formatCounter(1) };
  const { watch, pass } = watchOf(leases);
  await pass(0);
  await pass(2 * LEASE_MS);
  watch.forget('bee.bbbbbbbb');
  await pass(1);
  expect(watch.living()).toEqual([]);
  leases.lease = formatCounter(2);
  await pass(1);
  expect(watch.living()).toEqual(['bee.bbbbbbbb']);
});
