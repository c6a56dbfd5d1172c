/** I11: a decision that read other instances may only be committed in the same cycle. */
import { expect, test } from 'vitest';
import type { Files } from '../../src/volume/files.ts';
import type { VolumeSettlement, PhaseGuard } from '../../src/volume/operations.ts';
import { errno, interceptFiles, OPEN, quickFiles, TestVolume } from './harness.ts';
import { appliedIds, post, putLamp, take, workOff } from './post.ts';

const inCycle = (cycle: number, canBegin = true): PhaseGuard => ({
  ...OPEN,
  canBegin: () => canBegin,
  cycle,
});

/** A step that has read another instance in that cycle. */
function looked(step: VolumeSettlement, cycle: number): VolumeSettlement {
  if (step.change.kind !== 'commit') throw new Error(step.change.kind);
  return { ...step, change: { ...step.change, cycle } };
}

/** The first link of a flag in `done/` fails; `after`: its reply only. */
function failing(after: boolean): Files {
  let isFirst = true;
  return interceptFiles(quickFiles(), async (_call, method, args, act) => {
    if (method !== 'link' || !args[1]!.includes('/done/') || !isFirst) return act();
    isFirst = false;
    if (after) await act();
    throw errno('EIO');
  }).files;
}

test.each([
  ['later', 6],
  ['earlier, as after a clock that was set back', 4],
])('a step that was not committed in its cycle is released in one that is %s', async (_, cycle) => {
  using volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  post(volume, 'a');
  const ant = await volume.join('ant');
  const [decided] = await take(ant);
  const step = looked(decided!, 5);
  await ant.session.settle([step], inCycle(5, false));
  expect(step.progress).toBe('staged');
  await ant.session.settle([step], inCycle(cycle));
  expect(step).toMatchObject({ progress: 'settled', lost: true });
  expect([volume.list('done'), volume.list('in_progress')]).toEqual([[], []]);
  expect(volume.list('events')).toHaveLength(1);
  await workOff(ant);
  expect(appliedIds(volume)).toEqual(['a']);
});

test('a step that was committed in its cycle counts, though its worker learns of it later', async () => {
  using volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  post(volume, 'a');
  // The reply is lost, and so is the read that follows it.
  let looks = 0;
  const { files } = interceptFiles(failing(true), async (_call, method, [path], act) => {
    if (method === 'read' && path!.endsWith('/done/lamp.state') && (looks += 1) === 1) {
      throw errno('EIO');
    }
    return act();
  });
  const ant = await volume.join('ant', files);
  const [decided] = await take(ant);
  const step = looked(decided!, 5);
  await ant.session.settle([step], inCycle(5));
  expect(step).toMatchObject({ progress: 'staged', tried: true });
  await ant.session.settle([step], inCycle(6));
  expect(step).toMatchObject({ progress: 'settled', lost: false });
  expect(appliedIds(volume)).toEqual(['a']);
});

test('a step of unknown outcome is released, and its record stays for the sweep', async () => {
  using volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  post(volume, 'a');
  const ant = await volume.join('ant', failing(false));
  const [decided] = await take(ant);
  const step = looked(decided!, 5);
  await ant.session.settle([step], inCycle(5));
  await ant.session.settle([step], inCycle(6));
  expect(step).toMatchObject({ progress: 'settled', lost: true });
  const staged = (): string[] =>
    volume
      .list(`.flockwork/staging/${ant.session.token.session}`)
      .filter((name) => !name.startsWith('.'));
  expect(staged()).toEqual(['lamp.state']);
  await workOff(ant);
  expect(appliedIds(volume)).toEqual(['a']);
});

test('a step that has read no other instance counts whenever it is committed', async () => {
  using volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  post(volume, 'a');
  const ant = await volume.join('ant');
  const [step] = await take(ant);
  await ant.session.settle([step!], inCycle(5, false));
  await ant.session.settle([step!], inCycle(6));
  expect(step).toMatchObject({ progress: 'settled', lost: false });
});
