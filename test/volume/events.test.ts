/** I10 on a real directory: each event is applied once, and emits its own events once. */
import { mkdirSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseEventName } from '../../src/machine/event.ts';
import type { VolumeSettlement, PhaseGuard } from '../../src/volume/operations.ts';
import type { Files } from '../../src/volume/files.ts';
import { eventStatus } from '../../src/volume/outcomes.ts';
import { sendEvents } from '../../src/volume/send.ts';
import {
  CLOSED,
  errno,
  forEachCrash,
  interceptFiles,
  OPEN,
  quickFiles,
  TestVolume,
  type CrashPoint,
} from './harness.ts';
import {
  appliedIds,
  decideStep,
  expectRest,
  outcomeOf,
  post,
  putLamp,
  recordsOf,
  take,
  telling,
  workOff,
} from './post.ts';

/** A guard that lets `count` operations begin. */
const starting = (count: number): PhaseGuard => {
  let left = count;
  return { canBegin: () => left-- > 0, canFinish: () => true, follow: false };
};

describe('an event', () => {
  test('is applied, and its outcome is a link to the commit record', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    expect(await workOff(ant)).toBe(1);
    expect(volume.list('waiting')).toEqual(['lamp.state']);
    const file = post(volume, 'a');
    await workOff(ant);
    expect(await outcomeOf(volume, 'a')).toEqual({
      file,
      id: 'a',
      event: 'press',
      outcome: 'Ok',
      from: 'off',
      to: 'on',
    });
    expect(JSON.parse(volume.read('lamp.state-1'))).toMatchObject({ state: 'on', machine: 'lamp' });
    expect(statSync(join(volume.dir, 'outcomes/a')).ino).toBe(
      statSync(join(volume.dir, 'done/lamp.state')).ino,
    );
    expectRest(volume, ant);
  });

  test('is applied in one step with all pending ones, in the order of times, then ids', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    for (const [id, at] of [
      ['d', 3000],
      ['b', 7],
      ['c', 7],
      ['a', 2000],
    ] as const)
      post(volume, id, { at });
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['b', 'c', 'a', 'd']);
    expect(volume.list('done')).toEqual(['lamp.state']);
    expectRest(volume, ant);
  });

  test('is applied in a later batch, in order, when there are more than one batch holds', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    const ids = Array.from({ length: 150 }, (_, index) => `e${String(index).padStart(3, '0')}`);
    for (const [index, id] of ids.entries()) post(volume, id, { at: index });
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(ids);
    expect(volume.list('done')).toHaveLength(3);
    expectRest(volume, ant);
  });

  test('emits events with ids of their own, which name the emitting state', async () => {
    using volume = await TestVolume.create();
    for (const name of ['lamp', 'bell']) putLamp(volume, name);
    const ant = await volume.join('ant');
    post(volume, 'a', telling('bell', 'bell'));
    await workOff(ant);
    const [first, second] = recordsOf(volume).find(({ state }) => state === 'bell.state')!.events!;
    expect(first).toMatchObject({ event: 'press', originator: 'lamp.state', to: 'on' });
    expect(second).toMatchObject({ event: 'press', originator: 'lamp.state', to: 'off' });
    expect(first!.id).not.toBe(second!.id);
    expectRest(volume, ant);
  });

  test('gets an error as its outcome when it is not JSON, and does not block the next one', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    volume.put('events/19700101T000000.000Z~bad@lamp', '{"event":');
    post(volume, 'good', { at: 1 });
    await workOff(ant);
    expect(await outcomeOf(volume, 'bad')).toMatchObject({
      outcome: 'GenericError',
      reason: expect.stringContaining('not JSON'),
    });
    expect(await outcomeOf(volume, 'good')).toMatchObject({ outcome: 'Ok' });
    expectRest(volume, ant);
  });

  test('is not made of other entries in events/, which stay there', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    const junk = ['.hidden', 'README', '19700101T000000.000Z~a b@lamp', 'lamp.state'];
    for (const name of junk) volume.put(`events/${name}`, '{"event":"press"}');
    mkdirSync(join(volume.dir, 'events/folder'));
    await workOff(ant);
    expect(appliedIds(volume)).toEqual([]);
    expect(volume.list('events')).toEqual([...junk, 'folder'].sort());
  });

  test.each([
    ['19700101T000000.000Z~odd@lamp', 'a due event'],
    ['99990101T000000.000Z+odd@lamp', 'a delayed event'],
  ])('is not blocked by a directory called %s, like %s', async (name) => {
    using volume = await TestVolume.create();
    for (const lamp of ['lamp', 'bell']) putLamp(volume, lamp);
    const ant = await volume.join('ant');
    mkdirSync(join(volume.dir, 'events', name));
    for (const to of ['lamp', 'bell']) post(volume, `to-${to}`, { to, at: 1 });
    await workOff(ant);
    expect(appliedIds(volume).sort()).toEqual(['to-bell', 'to-lamp']);
    expect((await ant.session.snapshot()).delayed).toBe(0);
  });
});

describe('a second event with the same id', () => {
  test('is not applied when it is there at the same time', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    for (const at of [1, 2, 3]) post(volume, 'a', { at });
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['a']);
    await workOff(ant);
    expectRest(volume, ant);
  });

  test('is removed when the first one has been applied', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    post(volume, 'a');
    await workOff(ant);
    const before = await outcomeOf(volume, 'a');
    post(volume, 'a', { at: 5000, event: 'smash' });
    await workOff(ant);
    expect(await outcomeOf(volume, 'a')).toEqual(before);
    expect(volume.list('.')).not.toContain('lamp.state-2');
    expectRest(volume, ant);
  });

  test('is not applied when it is for another instance, held by the same or another session', async () => {
    for (const apart of [false, true]) {
      using volume = await TestVolume.create();
      for (const name of ['lamp', 'bell']) putLamp(volume, name);
      const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
      for (const to of ['lamp', 'bell']) post(volume, 'a', { to });
      if (apart) {
        await ant.session.snapshot();
        await bee.session.snapshot();
        await ant.session.claim('lamp.state', OPEN);
        await bee.session.claim('bell.state', OPEN);
        const steps = [await decideStep(ant, 'lamp.state'), await decideStep(bee, 'bell.state')];
        await ant.session.settle([steps[0]!], OPEN);
        await bee.session.settle([steps[1]!], OPEN);
      }
      await workOff(ant);
      expect(appliedIds(volume)).toEqual(['a']);
      expectRest(volume, ant, bee);
    }
  });

  test('is not applied when the assignment of the first one failed at first', async () => {
    using volume = await TestVolume.create();
    for (const name of ['lamp', 'bell']) putLamp(volume, name);
    for (const to of ['lamp', 'bell']) post(volume, 'a', { to });
    let failed = false;
    const { files } = interceptFiles(quickFiles(), async (_call, method, args, act) => {
      if (method === 'link' && !failed && args[1]!.endsWith('/outcomes/a')) {
        failed = true;
        throw errno('EIO');
      }
      return act();
    });
    const ant = await volume.join('ant', files);
    const steps = await take(ant);
    for (let tries = 0; tries < 3; tries += 1) {
      await ant.session.settle(
        steps.filter(({ progress }) => progress !== 'settled'),
        OPEN,
      );
    }
    expect(failed).toBe(true);
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['a']);
    expectRest(volume, ant);
  });

  test('is not sent when the first one has an outcome', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    const message = { to: 'lamp', id: 'a', file: { event: 'press' } };
    const send = (): ReturnType<typeof sendEvents> =>
      sendEvents(quickFiles(), volume.layout, [message], 'n');
    expect((await send()).results).toMatchObject([{ kind: 'sent' }]);
    expect(volume.list('events')).toHaveLength(1);
    await workOff(ant);
    expect((await send()).results).toMatchObject([
      { kind: 'over', outcome: await outcomeOf(volume, 'a') },
    ]);
    expectRest(volume, ant);
  });

  test('is durable when sent, and so is its directory, whichever process made that', async () => {
    using volume = await TestVolume.create();
    const made: string[] = [];
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path, to], act) => {
      if (method === 'sync') made.push(path!.slice(volume.dir.length));
      if (method === 'link') made.push(`link ${to!.slice(volume.dir.length)}`);
      return act();
    });
    const message = { to: 'lamp', id: 'a', file: { event: 'press' } };
    await sendEvents(files, volume.layout, [message], 'n');
    const [name] = volume.list('events');
    expect(made).toEqual(['/events/.a.n', `link /events/${name}`, '/events', '']);
  });

  test('does not mix with the first one when both are sent at the same time', async () => {
    using volume = await TestVolume.create();
    const send = (files: Files, event: string): ReturnType<typeof sendEvents> =>
      sendEvents(files, volume.layout, [{ to: 'lamp', id: 'a', file: { event } }], event);
    // The other process sends before each operation of the first.
    for (let limit = 1; limit < 12; limit += 1) {
      const { files } = interceptFiles(quickFiles(), async (call, _method, _args, act) => {
        if (call === limit) await send(quickFiles(), 'other');
        return act();
      });
      await send(files, 'one');
      const texts = volume.list('events').map((name) => volume.read('events', name));
      const allowed = ['{"event":"one"}\n', '{"event":"other"}\n'];
      expect(texts.filter((text) => !allowed.includes(text))).toEqual([]);
      expect(texts).not.toEqual([]);
      for (const name of volume.list('events')) unlinkSync(join(volume.dir, 'events', name));
    }
  });
});

test('a step whose flag exists is settled without another look at its events', async () => {
  using volume = await TestVolume.create();
  for (const name of ['bell', 'lamp']) putLamp(volume, name);
  post(volume, 'a');
  post(volume, 'b', { to: 'bell' });
  const errors = new Set(['sync done']);
  const looks: string[] = [];
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    const what = `${method} ${path!.slice(volume.dir.length + 1)}`;
    if (/^(read|stat) outcomes\//.test(what)) looks.push(what);
    if (errors.delete(what)) throw errno('ENOSPC');
    return act();
  });
  const ant = await volume.join('ant', files);
  const steps = await take(ant);
  looks.splice(0);
  for (let cycle = 0; cycle < 3; cycle += 1) await ant.session.settle(steps, OPEN);
  expect([...errors]).toEqual([]);
  expect(looks).toEqual([]);
  const settled = { progress: 'settled', lost: false };
  expect(steps).toMatchObject([settled, settled]);
  await workOff(ant);
  expect(appliedIds(volume).sort()).toEqual(['a', 'b']);
  expectRest(volume, ant);
});

describe('two sessions that hold the same state', () => {
  test('one commits; the events that only the other has assigned are free for the next step', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    post(volume, 'b', { at: 1 });
    await bee.session.snapshot();
    post(volume, 'a', { at: 2 });
    const [slow] = await take(ant);
    // Ant stops between assigning its events and its commit; bee, which knows of one event, considers it dead.
    await ant.session.settle([slow!], starting(2));
    expect(slow!.progress).toBe('staged');
    expect(volume.list('outcomes')).toEqual(['a', 'b']);
    const quick = await decideStep(bee, 'lamp.state');
    await bee.session.settle([quick], OPEN);
    expect(quick).toMatchObject({ progress: 'settled', lost: false });
    await ant.session.settle([slow!], OPEN);
    expect(slow).toMatchObject({ progress: 'settled', lost: true });
    expect(appliedIds(volume)).toEqual(['b']);
    expect(await eventStatus(quickFiles(), volume.layout, 'a')).toEqual({
      kind: 'free',
      generation: 1,
    });
    await workOff(bee);
    expect(volume.list('outcomes')).toEqual(['a', 'a+1', 'b']);
    expect(appliedIds(volume)).toEqual(['b', 'a']);
    expectRest(volume, ant, bee);
  });

  test('an assignment that the end of the phase interrupts continues in the next one', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    post(volume, 'a', { at: 1 });
    post(volume, 'b', { at: 2 });
    const [one] = await take(ant);
    await ant.session.settle([one!], starting(1));
    expect(one).toMatchObject({ progress: 'staged', lost: false });
    expect(volume.list('outcomes')).toEqual(['a']);
    expect(volume.list('done')).toEqual([]);
    await ant.session.settle([one!], OPEN);
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['a', 'b']);
    expectRest(volume, ant);
  });

  test('a session whose event was applied meanwhile commits nothing', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    post(volume, 'a');
    const [slow] = await take(ant);
    await ant.session.settle([slow!], CLOSED);
    await bee.session.snapshot();
    await bee.session.settle([await decideStep(bee, 'lamp.state')], OPEN);
    await ant.session.settle([slow!], OPEN);
    expect(slow).toMatchObject({ progress: 'settled', lost: true });
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['a']);
    expect(recordsOf(volume).map(({ worker }) => worker)).toEqual(['bee']);
    expectRest(volume, ant, bee);
  });

  test('an event that is assigned to another state delays the events after it', async () => {
    using volume = await TestVolume.create();
    for (const name of ['lamp', 'bell']) putLamp(volume, name);
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    post(volume, 'a', { to: 'lamp', at: 1 });
    const [slow] = (await take(ant)).filter(({ name }) => name === 'lamp.state');
    await ant.session.settle([slow!], starting(1));
    // The same id, for another instance; and one after it.
    post(volume, 'a', { to: 'bell', at: 1 });
    post(volume, 'b', { to: 'bell', at: 2 });
    await bee.session.snapshot();
    expect(await bee.session.events('bell.state')).toEqual([]);
    await ant.session.settle([slow!], OPEN);
    expect((await bee.session.events('bell.state')).map(({ id }) => id)).toEqual(['b']);
  });
});

describe('after a crash at any point, another session finishes the commit once', () => {
  const IDS = ['a', 'b'];

  interface Incident {
    readonly method: keyof Files;
    readonly act: () => Promise<unknown>;
  }

  /** Settles a step with two events, one of which emits one for `bell`. `meet` intercepts each file operation. */
  async function meetInCommit(
    volume: TestVolume,
    meet: (call: number, incident: Incident) => Promise<unknown>,
    whenWaiting: () => Promise<unknown> = async () => undefined,
  ): Promise<{ victim: Awaited<ReturnType<TestVolume['join']>>; calls: number }> {
    for (const name of ['lamp', 'bell']) putLamp(volume, name);
    let armed = false;
    let calls = 0;
    const { files } = interceptFiles(quickFiles(), async (_call, method, _args, act) => {
      if (!armed) return act();
      calls += 1;
      return meet(calls, { method, act });
    });
    const victim = await volume.join('victim', files);
    await workOff(victim);
    await whenWaiting();
    post(volume, 'a', telling('bell'));
    post(volume, 'b', { at: 1 });
    const [one] = (await take(victim)).filter(({ name }) => name === 'lamp.state');
    armed = true;
    for (let tries = 0; tries < 4 && one!.progress !== 'settled'; tries += 1) {
      await victim.session.settle([one!], OPEN).catch(() => undefined);
    }
    armed = false;
    return { victim, calls };
  }

  async function expectOnce(volume: TestVolume): Promise<void> {
    expect(appliedIds(volume, 'lamp')).toEqual(IDS);
    expect(JSON.parse(volume.read('lamp.state-1'))).toMatchObject({ state: 'off' });
    const emitted = recordsOf(volume).flatMap(({ emit = [] }) => emit);
    expect(emitted).toHaveLength(1);
    const { key: id } = parseEventName(emitted[0]!.name)!;
    expect(appliedIds(volume, 'bell')).toEqual([id]);
    for (const one of [...IDS, id]) {
      expect(await outcomeOf(volume, one)).toMatchObject({ outcome: 'Ok' });
    }
  }

  async function finish(volume: TestVolume): Promise<void> {
    const survivor = await volume.join('survivor');
    for (let round = 0; round < 2; round += 1) {
      await volume.expire(survivor);
      await workOff(survivor);
    }
    await volume.expire(survivor);
    await expectOnce(volume);
    expectRest(volume, survivor);
  }

  async function crashAt({ limit, after }: CrashPoint): Promise<number> {
    using volume = await TestVolume.create();
    const { calls } = await meetInCommit(volume, async (call, { act }) => {
      if (call < limit) return act();
      if (call === limit && after) await act();
      throw errno('EIO');
    });
    await finish(volume);
    return calls;
  }

  test('of the committing session, before and after each file operation', async () => {
    expect(await forEachCrash(crashAt)).toBeGreaterThan(25);
  }, 120_000);

  /** Crashes after the commit, before anything is published. */
  const crashCommitted = (
    volume: TestVolume,
    whenWaiting?: () => Promise<unknown>,
  ): ReturnType<typeof meetInCommit> =>
    meetInCommit(
      volume,
      async (_call, { method, act }) => {
        if (method === 'sync' && volume.list('done').includes('lamp.state')) throw errno('EIO');
        return act();
      },
      whenWaiting,
    );

  test('the sweep alone finishes the commit', async () => {
    using volume = await TestVolume.create();
    const survivor = await volume.join('survivor');
    // The survivor knows that the lamp waits, and of no events: only the sweep can know these.
    await crashCommitted(volume, () => survivor.session.snapshot());
    expect(volume.list('events')).toHaveLength(2);
    await volume.expire(survivor);
    const emitted = recordsOf(volume).flatMap(({ emit = [] }) => emit.map(({ name }) => name));
    expect(volume.list('events')).toEqual(emitted);
    expect(volume.list('waiting')).toEqual(['bell.state']);
    expect(volume.list('.')).toContain('lamp.state-1');
  });

  test('of the recovering session, before and after each file operation', async () => {
    let isThrough = false;
    let limit = 1;
    for (; !isThrough; limit += 1) {
      for (const after of [false, true]) {
        using volume = await TestVolume.create();
        await crashCommitted(volume);
        expect(volume.list('done')).toEqual(['lamp.state']);
        let armed = false;
        let calls = 0;
        const { files } = interceptFiles(quickFiles(), async (_call, _method, _args, act) => {
          if (!armed) return act();
          calls += 1;
          if (calls < limit) return act();
          if (calls === limit && after) await act();
          throw errno('EIO');
        });
        const heir = await volume.join('heir', files);
        await heir.session.snapshot();
        // Alive until it finds the other session dead, and crashes in its recovery.
        for (let cycle = 0; cycle < 12; cycle += 1) {
          volume.pass(10_000 / 4);
          heir.beat();
          armed = cycle === 5;
          await heir.session.recover(cycle, OPEN).catch(() => undefined);
          if (armed) break;
        }
        isThrough = calls < limit;
        await finish(volume);
      }
    }
    expect(limit).toBeGreaterThan(15);
  }, 240_000);

  const FAULTS = [
    ['EIO', false],
    ['EIO', true],
    ['ETIMEDOUT', true],
    ['EEXIST', true],
    ['ENOENT', true],
    ['ENOENT', false],
  ] as const;

  test.each(FAULTS)(
    'of any one operation that fails with %s (taking effect: %s)',
    async (code, after) => {
      let isThrough = false;
      let limit = 1;
      for (; !isThrough; limit += 1) {
        using volume = await TestVolume.create();
        const { victim, calls } = await meetInCommit(volume, async (call, { method, act }) => {
          if (call !== limit) return act();
          // Operations that make no name never fail like that.
          const isName = ['link', 'unlink', 'create', 'rename', 'makeDirectory'].includes(method);
          if (code.startsWith('EE') && !isName) return act();
          if (code === 'ENOENT' && (method !== 'unlink' || !after)) return act();
          if (after) await act();
          throw errno(code);
        });
        isThrough = calls < limit;
        await workOff(victim);
        await expectOnce(volume);
        await volume.expire(victim);
        expectRest(volume, victim);
      }
      expect(limit).toBeGreaterThan(15);
    },
    120_000,
  );
});

describe('a low link limit', () => {
  test.each(['EMLINK', 'ENOSPC'])(
    'makes copies of outcomes and emitted events after %s',
    async (code) => {
      using volume = await TestVolume.create();
      const { files } = interceptFiles(quickFiles(), async (_call, method, args, act) => {
        if (method === 'link' && statSync(args[0]!).nlink >= 3) throw errno(code);
        return act();
      });
      const ant = await volume.join('ant', files);
      const bells = Array.from({ length: 6 }, (_, index) => `${'b'.repeat(193)}${index}`);
      for (const name of ['lamp', ...bells]) putLamp(volume, name);
      const ids = Array.from({ length: 8 }, (_, index) => `${index}`.padEnd(36, 'i'));
      for (const id of ids) post(volume, id);
      post(volume, 'last', { at: 1, ...telling(...bells) });
      // A session that meets the limit gets an error, and continues in the next cycle.
      for (let cycle = 0; cycle < 12; cycle += 1) {
        const { tasks } = await ant.session.snapshot();
        const steps: VolumeSettlement[] = [];
        for (const name of tasks.names) {
          const outcome = await ant.session.claim(name, OPEN).catch(() => 'not yet');
          if (outcome === 'ours') steps.push(await decideStep(ant, name));
        }
        for (let tries = 0; tries < 6; tries += 1) {
          await ant.session.settle(
            steps.filter(({ progress }) => progress !== 'settled'),
            OPEN,
          );
        }
        expect(steps.filter(({ progress }) => progress !== 'settled')).toEqual([]);
      }
      expect(appliedIds(volume, 'lamp')).toEqual([...ids, 'last']);
      for (const bell of bells) expect(appliedIds(volume, bell)).toHaveLength(1);
      expect(volume.list('events')).toEqual([]);
      expect(volume.list('in_progress')).toEqual([]);
    },
  );
});
