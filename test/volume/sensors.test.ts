/** Sensors: what choices and hooks read of other instances; and the last step of an instance. */
import { mkdirSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stateName } from '../../src/machine/name.ts';
import { lastState } from '../../src/volume/chain-steps.ts';
import { Sensors } from '../../src/volume/sensors.ts';
import { commitStep, interceptFiles, errno, OPEN, quickFiles, TestVolume } from './harness.ts';

const sensorsOf = (volume: TestVolume): Sensors =>
  new Sensors(quickFiles(), volume.layout, ['lamp', 'bell']);

function archive(volume: TestVolume, name: string): void {
  const { layout } = volume;
  mkdirSync(`${layout.archiveShard(name)}/done`, { recursive: true });
  renameSync(layout.state(name), layout.archivedState(name));
  volume.put(layout.archivedFlag(name).slice(volume.dir.length + 1), '');
}

describe('the last state of an instance', () => {
  test.each([0, 1, 2, 3, 4, 5, 7, 8, 12, 31, 33])('is found at step %d', async (step) => {
    using volume = await TestVolume.create();
    for (let index = 0; index <= step; index += 1) volume.put(stateName('lamp', index));
    const last = { name: stateName('lamp', step), step };
    expect(await lastState(quickFiles(), volume.layout, 'lamp')).toEqual(last);
    for (const from of [0, step >> 1, step])
      expect(await lastState(quickFiles(), volume.layout, 'lamp', from)).toEqual(last);
  });

  test('is found when most steps are in the archive', async () => {
    using volume = await TestVolume.create();
    for (let index = 0; index <= 9; index += 1) volume.put(stateName('lamp', index));
    for (let index = 0; index < 9; index += 1) archive(volume, stateName('lamp', index));
    expect(await lastState(quickFiles(), volume.layout, 'lamp')).toMatchObject({ step: 9 });
    archive(volume, 'lamp.state-9');
    expect(await lastState(quickFiles(), volume.layout, 'lamp')).toMatchObject({ step: 9 });
  });

  test('is undefined for an instance that does not exist', async () => {
    using volume = await TestVolume.create();
    expect(await lastState(quickFiles(), volume.layout, 'lamp')).toBeUndefined();
  });
});

describe('a sensor', () => {
  test('shows the last state as of the last look, and undefined for a missing instance', async () => {
    using volume = await TestVolume.create();
    const sensors = sensorsOf(volume);
    await sensors.look();
    expect(sensors.read('lamp')).toBeUndefined();
    volume.put('lamp.state', { state: 'off' });
    expect(sensors.read('lamp')).toBeUndefined();
    await sensors.look();
    expect(sensors.read('lamp')).toEqual({ state: 'off', payload: {} });
    volume.put('lamp.state-1', { state: 'on', payload: { n: 1 } });
    expect(sensors.read('lamp')).toMatchObject({ state: 'off' });
    await sensors.look();
    expect(sensors.read('lamp')).toEqual({ state: 'on', payload: { n: 1 } });
    expect(sensors.read('bell')).toBeUndefined();
    archive(volume, 'lamp.state');
    archive(volume, 'lamp.state-1');
    const fresh = sensorsOf(volume);
    await fresh.look();
    expect(fresh.read('lamp')).toMatchObject({ state: 'on' });
  });

  test('must be named by a machine', async () => {
    using volume = await TestVolume.create();
    expect(() => sensorsOf(volume).read('gate')).toThrow("add it to the machine's sensors");
  });

  test('shows the content in the record of its step after a torn write', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('lamp.state');
    const content = '{"state":"on","payload":{"n":1}}\n';
    await ant.session.settle(
      [commitStep(ant, 'lamp.state', { name: 'lamp.state-1', content })],
      OPEN,
    );
    volume.put('lamp.state-1', content.slice(0, 12));
    const sensors = sensorsOf(volume);
    await sensors.look();
    expect(sensors.read('lamp')).toEqual({ state: 'on', payload: { n: 1 } });
  });

  test.each(['{', '', '{"state": 5}', 'a directory', 'EACCES'])(
    'that cannot be read (%j) shows its last known state',
    async (what) => {
      using volume = await TestVolume.create();
      volume.put('lamp.state', { state: 'off' });
      volume.put('bell.state', { state: 'quiet' });
      const { files } = interceptFiles(quickFiles(), async (_call, method, args, act) => {
        if (what === 'EACCES' && method === 'read' && args[0]!.endsWith('lamp.state-1'))
          throw errno('EACCES');
        return act();
      });
      const sensors = new Sensors(files, volume.layout, ['lamp', 'bell']);
      await sensors.look();
      if (what === 'a directory') mkdirSync(join(volume.dir, 'lamp.state-1'));
      else volume.put('lamp.state-1', what);
      volume.put('bell.state-1', { state: 'rung' });
      await sensors.look();
      expect(sensors.read('lamp')).toMatchObject({ state: 'off' });
      expect(sensors.read('bell')).toMatchObject({ state: 'rung' });
      if (what === 'a directory' || what === 'EACCES') return;
      unlinkSync(join(volume.dir, 'lamp.state-1'));
      volume.put('lamp.state-1', { state: 'on' });
      await sensors.look();
      expect(sensors.read('lamp')).toMatchObject({ state: 'on' });
    },
  );
});
