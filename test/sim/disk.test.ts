/** What the simulated volume loses in a power cut, and what it shows to whoever caches. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Disk, type Actor } from '../../src/sim/disk.ts';

const MEMORY = 1000;

/** A volume with one directory `/d`, which survives. */
class Stand {
  now = 0;
  readonly disk: Disk = new Disk(() => this.now, MEMORY);
  readonly a: Actor = { client: 'a', stamp: () => this.now };
  readonly b: Actor = { client: 'b', stamp: () => this.now };

  constructor() {
    this.disk.makeDirectory('/d', this.a);
    this.disk.sync('/');
  }

  /** Each change at a moment of its own. */
  at(time: number): Disk {
    this.now = time;
    return this.disk;
  }
}

const NOTHING = (): string => '';

test('a power cut spares what was synced: names, and what is in them', () => {
  const { disk, a } = new Stand();
  disk.create('/d/x', 'whole', a);
  disk.sync('/d/x');
  disk.sync('/d');
  disk.losePower(() => false, NOTHING);
  expect(disk.read('/d/x')).toBe('whole');
});

test('a synced name of a file that was not synced comes back with what the tear leaves', () => {
  const { disk, a } = new Stand();
  disk.create('/d/x', 'whole', a);
  disk.sync('/d');
  disk.losePower(
    () => false,
    (file) => file.content.slice(0, 2),
  );
  expect(disk.read('/d/x')).toBe('wh');
});

test('a file whose content was synced and whose name was not is gone, or whole', () => {
  for (const keeps of [true, false]) {
    const { disk, a } = new Stand();
    disk.create('/d/x', 'whole', a);
    disk.sync('/d/x');
    disk.losePower(() => keeps, NOTHING);
    expect(disk.list('/d')).toEqual(keeps ? ['x'] : []);
    if (keeps) expect(disk.read('/d/x')).toBe('whole');
  }
});

test('what is written after the sync is torn, and what was there before is known', () => {
  const { disk, a } = new Stand();
  disk.create('/d/x', 'old', a);
  disk.sync('/d/x');
  disk.sync('/d');
  disk.append('/d/x', ' and new', a);
  disk.losePower(
    () => false,
    (file) => `${file.durable}|${file.content}`,
  );
  expect(disk.read('/d/x')).toBe('old|old and new');
});

test('a name that was taken away comes back, unless that was synced', () => {
  const { disk, a } = new Stand();
  disk.create('/d/x', '', a);
  disk.sync('/d');
  disk.unlink('/d/x', a);
  disk.losePower(() => false, NOTHING);
  expect(disk.list('/d')).toEqual(['x']);
  disk.unlink('/d/x', a);
  disk.sync('/d');
  disk.losePower(() => false, NOTHING);
  expect(disk.list('/d')).toEqual([]);
});

test('what is in a directory whose own name was not synced goes with it', () => {
  const { disk, a } = new Stand();
  disk.makeDirectory('/d/e', a);
  disk.create('/d/e/x', '', a);
  disk.sync('/d/e');
  disk.losePower(() => false, NOTHING);
  expect(disk.list('/d')).toEqual([]);
});

test('each change is asked for once, in order, and none is owed any more after the cut', () => {
  const { disk, a } = new Stand();
  disk.create('/d/x', '', a);
  disk.create('/d/y', '', a);
  disk.unlink('/d/x', a);
  const answers = [true, false, false];
  disk.losePower(() => answers.shift()!, NOTHING);
  expect(answers).toEqual([]);
  expect(disk.list('/d')).toEqual(['x']);
  disk.losePower(() => expect.unreachable(), NOTHING);
  expect(disk.list('/d')).toEqual(['x']);
});

test('after a cut a file has the names that are left, and may have more', () => {
  let now = 0;
  const disk = new Disk(() => now, 0, undefined, { maxLinks: 2 });
  const actor = { client: 'a', stamp: () => now };
  disk.create('/x', '', actor);
  disk.sync('/');
  disk.link('/x', '/y', actor);
  expect(() => disk.link('/x', '/z', actor)).toThrow('EMLINK');
  disk.losePower(() => false, NOTHING);
  now += 1;
  disk.link('/x', '/z', actor);
  expect(disk.list('/')).toEqual(['x', 'z']);
});

test('where other users’ files are protected, they get no further name; those of the same host do', () => {
  const disk = new Disk(() => 0, 0, undefined, { protectsLinks: true });
  const [ant, again, bee] = ['w1.1', 'w1.2', 'w2.1'].map((client) => ({ client, stamp: () => 0 }));
  disk.create('/x', '', ant!);
  disk.link('/x', '/y', again!);
  expect(() => disk.link('/x', '/z', bee!)).toThrow('EPERM');
  expect(disk.list('/')).toEqual(['x', 'y']);
});

test('a cache shows the volume as it was, to whoever changed nothing', () => {
  const stand = new Stand();
  const { a } = stand;
  stand.at(10).create('/d/x', '1', a);
  stand.at(20).create('/d/y', '2', a);
  stand.at(30).unlink('/d/x', a);
  stand.at(40).overwrite('/d/y', '3', a);
  const { disk } = stand;
  const seen = (time: number): unknown => {
    const view = { time, client: 'b' };
    const content = disk.stat('/d/y', view) && disk.read('/d/y', view);
    return [disk.list('/d', view).toSorted(), disk.stat('/d/x', view)?.kind, content];
  };
  expect(seen(5)).toEqual([[], undefined, undefined]);
  expect(seen(15)).toEqual([['x'], 'file', undefined]);
  expect(seen(25)).toEqual([['x', 'y'], 'file', '2']);
  expect(seen(35)).toEqual([['y'], undefined, '2']);
  expect(seen(45)).toEqual([['y'], undefined, '3']);
});

test('a cache always shows what its client did last', () => {
  const stand = new Stand();
  const { a, b } = stand;
  stand.at(10).create('/d/mine', '1', b);
  stand.at(20).create('/d/theirs', '1', a);
  stand.at(30).overwrite('/d/mine', '2', b);
  const view = { time: 0, client: 'b' };
  expect(stand.disk.list('/d', view)).toEqual(['mine']);
  expect(stand.disk.read('/d/mine', view)).toBe('2');
  stand.at(40).unlink('/d/mine', b);
  expect(stand.disk.list('/d', view)).toEqual([]);
  expect(stand.disk.stat('/d/mine', view)).toBeUndefined();
});

test("what others did to one's own name afterwards may not show", () => {
  const stand = new Stand();
  const { a, b } = stand;
  stand.at(10).create('/d/x', '', b);
  stand.at(20).unlink('/d/x', a);
  const view = { time: 0, client: 'b' };
  expect(stand.disk.list('/d', view)).toEqual(['x']);
  expect(stand.disk.stat('/d/x', view)?.kind).toBe('file');
});

test('a listing from a cache and its time stamp are of the same moment', () => {
  const stand = new Stand();
  for (const [index, name] of ['x', 'y', 'z'].entries()) {
    stand.at(10 * (index + 1)).create(`/d/${name}`, '', stand.a);
  }
  const byStamp = new Map<number, string>();
  for (let time = 0; time < 50; time += 5) {
    const view = { time, client: 'b' };
    const names = stand.disk.list('/d', view).toSorted().join();
    const { mtime } = stand.disk.stat('/d', view)!;
    expect(byStamp.get(mtime) ?? names).toBe(names);
    byStamp.set(mtime, names);
  }
  expect([...byStamp.values()]).toEqual(['', 'x', 'x,y', 'x,y,z']);
});

const step = fc.record({
  who: fc.constantFrom('a', 'b'),
  what: fc.constantFrom('create', 'unlink'),
  name: fc.constantFrom('x', 'y', 'z'),
});

test('a listing and single looks through the same cache agree, and old views are what was once true', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat({ max: 30 }), (steps, since) => {
      const stand = new Stand();
      const truths: string[] = [''];
      for (const [index, { who, what, name }] of steps.entries()) {
        const disk = stand.at(index + 1);
        const actor = who === 'a' ? stand.a : stand.b;
        const isThere = disk.stat(`/d/${name}`) !== undefined;
        if (what === 'create' && !isThere) disk.create(`/d/${name}`, '', actor);
        if (what === 'unlink' && isThere) disk.unlink(`/d/${name}`, actor);
        truths.push(disk.list('/d').toSorted().join());
      }
      for (const client of ['a', 'b', 'nobody']) {
        const view = { time: since, client };
        const names = stand.disk.list('/d', view).toSorted();
        const single = ['x', 'y', 'z'].filter((one) => stand.disk.stat(`/d/${one}`, view));
        expect(single).toEqual(names);
      }
      const seen = stand.disk.list('/d', { time: since, client: 'nobody' }).toSorted().join();
      expect(seen).toBe(truths[Math.min(since, steps.length)]);
    }),
  );
});

test('whoever watches is told of each change to a name, with what was there before', () => {
  const told: string[] = [];
  const disk = new Disk(
    () => 0,
    0,
    ({ path, before, after, client }) =>
      told.push(`${client} ${path} ${before?.kind ?? '-'} ${after?.kind ?? '-'}`),
  );
  const actor = { client: 'a', stamp: () => 0 };
  disk.create('/x', '', actor);
  disk.create('/y', '', actor);
  disk.rename('/x', '/y', actor);
  expect(() => disk.create('/y', '', actor)).toThrow('EEXIST');
  expect(told).toEqual(['a /x - file', 'a /y - file', 'a /y file file', 'a /x file -']);
});
