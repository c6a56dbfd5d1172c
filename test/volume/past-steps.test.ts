import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commitStep, OPEN, quickFiles, TestVolume } from './harness.ts';
import { readPastSteps } from '../../src/volume/chain-steps.ts';

const content = (count: number): string => JSON.stringify({ state: 'count', payload: count });

async function counted(): Promise<TestVolume> {
  const volume = await TestVolume.create();
  volume.put('a.state', content(0));
  const ant = await volume.join('ant');
  for (const [name, next] of [
    ['a.state', 'a.state-1'],
    ['a.state-1', 'a.state-2'],
  ] as const) {
    await ant.session.claim(name, OPEN);
    const count = Number(next.slice(-1));
    await ant.session.settle(
      [commitStep(ant, name, { name: next, content: content(count) })],
      OPEN,
    );
  }
  return volume;
}

test('reads the steps of an instance, up to the one that asks', async () => {
  using volume = await counted();
  const { session } = await volume.join('bee');
  const finished = expect.stringMatching(/^2/) as unknown;
  const common = { state: 'count', events: [], attempts: 0 };
  expect(await session.history('a.state-1')).toEqual([
    { name: 'a.state', payload: 0, ...common, finished },
    { name: 'a.state-1', payload: 1, ...common, finished: undefined },
  ]);
  expect(await session.history('a.state-2')).toHaveLength(3);
});

test('reads a torn state file as it was; a missing one is an error', async () => {
  using volume = await counted();
  writeFileSync(volume.layout.state('a.state-1'), content(1).slice(0, 5));
  const steps = await readPastSteps(quickFiles(), volume.layout, 'a.state-2');
  expect(steps.map(({ payload }) => payload as number)).toEqual([0, 1, 2]);
  await expect(readPastSteps(quickFiles(), volume.layout, 'b.state')).rejects.toThrow('ENOENT');
  volume.put('a.state', 'rubbish');
  await expect(readPastSteps(quickFiles(), volume.layout, 'a.state-2')).rejects.toThrow(
    'a.state: ',
  );
});
