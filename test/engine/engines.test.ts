/** Every engine passes the exercise of the contract, in virtual time. */
import { expect, test } from 'vitest';
import { memoryEngine } from '../../src/engine/memory.ts';
import type { EngineBench } from '../../src/testing/bench.ts';
import { exerciseEngine } from '../../src/testing/index.ts';
import { Prng } from '../../src/sim/prng.ts';
import { DiskVolume } from '../volume/operations/disk-volume.ts';
import { VirtualTime } from '../volume/operations/virtual-time.ts';

const LEASE_MS = 1000;
const PHASES = { assignment: 40, commitment: 60, update: 120, buffer: 30 };

async function memoryBench(): Promise<EngineBench> {
  const time = new VirtualTime();
  const prng = new Prng('exercise');
  const { clock } = time;
  const random = (): number => prng.next();
  return {
    engine: memoryEngine({ clock, random, leaseMs: LEASE_MS }),
    clock,
    expiryMs: LEASE_MS,
    pass: (ms) => time.pass(ms),
    // One process: a hold expires by its deadline.
    expire: (session, holds) => {
      for (const hold of holds) session.setDeadline(hold, Number.NEGATIVE_INFINITY);
    },
  };
}

async function volumeBench(): Promise<EngineBench> {
  const time = new VirtualTime();
  const prng = new Prng('exercise');
  const volume = await DiskVolume.create(time, PHASES, LEASE_MS);
  return {
    engine: volume.engine(() => prng.next()),
    clock: time.clock,
    expiryMs: 3 * LEASE_MS,
    pass: (ms) => time.pass(ms),
    expire: (_session, holds) => {
      for (const { session } of holds) volume.silence(session);
    },
  };
}

exerciseEngine('memory', memoryBench, { test, expect });
exerciseEngine('volume', volumeBench, { test, expect });
