/** Delayed events, events without an open state, and instances that wait for events. */
import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cycleStart } from '../../src/volume/phases/cycle.ts';
import { parseRejection } from '../../src/machine/record.ts';
import { resetDone } from '../../src/volume/admin.ts';
import { eventStatus } from '../../src/volume/outcomes.ts';
import { CLOSED, OPEN, quickFiles, step, type TestSession, TestVolume } from './harness.ts';
import {
  appliedIds,
  expectRest,
  outcomeOf,
  post,
  putLamp,
  recordsOf,
  take,
  telling,
  workOff,
} from './post.ts';

describe('a delayed event', () => {
  test('is applied when it is due by the volume’s time', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    post(volume, 'late', { at: Date.now() + 60_000, delay: 3_600_000 });
    post(volume, 'now');
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['now']);
    expect((await ant.session.snapshot()).delayed).toBe(1);
    volume.pass(59_000);
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['now']);
    volume.pass(2000);
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['now', 'late']);
    expectRest(volume, ant);
  });

  test('is applied when it has been seen for its delay, whatever time is in its name', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    // From a clock that is a day ahead.
    post(volume, 'late', { at: Date.now() + 86_400_000, delay: 60_000 });
    await workOff(ant);
    volume.pass(59_000);
    await workOff(ant);
    expect(appliedIds(volume)).toEqual([]);
    volume.pass(2000);
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['late']);
  });

  test('that comes due while workers read is due in the next cycle, for all of them', async () => {
    const hour = 3_600_000;
    const phases = { assignment: 2 * hour, commitment: hour, update: hour, buffer: hour };
    const cycle = 7 * hour;
    using volume = await TestVolume.create(phases);
    putLamp(volume, 'lamp');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    const start = cycleStart(phases, Date.now()) + cycle;
    post(volume, 'late', { at: start + hour, delay: 100 * hour });
    const delayed = async ({ session }: TestSession): Promise<number> =>
      (await session.snapshot()).delayed;
    volume.pass(start + hour / 2 - Date.now());
    expect(await delayed(ant)).toBe(1);
    volume.pass(hour);
    expect(await delayed(bee)).toBe(1);
    volume.pass(cycle);
    expect([await delayed(ant), await delayed(bee)]).toEqual([0, 0]);
  });

  test('can be a timer: set on entering a state, and ignored after it', async () => {
    using volume = await TestVolume.create();
    for (const name of ['lamp', 'bell']) putLamp(volume, name);
    const ant = await volume.join('ant');
    for (const to of ['lamp', 'bell']) post(volume, `fade-${to}`, { to, event: 'fade' });
    await workOff(ant);
    expect(volume.list('events')).toHaveLength(2);
    // One lamp is switched on, and fades again: its first timer is stale, the second counts.
    volume.pass(1_800_000);
    post(volume, 'end', { to: 'bell', event: 'end' });
    await workOff(ant);
    post(volume, 'again', { to: 'bell', event: 'fade' });
    await workOff(ant);
    expect(volume.list('events')).toHaveLength(3);
    volume.pass(1_900_000);
    await workOff(ant);
    const outcomes = (instance: string): unknown[] =>
      recordsOf(volume)
        .filter(({ state }) => state.startsWith(`${instance}.state`))
        .flatMap(({ events = [] }) => events)
        .map(({ event, outcome, to }) => `${event} ${outcome} ${to ?? ''}`.trim());
    expect(outcomes('lamp')).toEqual(['fade Ok dying', 'end Ok off']);
    expect(outcomes('bell')).toEqual([
      'fade Ok dying',
      'end Ok off',
      'fade Ok dying',
      'end EventNotAllowed',
    ]);
    volume.pass(1_900_000);
    await workOff(ant);
    expect(outcomes('bell').at(-1)).toBe('end Ok off');
    expectRest(volume, ant);
  });
});

describe('an event without an open state', () => {
  async function settleOrphans(volume: TestVolume, ms: number): Promise<void> {
    const ant = await volume.join('ant');
    await workOff(ant);
    await ant.session.recover(0, OPEN);
    volume.pass(ms);
    ant.beat();
    await workOff(ant);
    await ant.session.recover(1, OPEN);
  }

  test('for an instance that does not exist: FsmNotFound, after the grace period', async () => {
    using volume = await TestVolume.create();
    post(volume, 'a', { to: 'absent' });
    post(volume, 'b', { to: 'absent', grace: 60_000 });
    post(volume, 'c', { to: 'absent', grace: 0 });
    volume.put('events/19700101T000000.000Z~d@absent', 'no JSON');
    await settleOrphans(volume, 9000);
    expect(volume.list('outcomes')).toEqual(['c']);
    await settleOrphans(volume, 11_000);
    expect(volume.list('outcomes')).toEqual(['a', 'c', 'd']);
    await settleOrphans(volume, 61_000);
    for (const id of ['a', 'b', 'c', 'd']) {
      expect(await outcomeOf(volume, id)).toMatchObject({ outcome: 'FsmNotFound', id });
      expect(parseRejection(volume.read('outcomes', id))?.reason).toContain('no instance absent');
    }
    expect(volume.list('events')).toEqual([]);
  });

  test('is applied by an instance that is submitted within the grace period', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    post(volume, 'a');
    await workOff(ant);
    await ant.session.recover(0, OPEN);
    volume.pass(5000);
    putLamp(volume, 'lamp');
    await workOff(ant);
    expect(await outcomeOf(volume, 'a')).toMatchObject({ outcome: 'Ok' });
    expectRest(volume, ant);
  });

  test('for an instance that has ended: EventNotAllowed, at once', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    post(volume, 'smash', { event: 'smash' });
    post(volume, 'late', { at: 1 });
    const ant = await volume.join('ant');
    await workOff(ant);
    // The file still existed when both were applied.
    expect(await outcomeOf(volume, 'late')).toMatchObject({ outcome: 'Ok', from: 'broken' });
    expect(volume.list('done')).toEqual(['lamp.state', 'lamp.state-1']);
    post(volume, 'after', { at: 2 });
    await settleOrphans(volume, 0);
    expect(await outcomeOf(volume, 'after')).toMatchObject({
      outcome: 'EventNotAllowed',
      reason: 'lamp has ended with lamp.state-1',
    });
    expect(volume.list('events')).toEqual([]);
    expect(volume.list('waiting')).toEqual([]);
  });

  test('for an instance that has failed: none, until a user retries it', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    volume.put('failed/lamp.state', '');
    const file = post(volume, 'a');
    await settleOrphans(volume, 100_000);
    expect(volume.list('events')).toEqual([file]);
    expect(volume.list('outcomes')).toEqual([]);
    unlinkSync(join(volume.dir, 'failed/lamp.state'));
    await settleOrphans(volume, 0);
    expect(await outcomeOf(volume, 'a')).toMatchObject({ outcome: 'Ok' });
  });

  test('for an instance whose successor is not published yet: none', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    post(volume, 'a');
    const [one] = await take(ant);
    await ant.session.settle([one!], { ...OPEN, canFinish: () => false });
    expect(one!.progress).toBe('committed');
    post(volume, 'b', { at: 1 });
    const bee = await volume.join('bee');
    await bee.session.snapshot();
    await bee.session.recover(0, OPEN);
    volume.pass(100_000);
    bee.beat();
    ant.beat();
    await bee.session.snapshot();
    await bee.session.recover(1, OPEN);
    expect(volume.list('outcomes')).toEqual(['a']);
    await ant.session.settle([one!], OPEN);
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['a', 'b']);
  });

  test('is not rejected outside Update System', async () => {
    using volume = await TestVolume.create();
    post(volume, 'a', { to: 'absent', grace: 0 });
    const ant = await volume.join('ant');
    await ant.session.snapshot();
    await ant.session.recover(0, CLOSED);
    await ant.session.recover(1, { ...CLOSED, canFinish: () => true });
    await ant.session.recover(2, { ...CLOSED, canBegin: () => true });
    expect(volume.list('outcomes')).toEqual([]);
    await ant.session.recover(3, OPEN);
    expect(volume.list('outcomes')).toEqual(['a']);
  });

  test('stays rejected when its instance is submitted later', async () => {
    using volume = await TestVolume.create();
    post(volume, 'a', { grace: 0 });
    await settleOrphans(volume, 0);
    putLamp(volume, 'lamp');
    post(volume, 'a', { at: 5 });
    const ant = await volume.join('ant');
    await workOff(ant);
    expect(appliedIds(volume)).toEqual([]);
    expect(await outcomeOf(volume, 'a')).toMatchObject({ outcome: 'FsmNotFound' });
    expect(volume.list('events')).toEqual([]);
  });
});

describe('a waiting state', () => {
  test('is not claimed again without an event', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    expect(await workOff(ant)).toBe(1);
    expect((await ant.session.snapshot()).tasks.names).toEqual([]);
    post(volume, 'x', { to: 'other' });
    expect((await ant.session.snapshot()).tasks.names).toEqual([]);
    post(volume, 'a');
    expect((await ant.session.snapshot()).tasks.names).toEqual(['lamp.state']);
  });

  test('keeps its flag while it is open, or not seen to be done; flags of done states are removed', async () => {
    using volume = await TestVolume.create();
    for (const name of ['lamp', 'bell']) putLamp(volume, name);
    const ant = await volume.join('ant');
    await workOff(ant);
    await ant.session.settle([step('bell.state', { kind: 'commit', record: undefined })], OPEN);
    volume.put('waiting/gone.state', '');
    expect(volume.list('waiting')).toEqual(['bell.state', 'gone.state', 'lamp.state']);
    await ant.session.snapshot();
    await volume.expire(ant);
    expect(volume.list('waiting')).toEqual(['gone.state', 'lamp.state']);
  });

  test('has no lost attempt when its session is lost while it marks it', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await take(ant);
    await volume.expire(bee);
    expect(volume.list('in_progress')).toEqual([]);
    await workOff(bee);
    await volume.expire(bee);
    expectRest(volume, bee);
  });
});

describe('reset', () => {
  test('removes emitted events, and applied events may be sent again', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    for (const [id, event] of [
      ['a', 'press'],
      ['b', 'press'],
      ['c', 'fade'],
    ] as const) {
      post(volume, id, { event, ...telling('absent') });
      await workOff(ant);
    }
    const kept = post(volume, 'kept', { to: 'other' });
    expect(volume.list('events')).toHaveLength(5);
    await ant.session.leave();
    await resetDone(quickFiles(), volume.layout);
    expect(volume.list('events')).toEqual([kept]);
    expect(volume.list('outcomes')).toEqual([]);
    expect(volume.list('waiting')).toEqual([]);
    expect(await eventStatus(quickFiles(), volume.layout, 'c')).toMatchObject({ kind: 'free' });
    const bee = await volume.join('bee');
    post(volume, 'c');
    await workOff(bee);
    expect(appliedIds(volume)).toEqual(['c']);
  });
});
