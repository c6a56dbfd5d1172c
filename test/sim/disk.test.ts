/** The simulated volume: power cuts and stale views. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Disk, type Actor } from '../../src/sim/disk.ts';

const HISTORY_MS = 1000;

/** A volume with one synced directory, `/d`. */
class Stand {
  now = 0;
  readonly disk: Disk = new Disk(() => this.now, HISTORY_MS);
  readonly a: Actor = { client: 'a', stamp: () => this.now };
  readonly b: Actor = { client: 'b', stamp: () => this.now };

  constructor() {
    this.disk.makeDirectory('/d', this.a);
    this.disk.sync('/');
  }

  /** Sets the time of the next change. */
  at(time: number): Disk {
    this.now = time;
    return this.disk;
  }
}

const NOTHING = (): string => '';

test('a power cut keeps synced names and contents', () => {
  const { disk, a } = new Stand();
  disk.create('/d/x', 'whole', a);
  disk.sync('/d/x');
  disk.sync('/d');
  disk.losePower(() => false, NOTHING);
  expect(disk.read('/d/x')).toBe('whole');
});

test('a power cut tears the unsynced content of a synced name', () => {
  const { disk, a } = new Stand();
  disk.create('/d/x', 'whole', a);
  disk.sync('/d');
  disk.losePower(
    () => false,
    (file) => file.content.slice(0, 2),
  );
  expect(disk.read('/d/x')).toBe('wh');
});

test('a power cut keeps or removes an unsynced name whose content is synced', () => {
  for (const keeps of [true, false]) {
    const { disk, a } = new Stand();
    disk.create('/d/x', 'whole', a);
    disk.sync('/d/x');
    disk.losePower(() => keeps, NOTHING);
    expect(disk.list('/d')).toEqual(keeps ? ['x'] : []);
    if (keeps) expect(disk.read('/d/x')).toBe('whole');
  }
});

test('a power cut passes the synced content to the tear', () => {
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

test('a power cut restores a removed name unless the removal was synced', () => {
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

test('a power cut removes an unsynced directory with its entries', () => {
  const { disk, a } = new Stand();
  disk.makeDirectory('/d/e', a);
  disk.create('/d/e/x', '', a);
  disk.sync('/d/e');
  disk.losePower(() => false, NOTHING);
  expect(disk.list('/d')).toEqual([]);
});

test('a power cut asks for each unsynced change once, in order', () => {
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

test('a power cut reduces the link count of a file to the remaining names', () => {
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

test('link refuses the files of other hosts’ users when links are protected', () => {
  const disk = new Disk(() => 0, 0, undefined, { protectsLinks: true });
  const [ant, again, bee] = ['w1.1', 'w1.2', 'w2.1'].map((client) => ({ client, stamp: () => 0 }));
  disk.create('/x', '', ant!);
  disk.link('/x', '/y', again!);
  expect(() => disk.link('/x', '/z', bee!)).toThrow('EPERM');
  expect(disk.list('/')).toEqual(['x', 'y']);
});

test('a stale view shows the volume at its time', () => {
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

test('a stale view includes its client’s own changes', () => {
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

test('a stale view may hide later changes of its client’s own names', () => {
  const stand = new Stand();
  const { a, b } = stand;
  stand.at(10).create('/d/x', '', b);
  stand.at(20).unlink('/d/x', a);
  const view = { time: 0, client: 'b' };
  expect(stand.disk.list('/d', view)).toEqual(['x']);
  expect(stand.disk.stat('/d/x', view)?.kind).toBe('file');
});

test('a stale listing and its time stamp are of the same time', () => {
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

test('listings and stats of one stale view agree, and equal a past state', () => {
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
      for (const client of ['a', 'b', 'other']) {
        const view = { time: since, client };
        const names = stand.disk.list('/d', view).toSorted();
        const single = ['x', 'y', 'z'].filter((one) => stand.disk.stat(`/d/${one}`, view));
        expect(single).toEqual(names);
      }
      const seen = stand.disk.list('/d', { time: since, client: 'other' }).toSorted().join();
      expect(seen).toBe(truths[Math.min(since, steps.length)]);
    }),
  );
});

test('notify receives each change of a name, with the entry before it', () => {
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
