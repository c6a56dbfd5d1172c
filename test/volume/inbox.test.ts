/** Pending events, on a real directory. */
import { describe, expect, test } from 'vitest';
import { placeOf } from '../../src/volume/overview.ts';
import { listPending, readPending, stillCounts, type QueuedEvent } from '../../src/volume/inbox.ts';
import { quickFiles, TestVolume } from './harness.ts';
import { post, putLamp, workOff } from './post.ts';

async function pendingFor(volume: TestVolume, instance: string): Promise<QueuedEvent[]> {
  const files = quickFiles();
  const names = (await listPending(files, volume.layout)).get(instance) ?? [];
  const all = await Promise.all(names.map((name) => readPending(files, volume.layout, name)));
  return all.filter((one) => one !== undefined);
}

describe('a pending event', () => {
  test('is listed with its content', async () => {
    using volume = await TestVolume.create();
    const sent = { originator: 'me', timestamp: '2026-01-01T00:00:00.000Z', details: { by: 1 } };
    const file = post(volume, 'one', { at: 5, ...sent });
    post(volume, 'later', { at: 1000, delay: 1000 });
    post(volume, 'other', { to: 'bell' });
    volume.put('events/19700101T000000.000Z~bad@lamp', '{');
    volume.put('events/README', 'x');
    expect(await pendingFor(volume, 'lamp')).toEqual([
      expect.objectContaining({ id: 'bad', event: undefined, isTimer: false }),
      {
        id: 'one',
        to: 'lamp',
        file,
        time: '1970-01-01T00:00:00.005Z',
        isDelayed: false,
        isTimer: false,
        event: 'press',
        ...sent,
      },
      expect.objectContaining({ id: 'later', isDelayed: true, isTimer: false }),
    ]);
    expect(await readPending(quickFiles(), volume.layout, { ...fakeName, file: 'gone' })).toBe(
      undefined,
    );
  });

  test('that is a timer counts while its instance stays where it was set', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    const counting = async (state: string): Promise<boolean[]> => {
      const place = await placeOf(quickFiles(), volume.layout, state);
      return (await pendingFor(volume, 'lamp')).map((one) => stillCounts(one, place?.file.since));
    };
    post(volume, 'fade', { at: 1, event: 'fade' });
    await workOff(ant);
    const [timer] = await pendingFor(volume, 'lamp');
    expect(timer).toMatchObject({ event: 'end', isTimer: true, originator: 'lamp.state' });
    expect(await counting('lamp.state-1')).toEqual([true]);
    post(volume, 'smash', { at: 2, event: 'smash' });
    await workOff(ant);
    expect(await counting('lamp.state-2')).toEqual([false]);
  });
});

const fakeName = { key: 'x', to: 'lamp', time: '', isDelayed: false };
