/** The snapshot that all workers read, and the content of claimed files. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Snapshot } from '../../src/volume/operations.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { Listings } from '../../src/volume/listings.ts';
import {
  commitStep,
  errno,
  interceptFiles,
  OPEN,
  step,
  TestVolume,
  quickFiles,
} from './harness.ts';
import { stateName } from '../../src/machine/name.ts';
import { lastState } from '../../src/volume/chain-steps.ts';
import { Sensors } from '../../src/volume/snapshot.ts';

const names = ({ tasks }: Snapshot): string[] => tasks.names.sort();

describe('the snapshot', () => {
  test('has available states: state files without a flag', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    for (const name of ['b', 'a', 'claimed', 'done', 'failed', 'waiting', '\u{1F600}', '\uFF5E'])
      volume.put(`${name}.state`);
    volume.put('a.state-1');
    for (const junk of ['.hidden.state', 'x.state~', 'x.part', '.nfs0001', 'x.state-02', 'README'])
      volume.put(junk);
    await ant.session.claim('claimed.state', OPEN);
    for (const flag of ['done', 'failed', 'waiting']) volume.put(`${flag}/${flag}.state`, '');
    const snapshot = await ant.session.snapshot();
    expect(names(snapshot)).toEqual([
      'a.state',
      'a.state-1',
      'b.state',
      '\u{1F600}.state',
      '\uFF5E.state',
    ]);
    expect(snapshot).toMatchObject({ inProgress: 1, delayed: 0, paused: false });
  });

  test('has the roster: sessions with their declared sizes, foreign flags for one state each', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    await ant.session.register(OPEN);
    volume.put('workers/old', '');
    const { roster } = await ant.session.snapshot();
    expect([...roster].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { session: ant.session.token.session, name: 'ant', concurrency: 2, capacity: 10 },
      { session: 'old', name: 'old', concurrency: 1, capacity: 1 },
    ]);
  });

  test('a state that backs off, or is not due, is delayed; a refused one has the sessions that refused it', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    for (const name of ['later.state', 'soon.state', 'other.state', 'past.state']) {
      volume.put(name);
      await ant.session.claim(name, OPEN);
    }
    const attempt = {
      attempt: 1,
      session: 's',
      worker: 'w',
      started: 'a',
      ended: 'b',
      result: 'failed',
    } as const;
    const due = (ms: number): string => new Date(Date.now() + ms).toISOString();
    await ant.session.settle(
      [
        step('later.state', { kind: 'retry', attempt: { ...attempt, notBefore: due(60_000) } }),
        step('soon.state', { kind: 'defer', notBefore: due(60_000) }),
        step('past.state', { kind: 'retry', attempt: { ...attempt, notBefore: due(-1000) } }),
        step('other.state', { kind: 'refuse', reason: 'no such machine' }),
      ],
      OPEN,
    );
    const snapshot = await ant.session.snapshot();
    expect(snapshot.delayed).toBe(2);
    expect(names(snapshot)).toEqual(['other.state', 'past.state']);
    expect(snapshot.tasks.refusedBy('other.state')).toEqual([ant.session.token.session]);
    expect(await ant.session.readState('past.state')).toMatchObject({ attempts: [{ attempt: 1 }] });
  });

  test('a state that is not due is available again when its file has been written since', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    const far = new Date(Date.now() + 3_600_000).toISOString();
    volume.put('a.state', { state: 'simple', notBefore: far });
    await ant.session.snapshot();
    const defer = async (): Promise<void> => {
      expect(await ant.session.claim('a.state', OPEN)).toBe('ours');
      const { written } = (await ant.session.readState('a.state')) as { written: string };
      const change = { kind: 'defer', notBefore: far, written } as const;
      await ant.session.settle([step('a.state', change)], OPEN);
    };
    await defer();
    expect(await ant.session.snapshot()).toMatchObject({ delayed: 1, tasks: { size: 0 } });
    volume.put('a.state', { state: 'simple' });
    expect(await ant.session.snapshot()).toMatchObject({ delayed: 0, tasks: { size: 1 } });
    await defer();
    expect(await ant.session.snapshot()).toMatchObject({ delayed: 1, tasks: { size: 0 } });
  });

  test('shows that the volume is paused', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('.flockwork/paused', '');
    expect((await ant.session.snapshot()).paused).toBe(true);
  });

  test('a listing that fails is an error, never an empty volume', async () => {
    using volume = await TestVolume.create();
    let failing = false;
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, _args, act) => {
      if (failing && method === 'list') throw errno('EIO');
      return act();
    });
    const ant = await volume.join('ant', files);
    failing = true;
    await expect(ant.session.snapshot()).rejects.toMatchObject({ code: 'EIO' });
  });
});

describe('a directory is listed again only when it has changed', () => {
  const SETTLED = 2000;

  interface Watched {
    readonly listings: Listings;
    readonly lists: () => number;
    /** The observer's own clock; the volume's stamps are from another. */
    readonly pass: (ms: number) => void;
  }

  function watch(): Watched {
    let [lists, now] = [0, 0];
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, _args, act) => {
      if (method === 'list') lists += 1;
      return act();
    });
    const listings = new Listings(files, SETTLED, () => now);
    return { listings, lists: () => lists, pass: (ms) => void (now += ms) };
  }

  test('a directory with a settled mtime is listed once more, and then no more; a change shows at once', async () => {
    using volume = await TestVolume.create();
    const { listings, lists, pass } = watch();
    const done = volume.layout.flags('done');
    await listings.list(done);
    pass(SETTLED);
    await listings.list(done);
    pass(SETTLED);
    await listings.list(done);
    expect(lists()).toBe(2);
    volume.put('done/x.state', '');
    expect([...(await listings.list(done))]).toEqual(['x.state']);
  });

  test('a directory that has just changed may change again within the same time stamp, or behind a cache', async () => {
    using volume = await TestVolume.create();
    const { listings, lists, pass } = watch();
    for (let look = 0; look < 4; look += 1) {
      await listings.list(volume.layout.flags('done'));
      pass((SETTLED - 1) / 4);
    }
    expect(lists()).toBe(4);
  });
});

describe('reading a claimed file', () => {
  test('never opens a file that is not regular', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    execFileSync('mkfifo', [join(volume.dir, 'fifo.state')]);
    symlinkSync('/dev/zero', join(volume.dir, 'link.state'));
    mkdirSync(join(volume.dir, 'folder.state'));
    for (const name of ['fifo.state', 'link.state', 'folder.state']) {
      expect(await ant.session.readState(name)).toMatchObject({ kind: 'bad', code: 'not-a-file' });
    }
  });

  test('does not read a file that is too large, or has too long a name', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('large.state', 'x'.repeat(1024 * 1024 + 1));
    expect(await ant.session.readState('large.state')).toMatchObject({
      kind: 'bad',
      code: 'too-large',
    });
    const long = `${'x'.repeat(220)}.state`;
    volume.put(long);
    expect(await ant.session.readState(long)).toMatchObject({ kind: 'bad', code: 'bad-name' });
  });

  test('EACCES is an error of the file, EIO one of the volume', async () => {
    using volume = await TestVolume.create();
    let code = 'EACCES';
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      if (method === 'read' && args[0]!.endsWith('x.state')) throw errno(code);
      return act();
    });
    const ant = await volume.join('ant', files);
    volume.put('x.state');
    expect(await ant.session.readState('x.state')).toMatchObject({
      kind: 'unreadable',
      code: 'EACCES',
    });
    expect(await ant.session.readState('gone.state')).toMatchObject({
      kind: 'unreadable',
      code: 'ENOENT',
    });
    code = 'EIO';
    await expect(ant.session.readState('x.state')).rejects.toMatchObject({ code: 'EIO' });
  });

  const NEXT = {
    name: 'x.state-1',
    content: '{"state": "simple", "payload": {"target": "whole"}}\n',
  };

  test.each([
    ['empty', ''],
    ['torn', NEXT.content.slice(0, 20)],
    ['all zeros', '\0'.repeat(NEXT.content.length)],
    [
      'a prefix, with zeros to its full length',
      NEXT.content.slice(0, 20).padEnd(NEXT.content.length, '\0'),
    ],
    ['zeros, with an end', `${'\0'.repeat(20)}${NEXT.content.slice(20)}`],
  ])(
    'a successor that is %s after a power cut is written again from its parent’s record',
    async (_what, torn) => {
      using volume = await TestVolume.create();
      const ant = await volume.join('ant');
      await ant.session.settle([commitStep(ant, 'x.state', NEXT)], OPEN);
      volume.put('x.state-1', torn);
      expect(await ant.session.readState('x.state-1')).toEqual({ kind: 'repaired' });
      expect(volume.read('x.state-1')).toBe(NEXT.content);
    },
  );

  test('it is on the disk, with its name, before the state is released', async () => {
    using volume = await TestVolume.create();
    const synced: string[] = [];
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, [path], act) => {
      if (method === 'sync') synced.push(path!.slice(volume.dir.length).split('/').at(-1)!);
      return act();
    });
    const ant = await volume.join('ant', files);
    await ant.session.settle([commitStep(ant, 'x.state', NEXT)], OPEN);
    volume.put('x.state-1', '');
    synced.length = 0;
    await ant.session.readState('x.state-1');
    expect(synced).toEqual(['.mended.x.state-1', '']);
  });

  test.each([
    ['another file’s half copy', '{"state": "other", "pay'],
    ['another complete file', '{"state": "other"}'],
    ['longer', `${NEXT.content}{`],
    ['zeros, and longer', '\0'.repeat(NEXT.content.length + 1)],
    ['as long, but other, with zeros', '{"state": "OTHER"'.padEnd(NEXT.content.length, '\0')],
  ])('I9: %s in its place is left as it is', async (_what, other) => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    await ant.session.settle([commitStep(ant, 'x.state', NEXT)], OPEN);
    volume.put('x.state-1', other);
    expect((await ant.session.readState('x.state-1')).kind).toBe('text');
    expect(volume.read('x.state-1')).toBe(other);
  });
});

const sensorsOf = (volume: TestVolume): Sensors =>
  new Sensors(quickFiles(), volume.layout, ['lamp', 'bell']);

function archive(volume: TestVolume, name: string): void {
  const { layout } = volume;
  mkdirSync(`${layout.archiveShard(name)}/done`, { recursive: true });
  renameSync(layout.state(name), layout.archivedState(name));
  volume.put(layout.archivedFlag(name).slice(volume.dir.length + 1), '');
}

describe('the last state of an instance', () => {
  test.each([0, 1, 2, 3, 4, 5, 7, 8, 12, 31, 33])('is found at step %d', async (number) => {
    using volume = await TestVolume.create();
    for (let index = 0; index <= number; index += 1) volume.put(stateName('lamp', index));
    const last = { name: stateName('lamp', number), step: number };
    expect(await lastState(quickFiles(), volume.layout, 'lamp')).toEqual(last);
    for (const from of [0, number >> 1, number])
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
