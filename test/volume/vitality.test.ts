/** The vitality of a worker, as health checks ask for it. */
import { expect, test } from 'vitest';
import { quickHealth } from '../../src/cli/commands/health.ts';
import { vitalityOf } from '../../src/volume/vitality.ts';
import { OPEN, quickFiles, TestVolume, type TestSession } from './harness.ts';

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
