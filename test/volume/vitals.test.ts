/** Signs of life from leases, without joining: silence of sessions, and the vitality of a worker, as health checks ask for it. */
import { utimesSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  readSigns,
  silencesByClock,
  silencesByLooks,
  vitalityOf,
  type Sign,
} from '../../src/volume/vitals.ts';
import { quickFiles, TestVolume, OPEN, type TestSession } from './harness.ts';
import { quickHealth } from '../../src/cli/commands/health.ts';

const signs = (...all: [string, number, number][]): Map<string, Sign> =>
  new Map(all.map(([session, counter, mtime]) => [session, { counter, mtime }]));

test('reads the leases of sessions, and no other files', async () => {
  using volume = await TestVolume.create();
  const ant = await volume.join('ant');
  ant.beat();
  volume.put('.flockwork/leases/junk', 'x');
  const { session } = ant.session.token;
  utimesSync(volume.layout.internal('leases', session), 1000, 1000);
  const before = await readSigns(quickFiles(), volume.layout);
  expect([...before.keys()]).toEqual([session]);
  expect(before.get(session)).toMatchObject({ mtime: 1_000_000 });
  ant.beat();
  const after = await readSigns(quickFiles(), volume.layout);
  expect(after.get(session)!.counter).toBe(before.get(session)!.counter + 1);
});

test('silence by the clock that stamps the leases is their age', () => {
  expect(silencesByClock(signs(['a', 1, 900], ['b', 1, 2000]), 1000)).toEqual(
    new Map([
      ['a', 100],
      ['b', 0],
    ]),
  );
});

describe('silence by two reads', () => {
  test('a lease that moves shows the time for the others, whatever the local clock', () => {
    const before = signs(['a', 1, 50_000], ['b', 7, 10_000]);
    const after = signs(['a', 2, 52_000], ['b', 7, 10_000]);
    for (const now of [0, 52_000, 1e12]) {
      expect(silencesByLooks(before, after, 2000, now)).toEqual(
        new Map([
          ['a', 0],
          ['b', 42_000],
        ]),
      );
    }
  });

  test('without a moving lease, silence is by the local clock, and at least the time watched', () => {
    const still = signs(['a', 1, 50_000]);
    expect(silencesByLooks(still, still, 4000, 102_000)).toEqual(new Map([['a', 52_000]]));
    expect(silencesByLooks(still, still, 4000, 0)).toEqual(new Map([['a', 4000]]));
  });

  test('a new lease is alive', () => {
    expect(silencesByLooks(signs(), signs(['a', 1, 5]), 4000, 1e9)).toEqual(new Map([['a', 0]]));
  });
});

function look(
  volume: TestVolume,
  worker: string,
  between: () => void,
): ReturnType<typeof vitalityOf> {
  let now = 0;
  return vitalityOf(quickFiles(), volume.layout, worker, {
    patience: 5000,
    stop: new AbortController().signal,
    monotonic: () => now,
    sleep: async (ms) => {
      now += ms;
      between();
    },
  });
}

async function sessionsOf(volume: TestVolume, ...names: string[]): Promise<TestSession[]> {
  const joined: TestSession[] = [];
  for (const name of names) joined.push(await volume.join(name));
  return joined;
}

test('a worker that beats is alive; one whose lease stands still is silent; another one is absent', async () => {
  using volume = await TestVolume.create();
  const [ant] = await sessionsOf(volume, 'ant', 'ant.hill');
  await ant!.session.register(OPEN);
  expect(await look(volume, 'ant', () => ant!.beat())).toBe('alive');
  expect(await look(volume, 'ant.hill', () => ant!.beat())).toBe('silent');
  expect(await look(volume, 'an', () => ant!.beat())).toBe('absent');
});

test('the quick check prints what the command would, and leaves other options to it', async () => {
  using volume = await TestVolume.create();
  const [ant] = await sessionsOf(volume, 'ant');
  const said: string[] = [];
  const check = (name: string, args: string[] = []): Promise<number | undefined> =>
    quickHealth(args, { FLOCKWORK_DIR: volume.dir, HOSTNAME: name }, (text) => said.push(text));
  const beating = setInterval(() => ant!.beat(), 20);
  try {
    expect(await check('ant')).toBe(0);
  } finally {
    clearInterval(beating);
  }
  expect(await check('bee')).toBe(1);
  expect(await check('ant', ['--json'])).toBeUndefined();
  expect(said).toEqual([
    'worker ant is alive',
    'worker bee gives no sign of life: it is not at work here',
  ]);
});
