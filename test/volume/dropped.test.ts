/** Files that users drop into `events/`, on a real directory: each is exactly one event, crashes or not. */
import { mkdirSync, statSync, unlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventKey, parseEventName } from '../../src/machine/event.ts';
import type { PhaseGuard } from '../../src/volume/operations.ts';
import {
  CLOSED,
  crashingFiles,
  errno,
  forEachCrash,
  interceptFiles,
  OPEN,
  quickFiles,
  TestVolume,
  type CrashPoint,
  type TestSession,
} from './harness.ts';
import { appliedIds, expectRest, outcomeOf, putLamp, recordsOf, workOff } from './post.ts';

const PRESS = { to: 'lamp', event: 'press' };
/** Longer than an invalid file must be stable. */
const PATIENCE = 3000;

async function withLamp(): Promise<TestVolume> {
  const volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  mkdirSync(join(volume.dir, 'events'), { recursive: true });
  return volume;
}

const drop = (volume: TestVolume, content: unknown, name = 'a.json'): void =>
  volume.put(`events/${name}`, content);

/** Takes a snapshot, and recovers as in Update System. */
async function update({ session }: TestSession, guard: PhaseGuard = OPEN): Promise<void> {
  await session.snapshot();
  await session.recover(0, guard);
}

/** Often enough that a stable file counts as complete. */
async function watch(volume: TestVolume, one: TestSession): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    one.beat();
    await update(one);
    volume.pass(PATIENCE);
  }
  await update(one);
}

describe('a dropped file', () => {
  test('is replaced by an event with its id, at the time of its mtime', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, { ...PRESS, id: 'mine', originator: 'me' });
    utimesSync(join(volume.dir, 'events/a.json'), 1000, 1000);
    await update(ant);
    expect(volume.list('events')).toEqual(['19700101T001640.000Z~mine@lamp']);
    await workOff(ant);
    expect(await outcomeOf(volume, 'mine')).toMatchObject({ outcome: 'Ok', originator: 'me' });
    expectRest(volume, ant);
  });

  test.each(['../../x', 'a\nb', 'long'.repeat(50), '.', `%-${'0'.repeat(34)}`])(
    'has the id that it contains: %j',
    async (id) => {
      using volume = await withLamp();
      const ant = await volume.join('ant');
      drop(volume, { ...PRESS, id });
      await update(ant);
      await workOff(ant);
      drop(volume, { ...PRESS, id }, 'b.json');
      await update(ant);
      await workOff(ant);
      expect(appliedIds(volume)).toEqual([id]);
      expect(await outcomeOf(volume, eventKey(id))).toMatchObject({ id, outcome: 'Ok' });
      expectRest(volume, ant);
    },
  );

  test('counts as delayed work while it is there', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    await workOff(ant);
    drop(volume, PRESS);
    expect((await ant.session.snapshot()).delayed).toBe(1);
    await ant.session.recover(0, OPEN);
    await workOff(ant);
    expect((await ant.session.snapshot()).delayed).toBe(0);
    expect(appliedIds(volume)).toHaveLength(1);
  });

  test('twice is the same event, before and after it is over; with another name it is another', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    for (let time = 0; time < 2; time += 1) {
      drop(volume, PRESS);
      await update(ant);
    }
    await workOff(ant);
    drop(volume, PRESS);
    await update(ant);
    expect(volume.list('events')).toEqual([]);
    drop(volume, PRESS, 'b.json');
    await update(ant);
    await workOff(ant);
    expect(appliedIds(volume)).toHaveLength(2);
    expectRest(volume, ant);
  });

  test('is one event when two sessions import it at the same time', async () => {
    using volume = await withLamp();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    drop(volume, PRESS);
    // Neither of them knows of the other.
    await Promise.all([update(ant), update(bee)]);
    await workOff(ant);
    expect(appliedIds(volume)).toHaveLength(1);
    expect(volume.list('events')).toEqual([]);
  });

  test('is imported by one of the live sessions', async () => {
    using volume = await withLamp();
    const all = await Promise.all(['ant', 'bee', 'cat'].map((name) => volume.join(name)));
    for (const one of all) await one.session.recover(0, OPEN);
    volume.pass(2000);
    for (const one of all) one.beat();
    for (const one of all) await one.session.recover(0, OPEN);
    for (let index = 0; index < 20; index += 1) drop(volume, PRESS, `${index}.json`);
    const taken: number[] = [];
    for (const one of all) {
      const before = volume.list('events').filter((name) => name.endsWith('.json')).length;
      await update(one);
      taken.push(before - volume.list('events').filter((name) => name.endsWith('.json')).length);
    }
    expect(taken.reduce((sum, one) => sum + one)).toBe(20);
    for (const one of taken) expect(one).toBeLessThan(20);
  });

  test('for an unknown instance gets an outcome like any other event', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, { to: 'nowhere', event: 'press', id: 'x' });
    await update(ant);
    await update(ant);
    volume.pass(15_000);
    ant.beat();
    await update(ant);
    expect(await outcomeOf(volume, 'x')).toMatchObject({ outcome: 'FsmNotFound' });
  });

  test('I4: is not touched outside of Update System', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, PRESS);
    drop(volume, 'junk', 'junk.json');
    const over = { ...CLOSED, canFinish: () => true };
    for (let time = 0; time < 4; time += 1) {
      await update(ant, over);
      volume.pass(PATIENCE);
    }
    // The phase ends after the import has begun.
    const ending = { ...OPEN, canFinish: () => false };
    for (let time = 0; time < 4; time += 1) {
      await update(ant, ending);
      volume.pass(PATIENCE);
    }
    expect(volume.list('events')).toEqual(['a.json', 'junk.json']);
  });

  test('that is overwritten while it is imported is a second event', async () => {
    using volume = await withLamp();
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      const result = await act();
      if (method === 'link' && path!.includes('.dropped.')) drop(volume, { ...PRESS, details: 2 });
      return result;
    });
    const ant = await volume.join('ant', files);
    drop(volume, { ...PRESS, details: 1 });
    await update(ant);
    expect(volume.list('events')).toHaveLength(2);
    expect(JSON.parse(volume.read('events/a.json'))).toEqual({ ...PRESS, details: 2 });
  });
});

describe('I8: a copy in progress, when a cache answers with the file before it,', () => {
  const OLD = JSON.stringify({ ...PRESS, details: 'before' });
  const NEW = { ...PRESS, details: 'after' };
  const HALF = JSON.stringify(NEW).slice(0, 20);
  const size = OLD.length;

  /** A session whose cache has the old file under this name. `intervene`: for one of its operations. */
  async function withCache(
    volume: TestVolume,
    intervene: Parameters<typeof interceptFiles>[1] = (_call, _method, _args, act) => act(),
    stat: (act: () => Promise<unknown>) => Promise<unknown> = async () => ({
      kind: 'file',
      size,
      mtime: 5,
      mode: 0o644,
    }),
  ): Promise<TestSession> {
    const { files } = interceptFiles(quickFiles(), async (call, method, args, act) => {
      const isCached = args[0]!.endsWith('events/a.json');
      if (isCached && method === 'stat') return stat(act);
      if (isCached && method === 'read') return Buffer.from(OLD);
      return intervene(call, method, args, act);
    });
    return volume.join('ant', files);
  }

  /** Without a cache: the copy is finished, and all events are applied. */
  async function finish(volume: TestVolume): Promise<void> {
    const [file] = volume.list('events').filter((name) => name.startsWith('a.json'));
    drop(volume, NEW, file);
    const bee = await volume.join('bee');
    await volume.expire(bee);
    await workOff(bee);
    await volume.expire(bee);
    await workOff(bee);
    const details = recordsOf(volume).flatMap(({ events = [] }) =>
      events.map((one) => one.details),
    );
    expect(details.map(String).sort()).toEqual(['after', 'before']);
    expectRest(volume, bee);
  }

  test.each([
    ['has no stat of it', async () => undefined],
    ['has its present stat', async (act: () => Promise<unknown>) => act()],
    ['has its stat too', undefined],
  ])('stays: the cache %s', async (_what, stat) => {
    using volume = await withLamp();
    const ant = await withCache(volume, undefined, stat);
    drop(volume, HALF);
    await update(ant);
    expect(volume.read('events/a.json')).toBe(HALF);
    expect(volume.list('events').filter((name) => name.includes('.json'))).toEqual(['a.json']);
  });

  test('stays under another name when links to it are forbidden, and is imported from there', async () => {
    using volume = await withLamp();
    const ant = await withCache(volume, async (_call, method, [from], act) => {
      if (method === 'link' && from!.includes('a.json~')) throw errno('EPERM');
      return act();
    });
    drop(volume, HALF);
    await update(ant);
    const [taken] = volume.list('events').filter((name) => name.includes('.json'));
    expect(taken).toMatch(/^a\.json~[a-z0-9]{8}-1\.json$/);
    expect(volume.read(`events/${taken}`)).toBe(HALF);
    await finish(volume);
  });

  test('stays under another name when its name is in use again', async () => {
    using volume = await withLamp();
    const ant = await withCache(volume, async (_call, method, _args, act) => {
      const result = await act();
      if (method === 'rename') drop(volume, { ...PRESS, details: 'third' });
      return result;
    });
    drop(volume, HALF);
    await update(ant);
    expect(JSON.parse(volume.read('events/a.json'))).toMatchObject({ details: 'third' });
    const [taken] = volume.list('events').filter((name) => name.startsWith('a.json~'));
    expect(volume.read(`events/${taken}`)).toBe(HALF);
  });

  test('is left when it is taken away in that moment', async () => {
    using volume = await withLamp();
    const ant = await withCache(volume, async (_call, method, [, to], act) => {
      const result = await act();
      if (method === 'rename') unlinkSync(to!);
      return result;
    });
    drop(volume, HALF);
    await update(ant);
    expect(volume.list('events').filter((name) => name.includes('.json'))).toEqual([]);
  });

  test('is not lost, whatever operation fails, crashes, or has a lost reply', async () => {
    for (const kind of ['before', 'after', 'refused', 'lost'] as const) {
      let used = 0;
      for (let limit = 1; limit <= used + 1; limit += 1) {
        using volume = await withLamp();
        let begun = false;
        used = 0;
        const ant = await withCache(volume, async (_call, _method, _args, act) => {
          if (!begun) return act();
          used += 1;
          const isCrash = kind === 'before' || kind === 'after';
          if (used < limit || (used > limit && !isCrash)) return act();
          if (used === limit && (kind === 'after' || kind === 'lost')) await act();
          throw isCrash ? new Error('crashed') : errno('EIO');
        });
        drop(volume, HALF);
        await ant.session.snapshot();
        begun = true;
        await ant.session.recover(0, OPEN).catch(() => undefined);
        begun = false;
        const names = volume.list('events').filter((name) => name.startsWith('a.json'));
        expect({ kind, limit, there: names.length > 0 }).toEqual({ kind, limit, there: true });
        for (const name of names) expect(volume.read(`events/${name}`)).toBe(HALF);
      }
      expect(used).toBeGreaterThan(8);
    }
  }, 120_000);
});

test('a file that was taken when its phase ended is removed in the next', async () => {
  using volume = await withLamp();
  let isOver = false;
  const { files } = interceptFiles(quickFiles(), async (_call, method, _args, act) => {
    const result = await act();
    if (method === 'rename') isOver = true;
    return result;
  });
  const ant = await volume.join('ant', files);
  drop(volume, PRESS);
  await update(ant, { ...OPEN, canFinish: () => !isOver });
  expect(volume.list('events').filter((name) => name.includes('.json'))).toHaveLength(1);
  await update(ant);
  await workOff(ant);
  expect(appliedIds(volume)).toHaveLength(1);
  expectRest(volume, ant);
});

test('a file whose name has no room for another one is removed by its name', async () => {
  using volume = await withLamp();
  const ant = await volume.join('ant');
  const name = `${'x'.repeat(250)}.json`;
  drop(volume, PRESS, name);
  await update(ant);
  await workOff(ant);
  expect(appliedIds(volume)).toHaveLength(1);
  expectRest(volume, ant);
});

describe('an invalid file', () => {
  test('stays in place, and its problem is reported once it is stable', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    await workOff(ant);
    drop(volume, '{"to":');
    await update(ant);
    expect(volume.list('events')).toEqual(['a.json']);
    volume.pass(PATIENCE);
    drop(volume, '{"to":"lamp",');
    await update(ant);
    expect(volume.list('events')).toEqual(['a.json']);
    expect((await ant.session.snapshot()).delayed).toBe(1);
    await watch(volume, ant);
    expect(volume.list('events')).toEqual(['a.json', 'a.json.problem']);
    expect(volume.read('events/a.json')).toBe('{"to":"lamp",');
    expect(volume.read('events/a.json.problem')).toMatch(/^a\.json: not JSON: .*\n$/);
    const { ino } = statSync(join(volume.dir, 'events/a.json.problem'));
    await watch(volume, ant);
    expect(statSync(join(volume.dir, 'events/a.json.problem')).ino).toBe(ino);
    // It does not count as delayed work.
    expect((await ant.session.snapshot()).delayed).toBe(0);
  });

  test('is imported once corrected, and its .problem file is removed', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, 'junk');
    await watch(volume, ant);
    expect(volume.read('events/a.json.problem')).toContain('not JSON');
    drop(volume, { ...PRESS, colour: 'red' });
    await watch(volume, ant);
    expect(volume.read('events/a.json.problem')).toContain('colour');
    drop(volume, PRESS);
    await update(ant);
    await workOff(ant);
    await update(ant);
    expect(appliedIds(volume)).toHaveLength(1);
    expectRest(volume, ant);
  });

  test('leaves no .problem file when a user removes it', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, 'junk');
    await watch(volume, ant);
    unlinkSync(join(volume.dir, 'events/a.json'));
    await update(ant);
    expect(volume.list('events')).toEqual([]);
  });

  test('does not block other files when it is a directory, or cannot be read', async () => {
    using volume = await withLamp();
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (method === 'read' && path!.endsWith('/secret.json')) throw errno('EACCES');
      if (method === 'rename' && path!.endsWith('/stuck.json')) throw errno('EPERM');
      return act();
    });
    const ant = await volume.join('ant', files);
    mkdirSync(join(volume.dir, 'events/a.json'));
    for (const name of ['secret.json', 'stuck.json', 'z.json']) drop(volume, PRESS, name);
    await watch(volume, ant);
    await workOff(ant);
    await watch(volume, ant);
    const names = ['a.json', 'secret.json', 'stuck.json'];
    expect(volume.list('events')).toEqual(names.flatMap((name) => [name, `${name}.problem`]));
    expect(volume.read('events/secret.json.problem')).toContain('EACCES');
    // The file that cannot be removed was imported, once.
    expect(appliedIds(volume)).toHaveLength(2);
  });

  test('has no .problem file when it is gone since the listing', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, 'junk');
    await ant.session.snapshot();
    unlinkSync(join(volume.dir, 'events/a.json'));
    for (let time = 0; time < 3; time += 1) {
      ant.beat();
      await ant.session.recover(0, OPEN);
      volume.pass(PATIENCE);
    }
    expect(volume.list('events')).toEqual([]);
  });

  test('is ignored when its name is not that of a dropped file', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    const names = ['.a.json', 'README', 'a.json.tmp', 'notes.problem', 'a.JSON'].sort();
    for (const name of names) drop(volume, PRESS, name);
    await watch(volume, ant);
    expect(volume.list('events')).toEqual(names);
  });
});

describe('I10: after a crash at any point, a dropped file is exactly one event', () => {
  async function crashAt(point: CrashPoint): Promise<number> {
    using volume = await withLamp();
    // Without an errno, so that it is not taken for an error of the volume.
    const { files, arm, used } = crashingFiles(quickFiles(), point, new Error('crashed'));
    const ant = await volume.join('ant', files);
    drop(volume, PRESS);
    await ant.session.snapshot();
    arm();
    await ant.session.recover(0, OPEN).catch(() => undefined);
    const bee = await volume.join('bee');
    await volume.expire(bee);
    await update(bee);
    await workOff(bee);
    await volume.expire(bee);
    await workOff(bee);
    expect(appliedIds(volume)).toHaveLength(1);
    expect(recordsOf(volume)).toHaveLength(1);
    expectRest(volume, bee);
    return used();
  }

  test('before and after each file operation', async () => {
    expect(await forEachCrash(crashAt)).toBeGreaterThan(10);
  }, 120_000);

  test('the event, or its outcome, is durable before the file is removed', async () => {
    using volume = await withLamp();
    const order: string[] = [];
    const { files } = interceptFiles(
      quickFiles(),
      async (_call, method, [path = '', to = ''], act) => {
        if (method === 'link' && parseEventName(to.split('/').at(-1)!)) order.push('link');
        if (method === 'sync' && path === volume.layout.events) order.push('sync');
        if (method === 'rename' && path.endsWith('a.json')) order.push('rename');
        if (method === 'unlink' && path.includes('a.json')) order.push('unlink');
        for (const place of ['outcomes', 'done']) {
          if (method === 'sync' && path === join(volume.dir, place)) order.push(place);
        }
        return act();
      },
    );
    const ant = await volume.join('ant', files);
    drop(volume, PRESS);
    await update(ant);
    expect(order).toEqual(['link', 'sync', 'rename', 'unlink']);
    await workOff(ant);
    order.length = 0;
    drop(volume, PRESS);
    await update(ant);
    expect(order).toEqual(['outcomes', 'done', 'rename', 'unlink']);
  });
});
