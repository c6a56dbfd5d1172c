/** Content and names at their limits, or not UTF-8: nothing is lost, and no worker waits for ever. */
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { done, fork, next } from '../../src/machine/answer.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import type { Files } from '../../src/volume/files.ts';
import { eventStatus } from '../../src/volume/outcomes.ts';
import {
  errno,
  interceptFiles,
  OPEN,
  quickFiles,
  TestVolume,
  type TestSession,
} from './harness.ts';
import { appliedIds, outcomeOf, post, putLamp, recordsOf, take, workOff } from './post.ts';

const HUGE = 9_000_000;
const machines = createRegistry([
  machine({
    name: 'order',
    activities: {
      split: {
        tick: () =>
          fork(
            Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`b${i}`, { state: 'pack' }])),
            { state: 'pack' },
          ),
        retry: { maximumAttempts: 1 },
      },
      forget: () => fork({ a: { state: 'pack' } }, { state: 'pack', payload: null }),
      pack: () => done(1),
      big: { tick: () => next('pack', 'y'.repeat(700_000)), retry: { maximumAttempts: 1 } },
      long: () => next('pack'),
      loud: {
        tick: () => {
          throw new Error('e'.repeat(HUGE));
        },
        retry: { maximumAttempts: 2, initialInterval: 0 },
      },
    },
  }),
]);
const order = (state: string, more: object = {}): object => ({ state, machine: 'order', ...more });

const reasonOf = (volume: TestVolume, name: string): string =>
  (JSON.parse(volume.read('failed', name)) as { reason: string }).reason;

/** Runs cycles of recovery, which also handle dropped files and unroutable events. */
async function recoverFor(volume: TestVolume, ant: TestSession, cycles = 8): Promise<number> {
  let delayed = 0;
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    ({ delayed } = await ant.session.snapshot());
    await ant.session.recover(cycle, OPEN);
    volume.pass(4000);
    ant.beat();
  }
  return delayed;
}

describe('large', () => {
  test('a fork whose branches exceed the size of a record is a failed attempt', async () => {
    using volume = await TestVolume.create();
    volume.put('o.state', order('split', { payload: 'x'.repeat(100_000) }));
    const ant = await volume.join('ant');
    await workOff(ant, OPEN, machines);
    expect(reasonOf(volume, 'o.state')).toContain('give each branch a payload of its own');
  });

  test('a join may forget the payload', async () => {
    using volume = await TestVolume.create();
    volume.put('o.state', order('forget', { payload: { old: 1 } }));
    const ant = await volume.join('ant');
    await ant.session.settle(await take(ant, machines), OPEN);
    expect(JSON.parse(volume.read('o.state-1'))).toMatchObject({ payload: null });
  });

  test('a successor that no worker would read is a failed attempt', async () => {
    using volume = await TestVolume.create();
    volume.put('o.state', order('big', { 'x-note': 'n'.repeat(600_000) }));
    const ant = await volume.join('ant');
    await workOff(ant, OPEN, machines);
    expect(volume.list('done')).toEqual([]);
    expect(reasonOf(volume, 'o.state')).toContain('o.state-1 would be larger than 1048576 bytes');
  });

  test('an event that would lead to such a successor is an InternalError, and changes nothing', async () => {
    using volume = await TestVolume.create();
    volume.put('lamp.state', { state: 'lamp', 'x-note': 'n'.repeat(1_048_576 - 60) });
    post(volume, 'a', { event: 'press', details: { tell: [] } });
    post(volume, 'b', { event: 'fade' });
    const ant = await volume.join('ant');
    await workOff(ant);
    expect(await outcomeOf(volume, 'a')).toMatchObject({ outcome: 'Ok', to: 'on' });
    expect(await outcomeOf(volume, 'b')).toMatchObject({ outcome: 'InternalError', from: 'on' });
    expect(volume.list('failed')).toEqual([]);
  });

  test('a record takes only as many large events as can be read again', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ids = Array.from({ length: 10 }, (_, index) => `e${index + 10}`);
    for (const [at, id] of ids.entries()) post(volume, id, { at, originator: 'o'.repeat(900_000) });
    const ant = await volume.join('ant');
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(ids);
    for (const id of ids) {
      expect((await eventStatus(quickFiles(), volume.layout, id)).kind).toBe('over');
    }
    expect(recordsOf(volume).length).toBeGreaterThan(5);
  });

  test('an error with a very long message is counted like any other', async () => {
    using volume = await TestVolume.create();
    volume.put('o.state', order('loud'));
    const ant = await volume.join('ant');
    await workOff(ant, OPEN, machines);
    volume.pass(2000);
    await workOff(ant, OPEN, machines);
    expect(volume.list('failed')).toEqual(['o.state']);
    expect(volume.read('failed', 'o.state').length).toBeLessThan(100_000);
  });
});

describe('long', () => {
  test('an instance name that is allowed is allowed at every step', async () => {
    using volume = await TestVolume.create();
    const name = 'n'.repeat(194);
    volume.put(`${name}.state`, order('long'));
    const ant = await volume.join('ant');
    await workOff(ant, OPEN, machines);
    expect(volume.list('done')).toEqual([`${name}.state`, `${name}.state-1`]);
  });

  test('a state whose name leaves no room for a suffix fails, and is recovered', async () => {
    using volume = await TestVolume.create();
    const name = `${'n'.repeat(247)}.state`;
    volume.put(name, order('long'));
    volume.put('x.state', order('long'));
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await take(ant, machines);
    await volume.expire(bee);
    expect(volume.list('in_progress')).toEqual([]);
    await workOff(bee, OPEN, machines);
    expect(volume.list('failed')).toEqual([name]);
  });

  test('the problem of a dropped file is reported, however long its name', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    volume.put(`events/${'a'.repeat(250)}.json`, 'nonsense');
    volume.put('events/b.json', { to: 'lamp', event: 'press' });
    const ant = await volume.join('ant');
    expect(await recoverFor(volume, ant)).toBe(0);
    const [problem] = volume.list('events').filter((name) => name.endsWith('.problem'));
    expect(volume.read('events', problem!)).toContain('aaa.json: not JSON');
    await workOff(ant);
    expect(existsSync(join(volume.dir, 'lamp.state-1'))).toBe(true);
  });
});

describe('not UTF-8', () => {
  const bytes = (...parts: (string | number)[]): Buffer =>
    Buffer.concat(
      parts.map((one) => (typeof one === 'string' ? Buffer.from(one) : Buffer.of(one))),
    );

  test('names of events, or of files that are dropped: they are ignored', async () => {
    using volume = await TestVolume.create();
    const events = `${join(volume.dir, 'events')}/`;
    writeFileSync(bytes(events, 'caf', 0xe9, '.json'), '{"to":"lamp","event":"press"}');
    writeFileSync(bytes(events, '20260101T000000.000Z~id@caf', 0xe9), '{"event":"press"}');
    const ant = await volume.join('ant');
    expect(await recoverFor(volume, ant)).toBe(0);
    expect(volume.list('events')).toHaveLength(2);
  });

  test('content of a dropped file: the problem is reported, and the file stays', async () => {
    using volume = await TestVolume.create();
    const text = bytes('{"to":"lamp","event":"press","details":"caf', 0xe9, '"}');
    writeFileSync(join(volume.dir, 'events/a.json'), text);
    const ant = await volume.join('ant');
    await recoverFor(volume, ant);
    expect(volume.list('events')).toEqual(['a.json', 'a.json.problem']);
    expect(volume.read('events', 'a.json.problem')).toContain('not UTF-8 text');
  });
});

describe('an event that may not be read', () => {
  const refusing = (part: string): Files =>
    interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (method === 'read' && path!.includes(part)) throw errno('EACCES');
      return act();
    }).files;

  test('is passed over, and the others are not', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    post(volume, 'bad');
    post(volume, 'good');
    post(volume, 'forbidden', { to: 'aaa' });
    post(volume, 'lost', { to: 'zzz', grace: 0 });
    const ant = await volume.join('ant', refusing('bad@'));
    await workOff(ant);
    expect(appliedIds(volume)).toEqual(['good']);
    await recoverFor(volume, ant);
    expect(await outcomeOf(volume, 'lost')).toMatchObject({ outcome: 'FsmNotFound' });
    expect(readdirSync(join(volume.dir, 'events')).join()).toContain('bad@lamp');
  });
});

test('an event that may be read only later is applied then, by the worker that could not read it', async () => {
  using volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  const file = post(volume, 'late');
  let isForbidden = true;
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    if (isForbidden && method === 'read' && path!.includes('late@')) throw errno('EACCES');
    return act();
  });
  const ant = await volume.join('ant', files);
  await workOff(ant);
  isForbidden = false;
  await workOff(ant);
  expect(appliedIds(volume)).toEqual([]);
  chmodSync(join(volume.dir, 'events', file), 0o640);
  await workOff(ant);
  expect(appliedIds(volume)).toEqual(['late']);
});

test('a second copy of an event is removed in Update System, not while others list', async () => {
  using volume = await TestVolume.create();
  putLamp(volume, 'lamp');
  post(volume, 'a');
  const ant = await volume.join('ant');
  await workOff(ant);
  const file = post(volume, 'a');
  await ant.session.snapshot();
  expect(await ant.session.events('lamp.state-1')).toEqual([]);
  expect(volume.list('events')).toEqual([file]);
  await ant.session.settle([], OPEN);
  expect(volume.list('events')).toEqual([]);
});
