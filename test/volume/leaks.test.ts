/** Workers that are started and killed again and again: after recovery, no file of theirs is left. */
import { expect, test } from 'vitest';
import { commitStep, OPEN, TestVolume } from './harness.ts';

const KILLS = 150;
const PLACES = ['sessions', 'leases', 'staging', 'attempts'].map((part) => `.flockwork/${part}`);

test(`${KILLS} workers that are killed in the middle of their work leave no growth`, async () => {
  using volume = await TestVolume.create();
  const ant = await volume.join('ant');
  for (let kill = 0; kill < KILLS; kill += 1) {
    const [claimed, committed] = [`claimed${kill}.state`, `committed${kill}.state`];
    for (const name of [claimed, committed]) volume.put(name);
    const { session } = await volume.join(`bee${kill % 5}`);
    await session.register(OPEN);
    for (const name of [claimed, committed]) await session.claim(name, OPEN);
    const next = { name: `${committed}-1`, content: '{"state":"simple"}\n' };
    let looks = 0;
    // It crashes between the flag and the successor.
    const canFinish = (): boolean => (looks += 1) < 1;
    await session.settle([commitStep({ session, beat: () => undefined }, committed, next)], {
      ...OPEN,
      canFinish,
    });
  }
  await volume.expire(ant);
  const { session } = ant.session.token;
  const left = PLACES.map((place) => volume.list(place).filter((name) => name !== session));
  // Each state that is not done has a lost attempt.
  expect(left.slice(0, 3)).toEqual([[], [], []]);
  expect(left[3]).toHaveLength(KILLS);
  expect(volume.list('in_progress')).toEqual([]);
  expect(volume.list('workers')).toEqual([]);
  expect(volume.list('done')).toHaveLength(KILLS);
  expect(volume.list().filter((name) => name.endsWith('.state-1'))).toHaveLength(KILLS);
});
