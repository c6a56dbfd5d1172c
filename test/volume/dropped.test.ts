/** Files that people drop into `events/`, on a real directory: each is one event, whatever happens on the way. */
import { mkdirSync, statSync, unlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseEventName } from '../../src/machine/event.ts';
import type { PhaseGuard } from '../../src/volume/operations.ts';
import {
  CLOSED,
  errno,
  interceptFiles,
  OPEN,
  quickFiles,
  TestVolume,
  type TestSession,
} from './harness.ts';
import { appliedIds, expectRest, outcomeOf, putLamp, recordsOf, workOff } from './post.ts';

const PRESS = { to: 'lamp', event: 'press' };
/** More than what does not parse has to stay as it is. */
const PATIENCE = 3000;

async function withLamp(): Promise<TestVolume> {
  const volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  mkdirSync(join(volume.dir, 'events'), { recursive: true });
  return volume;
}

const drop = (volume: TestVolume, content: unknown, name = 'a.json'): void =>
  volume.put(`events/${name}`, content);

/** Sees what is there, and does what Update System is for. */
async function update({ session }: TestSession, guard: PhaseGuard = OPEN): Promise<void> {
  await session.snapshot();
  await session.recover(0, guard);
}

/** So often that whatever stands still counts as whole. */
async function watch(volume: TestVolume, one: TestSession): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    one.beat();
    await update(one);
    volume.pass(PATIENCE);
  }
  await update(one);
}

describe('a file that was dropped', () => {
  test('is an event: with the id it gives, at the time it was dropped, and gone', async () => {
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

  test('is waited for, as long as it is there', async () => {
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

  test('is one event, though two take it at a time', async () => {
    using volume = await withLamp();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    drop(volume, PRESS);
    // Each of them knows nothing of the other.
    await Promise.all([update(ant), update(bee)]);
    await workOff(ant);
    expect(appliedIds(volume)).toHaveLength(1);
    expect(volume.list('events')).toEqual([]);
  });

  test('is one worker’s business, of all that live', async () => {
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

  test('for an instance that is not there is answered, like any other', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, { to: 'nobody', event: 'press', id: 'x' });
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
    // The phase ends after it was begun.
    const ending = { ...OPEN, canFinish: () => false };
    for (let time = 0; time < 4; time += 1) {
      await update(ant, ending);
      volume.pass(PATIENCE);
    }
    expect(volume.list('events')).toEqual(['a.json', 'junk.json']);
  });

  test('that is written over while it is taken is another event, and not lost', async () => {
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

test('a copy in progress stays, although a cache answers with the file of this name before it', async () => {
  using volume = await withLamp();
  const before = JSON.stringify({ ...PRESS, details: 'before' });
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) =>
    method === 'read' && path!.endsWith('events/a.json') ? Buffer.from(before) : act(),
  );
  const ant = await volume.join('ant', files);
  drop(volume, '{"to":"lamp",');
  await update(ant);
  expect(volume.read('events/a.json')).toBe('{"to":"lamp",');
});

describe('what is no event', () => {
  test('stays where it is, and is told of, once it has stood still', async () => {
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
    // Nobody waits for it.
    expect((await ant.session.snapshot()).delayed).toBe(0);
  });

  test('is taken when it is mended, and no problem is left', async () => {
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

  test('leaves no problem behind when somebody removes it', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    drop(volume, 'junk');
    await watch(volume, ant);
    unlinkSync(join(volume.dir, 'events/a.json'));
    await update(ant);
    expect(volume.list('events')).toEqual([]);
  });

  test('is a directory, or cannot be read; others are taken all the same', async () => {
    using volume = await withLamp();
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (method === 'read' && path!.endsWith('/secret.json')) throw errno('EACCES');
      if (method === 'unlink' && path!.endsWith('/stuck.json')) throw errno('EPERM');
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
    // What cannot be taken away was an event all the same, once.
    expect(appliedIds(volume)).toHaveLength(2);
  });

  test('nor one that was only listed, and is gone', async () => {
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

  test('nor a foreign name: it is ignored, and never touched', async () => {
    using volume = await withLamp();
    const ant = await volume.join('ant');
    const names = ['.a.json', 'README', 'a.json.tmp', 'notes.problem', 'a.JSON'].sort();
    for (const name of names) drop(volume, PRESS, name);
    await watch(volume, ant);
    expect(volume.list('events')).toEqual(names);
  });
});

describe('I10: after a crash anywhere it is one event, and none is lost', () => {
  async function crashAt(limit: number, after: boolean): Promise<number> {
    using volume = await withLamp();
    let begun = false;
    let used = 0;
    const { files } = interceptFiles(quickFiles(), async (_call, _method, _args, act) => {
      if (!begun) return act();
      used += 1;
      if (used < limit) return act();
      if (used === limit && after) await act();
      // No errno: what becomes of it is nobody's business here.
      throw new Error('crashed');
    });
    const ant = await volume.join('ant', files);
    drop(volume, PRESS);
    await ant.session.snapshot();
    begun = true;
    await ant.session.recover(0, OPEN).catch(() => undefined);
    const bee = await volume.join('bee');
    await volume.bury(bee);
    await update(bee);
    await workOff(bee);
    await volume.bury(bee);
    await workOff(bee);
    expect(appliedIds(volume)).toHaveLength(1);
    expect(recordsOf(volume)).toHaveLength(1);
    expectRest(volume, bee);
    return used;
  }

  test('before and after each file operation', async () => {
    let limit = 1;
    for (let isThrough = false; !isThrough; limit += 1) {
      isThrough = (await crashAt(limit, false)) < limit;
      await crashAt(limit, true);
    }
    expect(limit).toBeGreaterThan(10);
  }, 120_000);

  test('the event, or what came of it, is on the disk before the file goes', async () => {
    using volume = await withLamp();
    const order: string[] = [];
    const { files } = interceptFiles(
      quickFiles(),
      async (_call, method, [path = '', to = ''], act) => {
        if (method === 'link' && parseEventName(to.split('/').at(-1)!)) order.push('link');
        if (method === 'sync' && path === volume.layout.events) order.push('sync');
        if (method === 'unlink' && path.endsWith('a.json')) order.push('unlink');
        for (const place of ['outcomes', 'done']) {
          if (method === 'sync' && path === join(volume.dir, place)) order.push(place);
        }
        return act();
      },
    );
    const ant = await volume.join('ant', files);
    drop(volume, PRESS);
    await update(ant);
    expect(order).toEqual(['link', 'sync', 'unlink']);
    await workOff(ant);
    order.length = 0;
    drop(volume, PRESS);
    await update(ant);
    expect(order).toEqual(['outcomes', 'done', 'unlink']);
  });
});
