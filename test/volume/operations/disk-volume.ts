import { Disk } from '../../src/sim/disk.ts';
import type { StartHeartbeat } from '../../src/volume/heartbeat.ts';
import { Layout } from '../../src/volume/layout.ts';
import { openVolume } from '../../src/volume/open.ts';
import { Pulse } from '../../src/volume/pulse.ts';
import { volumeStore } from '../../src/volume/engine.ts';
import { DiskFiles } from './disk-files.ts';
import { exercise } from './exercise.ts';
import type { MakeStore } from './bench.ts';

const DIRECTORY = '/volume';

const makeVolume: MakeStore = async ({ agenda, clock }, { phases, lease, random }) => {
  const disk = new Disk(() => agenda.now, 0);
  const files = new DiskFiles(disk, () => agenda.now);
  await files.makeDirectory(DIRECTORY);
  const volume = await openVolume(files, new Layout(DIRECTORY), {
    defaults: { phases, lease },
    newId: 'volume-id',
    now: agenda.now,
  });
  const hearts = new Map<string, () => void>();
  const startHeartbeat: StartHeartbeat = (options) => {
    let [deadline, isBroken] = [Number.POSITIVE_INFINITY, false];
    let lastBeat = agenda.now;
    const rewrite = (content: string): number => {
      disk.overwrite(options.lease, content, { client: 'heart', stamp: () => agenda.now });
      return agenda.now;
    };
    const pulse = new Pulse({ ...clock, rewrite }, options.counter);
    const beat = (): void => {
      const result = pulse.beat(deadline);
      isBroken = result.kind === 'broken';
      if (result.kind === 'beat') {
        lastBeat = result.began.monotonic;
        options.onSample(result.sample);
      }
      if (!isBroken) strike = agenda.at(agenda.now + options.interval, beat);
    };
    let strike = agenda.at(agenda.now, beat);
    const stop = (): void => strike();
    hearts.set(options.lease.slice(options.lease.lastIndexOf('/') + 1), stop);
    return {
      setDeadline: (monotonic) => void (deadline = monotonic),
      get broken() {
        return isBroken;
      },
      silence: () => agenda.now - lastBeat,
      stop: async () => stop(),
    };
  };
  return {
    store: volumeStore(
      { files, clock, random, startHeartbeat },
      { directory: DIRECTORY, volume, ownClock: true, freshListings: true },
    ),
    kill: ({ token }) => hearts.get(token.session)?.(),
  };
};

exercise('the volume', makeVolume);
