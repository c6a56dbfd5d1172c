/** Detection of dead sessions, and recovery of their work. */
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NodeFiles } from '../../src/volume/node-files.ts';
import {
  bareStep,
  CLOSED,
  commitStep,
  errno,
  interceptFiles,
  LEASE,
  OPEN,
  TestVolume,
  type TestSession,
} from './harness.ts';

/** A session commits, and is cut off before it publishes the successor `x.state-1`. */
async function commitHalf(volume: TestVolume, content: string = '{}'): Promise<void> {
  const dead = await volume.join('dead');
  const half = commitStep(dead, 'x.state', { name: 'x.state-1', content });
  await dead.session.settle([half], { ...OPEN, canFinish: () => false });
  expect(half.progress).toBe('committed');
}

describe('a dead worker', () => {
  test('loses its lease, its flag, its claims and its token; the attempt counts', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const [dead, ant] = [await volume.join('dead'), await volume.join('ant')];
    await dead.session.register(OPEN);
    await dead.session.claim('x.state', OPEN);
    await volume.expire(ant);
    expect(volume.list('workers')).toEqual([]);
    expect(volume.list('in_progress')).toEqual([]);
    expect(volume.list('.flockwork', 'leases')).toEqual([ant.session.token.session]);
    expect(volume.list('.flockwork', 'sessions')).toEqual([ant.session.token.session]);
    const attempt = JSON.parse(volume.read('.flockwork', 'attempts', 'x.state', '1')) as object;
    expect(attempt).toMatchObject({ attempt: 1, worker: 'dead', result: 'lost' });
    const intake = await (async () => {
      await ant.session.snapshot();
      return ant.session.readState('x.state');
    })();
    expect(intake).toMatchObject({ kind: 'text', attempts: [{ result: 'lost' }] });
  });

  test('has its attempt counted once, however many sessions recover it at the same time', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const [dead, bee] = [await volume.join('dead'), await volume.join('bee')];
    let hasMet = false;
    // In the cycles in which the ant owns the claim, the bee drops it right before.
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, [, name], act) => {
      if (method !== 'link' || name?.includes('/attempts/') !== true || hasMet) return act();
      hasMet = true;
      for (let cycle = 0; cycle < 4; cycle += 1) await bee.session.recover(cycle, OPEN);
      return act();
    });
    const ant = await volume.join('ant', files);
    await dead.session.claim('x.state', OPEN);
    for (const { session } of [ant, bee]) await session.recover(0, OPEN);
    for (let left = 4; left > 0; left -= 1) {
      volume.pass(LEASE / 4);
      for (const one of [ant, bee]) {
        one.beat();
        if (left > 1) await one.session.recover(0, OPEN);
      }
    }
    for (let cycle = 0; cycle < 4; cycle += 1) await ant.session.recover(cycle, OPEN);
    expect(hasMet).toBe(true);
    expect(volume.list('in_progress')).toEqual([]);
    expect(volume.list('.flockwork', 'attempts', 'x.state')).toEqual(['1']);
  });

  test('is not considered dead a moment before its lease is over', async () => {
    using volume = await TestVolume.create();
    const [slow, ant] = [await volume.join('slow'), await volume.join('ant')];
    await slow.session.claim('x.state', OPEN);
    await ant.session.recover(0, OPEN);
    volume.pass(LEASE - 1000);
    expect((await ant.session.recover(1, OPEN)).broken).toEqual([]);
    slow.beat();
    await ant.session.recover(2, OPEN);
    volume.pass(LEASE - 1000);
    expect((await ant.session.recover(3, OPEN)).broken).toEqual([]);
    expect(volume.list('in_progress')).toEqual(['x.state']);
  });

  test('has its claims dropped in the first Update System after its lease', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const [dead, ant] = [await volume.join('dead'), await volume.join('ant')];
    await dead.session.claim('x.state', OPEN);
    await ant.session.recover(0, OPEN);
    volume.pass(LEASE);
    expect(await ant.session.recover(1, OPEN)).toMatchObject({
      broken: [dead.session.token.session],
      dropped: ['x.state'],
    });
    expect((await ant.session.snapshot()).tasks.names).toEqual(['x.state']);
  });

  describe('that was stopped', () => {
    /** Sessions that an observer recovers, with `happens` while claims and lease are read. */
    const brokenAfter = async (
      place: string,
      happens: (sleeper: TestSession, volume: TestVolume) => void,
    ): Promise<readonly string[]> => {
      using volume = await TestVolume.create();
      const sleeper = await volume.join('sleeper');
      let isTime = false;
      const { files } = interceptFiles(
        new NodeFiles(),
        async (_call, _method, [path = ''], act) => {
          const answer = await act();
          if (isTime && path.includes(place)) happens(sleeper, volume);
          return answer;
        },
      );
      const ant = await volume.join('ant', files);
      await sleeper.session.claim('x.state', OPEN);
      await ant.session.recover(0, OPEN);
      volume.pass(LEASE);
      isTime = true;
      const { broken } = await ant.session.recover(1, OPEN);
      expect(volume.list('in_progress')).toEqual(broken.length > 0 ? [] : ['x.state']);
      return broken;
    };

    test('and still is loses its lease', async () => {
      expect(await brokenAfter('in_progress', () => undefined)).toHaveLength(1);
    });

    test('and continues before the recovery keeps its lease', async () => {
      expect(await brokenAfter('in_progress', (sleeper) => sleeper.beat())).toEqual([]);
    });

    test('may have continued while the volume was slow', async () => {
      let looks = 0;
      const back = (sleeper: TestSession, volume: TestVolume): void => {
        looks += 1;
        if (looks < 2) return;
        volume.pass(LEASE / 8);
        sleeper.beat();
      };
      expect(await brokenAfter('/leases/sleeper', back)).toEqual([]);
    });
  });

  test('that was only slow and commits during a sweep is finished all the same', async () => {
    using volume = await TestVolume.create();
    const slow = await volume.join('slow');
    const late = commitStep(slow, 'x.state', { name: 'x.state-1', content: '{}' });
    await slow.session.settle([late], CLOSED);
    const staged = join(volume.dir, '.flockwork/staging', slow.session.token.session, 'x.state');
    const done = join(volume.dir, 'done/x.state');
    const record = readFileSync(staged, 'utf8');
    writeFileSync(staged, record.slice(0, 10));
    // Right after the sweep has first read its flag, the record is complete and linked.
    let looks = 0;
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, [path], act) => {
      if (method !== 'read' || path !== done) return act();
      looks += 1;
      if (looks !== 1) return act();
      try {
        return await act();
      } finally {
        writeFileSync(staged, record);
        linkSync(staged, done);
      }
    });
    await volume.expire(await volume.join('ant', files));
    expect(volume.read('done', 'x.state')).toBe(record);
    expect(volume.read('x.state-1')).toBe('{}');
  });

  test('I8: its successor is published though a stale cache hides its staged record', async () => {
    using volume = await TestVolume.create();
    await commitHalf(volume);
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, [path], act) => {
      if (method === 'read' && path!.includes('/staging/')) throw errno('ENOENT');
      return act();
    });
    await volume.expire(await volume.join('ant', files));
    expect(volume.read('x.state-1')).toBe('{}');
  });

  test('its flag is on the disk before its successor: there may be a power cut in between', async () => {
    using volume = await TestVolume.create();
    await commitHalf(volume);
    const calls: string[] = [];
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      if (method === 'sync' || method === 'link') calls.push(`${method} ${args.at(-1)}`);
      return act();
    });
    await volume.expire(await volume.join('ant', files));
    const synced = calls.indexOf(`sync ${volume.layout.flags('done')}`);
    expect(synced).toBeGreaterThanOrEqual(0);
    expect(synced).toBeLessThan(calls.indexOf(`link ${volume.layout.state('x.state-1')}`));
  });

  test('notices when it comes back, and finishes nothing more', async () => {
    using volume = await TestVolume.create();
    const [sleeper, ant] = [await volume.join('sleeper'), await volume.join('ant')];
    expect(await sleeper.session.check()).toBe('alive');
    await volume.expire(ant);
    expect(await sleeper.session.check()).toBe('broken');
    await sleeper.session.leave();
    expect(volume.list('.flockwork', 'leases')).toEqual([ant.session.token.session]);
  });

  test('notices at once, though its monotonic clock stood still while its host slept', async () => {
    using volume = await TestVolume.create();
    const { session } = await volume.join('sleeper');
    rmSync(volume.layout.internal('leases', session.token.session));
    volume.sleep(LEASE);
    expect(await session.check()).toBe('broken');
  });

  test('is found by its claims if the session that broke its lease crashed half-way', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const dead = await volume.join('dead');
    await dead.session.claim('x.state', OPEN);
    const { session } = dead.session.token;
    for (const part of ['leases', 'sessions'])
      rmSync(join(volume.dir, '.flockwork', part, session));
    const ant = await volume.join('ant');
    await volume.expire(ant);
    expect(volume.list('in_progress')).toEqual([]);
  });

  test('that had committed its state gets no attempt counted', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const [dead, ant] = [await volume.join('dead'), await volume.join('ant')];
    await dead.session.claim('x.state', OPEN);
    volume.put('done/x.state', '');
    await volume.expire(ant);
    expect(volume.list('in_progress')).toEqual([]);
    expect(volume.list('.flockwork', 'attempts')).toEqual([]);
  });

  test('is recovered once by two sessions', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const [dead, ant, bee] = [
      await volume.join('dead'),
      await volume.join('ant'),
      await volume.join('bee'),
    ];
    await dead.session.claim('x.state', OPEN);
    for (let cycle = 0; cycle < 12; cycle += 1) {
      volume.pass(LEASE / 4);
      ant.beat();
      bee.beat();
      await ant.session.recover(cycle, OPEN);
      await bee.session.recover(cycle, OPEN);
    }
    expect(volume.list('.flockwork', 'attempts', 'x.state')).toEqual(['1']);
    expect(volume.list('.flockwork', 'sessions').length).toBe(2);
  });
});

describe('an unpublished successor of a dead session, whose name is taken', () => {
  const NEXT = { name: 'x.state-1', content: '{"state": "simple", "payload": {}}\n' };
  const LENGTH = NEXT.content.length;

  /** The successor, and failed states, after a sweep. */
  async function sweep(there: string): Promise<{ successor: string; failed: string[] }> {
    using volume = await TestVolume.create();
    await commitHalf(volume, NEXT.content);
    volume.put(NEXT.name, there);
    await volume.expire(await volume.join('ant'));
    expect(volume.list('.flockwork', 'staging').filter((name) => name.startsWith('dead'))).toEqual(
      [],
    );
    return { successor: volume.read(NEXT.name), failed: volume.list('failed') };
  }

  test.each([
    ['whole', NEXT.content],
    ['empty', ''],
    ['a prefix', NEXT.content.slice(0, 10)],
    ['all zeros', '\0'.repeat(LENGTH)],
    ['a prefix, with zeros to its full length', NEXT.content.slice(0, 10).padEnd(LENGTH, '\0')],
  ])('%s: the sweep repairs it', async (_what, there) => {
    expect(await sweep(there)).toEqual({ successor: NEXT.content, failed: [] });
  });

  test.each([
    ['another', '{"state": "other"}'],
    ['another’s half copy', '{"state": "oth'],
    ['longer', `${NEXT.content} `],
    ['another as long, torn', '{"state": "other'.padEnd(LENGTH, '\0')],
  ])('I9: %s is another file: it is kept, and the successor fails', async (_what, there) => {
    expect(await sweep(there)).toEqual({ successor: there, failed: [NEXT.name] });
  });

  test('is on the disk before the directory has its name', async () => {
    using volume = await TestVolume.create();
    await commitHalf(volume, NEXT.content);
    volume.put(NEXT.name, '');
    const calls: string[] = [];
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      const path = String(args.at(-1)).slice(volume.dir.length);
      if (method === 'sync' || method === 'rename')
        calls.push(`${method} ${path.replace(/ant\.\w+/, 'S')}`);
      return act();
    });
    await volume.expire(await volume.join('ant', files));
    const written = calls.indexOf('rename /x.state-1');
    expect(calls.slice(written - 1, written + 2)).toEqual([
      'sync /.flockwork/staging/S/.mended.x.state-1',
      'rename /x.state-1',
      'sync ',
    ]);
  });
});

describe('flags of others', () => {
  test('a foreign claim has no session, and is never removed', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('in_progress/x.state', '');
    volume.put('in_progress/y.state', 'whatever');
    await volume.expire(ant);
    expect(volume.list('in_progress')).toEqual(['x.state', 'y.state']);
  });

  test('a foreign flag under our name is replaced; another session’s is not', async () => {
    using volume = await TestVolume.create();
    volume.put('workers/ant', '');
    const ant = await volume.join('ant');
    expect(await ant.session.register(OPEN)).toBe(true);
    expect(volume.read('workers', 'ant')).toContain(ant.session.token.session);
    const twin = await volume.join('ant');
    expect(await twin.session.register(OPEN)).toBe(false);
  });
});

describe('a link that the network repeats after the claim was released', () => {
  const claims = async (isHeld: (name: string) => boolean, scans: number): Promise<string[]> => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const ant = await volume.join('ant');
    const token = join(volume.dir, '.flockwork/sessions', ant.session.token.session);
    linkSync(token, join(volume.dir, 'in_progress/x.state'));
    for (let scan = 0; scan < scans; scan += 1) {
      volume.pass(LEASE / 4);
      ant.beat();
      await ant.session.recover(scan, OPEN, { isHeld });
    }
    return volume.list('in_progress');
  };

  test('holds the state until its session has seen it in two scans', async () => {
    // In the first scan it could have been any session's claim.
    expect(await claims(() => false, 2)).toEqual(['x.state']);
    expect(await claims(() => false, 3)).toEqual([]);
  });

  test('is not dropped by other sessions, and held claims stay', async () => {
    expect(await claims((name) => name === 'x.state', 4)).toEqual(['x.state']);
  });
});

describe('claims of others', () => {
  /** Names that an observer reads in this many scans, with `between` before each. */
  const readIn = async (
    scans: number,
    between: (volume: TestVolume, holder: TestSession, scan: number) => unknown = () => undefined,
  ): Promise<string[]> => {
    using volume = await TestVolume.create();
    const holder = await volume.join('ant');
    const read: string[] = [];
    const { files } = interceptFiles(new NodeFiles(), (_call, method, [path = ''], act) => {
      if (method === 'read' && path.includes('/in_progress/')) read.push(basename(path));
      return act();
    });
    const observer = await volume.join('bee', files);
    for (let scan = 0; scan < scans; scan += 1) {
      await between(volume, holder, scan);
      volume.pass(LEASE / 4);
      observer.beat();
      await observer.session.recover(scan, OPEN);
    }
    return read;
  };

  test('that come and go are not read', async () => {
    const read = await readIn(8, async (volume, holder, scan) => {
      holder.beat();
      volume.put(`s${scan}.state`);
      await holder.session.claim(`s${scan}.state`, OPEN);
      if (scan > 0) await holder.session.settle([bareStep(`s${scan - 1}.state`)], OPEN);
    });
    expect(read).toEqual([]);
  });

  test('that stay are read when they are seen again, and once in a long while after that', async () => {
    const stay = async (volume: TestVolume, holder: TestSession, scan: number): Promise<void> => {
      holder.beat();
      if (scan > 0) return;
      volume.put('long.state');
      await holder.session.claim('long.state', OPEN);
    };
    expect(await readIn(1, stay)).toEqual([]);
    expect(await readIn(2, stay)).toEqual(['long.state']);
    const { length } = await readIn(33, stay);
    expect(length).toBeGreaterThan(1);
    expect(length).toBeLessThan(5);
  });

  test('are all read when a session is dead', async () => {
    const read = await readIn(4, async (volume, holder, scan) => {
      volume.put(`s${scan}.state`);
      await holder.session.claim(`s${scan}.state`, OPEN);
    });
    // The holder does not beat: by now it is dead, and its latest claims are found, too.
    expect(read).toContain('s3.state');
  });
});

describe('two live workers of one name', () => {
  test('are searched among the tokens of that name only', async () => {
    using volume = await TestVolume.create();
    const read: string[] = [];
    const { files } = interceptFiles(new NodeFiles(), (_call, method, [path = ''], act) => {
      if (method === 'read' && path.includes('/sessions/')) read.push(basename(path));
      return act();
    });
    const others = [await volume.join('ant'), await volume.join('ante'), await volume.join('bee')];
    const ant = await volume.join('ant', files);
    await ant.session.rival();
    const mine = [others[0]!, ant].map(({ session }) => session.token.session);
    expect(read.toSorted()).toEqual(mine.toSorted());
  });

  test('the later one detects the earlier one after its lease has moved', async () => {
    using volume = await TestVolume.create();
    const first = await volume.join('ant');
    await new Promise((wake) => setTimeout(wake, 2));
    const second = await volume.join('ant');
    expect(await second.session.rival()).toBeUndefined();
    volume.pass(LEASE / 8);
    first.beat();
    second.beat();
    await Promise.all([first, second].map(({ session }) => session.recover(0, OPEN)));
    expect((await second.session.rival())?.session).toBe(first.session.token.session);
    expect(await first.session.rival()).toBeUndefined();
  });

  test('a dead one’s flag is removed after the lease, and its name is free again', async () => {
    using volume = await TestVolume.create();
    const first = await volume.join('ant');
    await first.session.register(OPEN);
    const second = await volume.join('ant');
    expect(await second.session.register(OPEN)).toBe(false);
    await volume.expire(second);
    expect(await second.session.rival()).toBeUndefined();
    expect(await second.session.register(OPEN)).toBe(true);
  });
});

describe('leaving', () => {
  test('removes all files and flags of the session', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    await ant.session.register(OPEN);
    await ant.session.claim('x.state', OPEN);
    await ant.session.settle([bareStep('x.state')], OPEN);
    await ant.session.withdraw(OPEN);
    await ant.session.leave();
    for (const place of [
      'workers',
      'in_progress',
      '.flockwork/leases',
      '.flockwork/sessions',
      '.flockwork/staging',
    ]) {
      expect([place, volume.list(place)]).toEqual([place, []]);
    }
  });

  test('with unfinished commits leaves those for the sweep', async () => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    const half = commitStep(ant, 'x.state', { name: 'x.state-1', content: '{}' });
    await ant.session.settle([half], {
      canBegin: () => true,
      canFinish: () => false,
      follow: false,
    });
    await ant.session.leave();
    expect(existsSync(join(volume.dir, 'x.state-1'))).toBe(false);
    await volume.expire(bee);
    expect(volume.read('x.state-1')).toBe('{}');
    expect(volume.list('.flockwork', 'staging')).toEqual(
      [bee.session.token.session].filter(() => volume.list('.flockwork', 'staging').length > 0),
    );
  });

  test('ends with an error if the directory is another volume than before', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    const own = volume.read('.flockwork', 'volume.json');
    volume.put('.flockwork/volume.json', own.replace('volume-id', 'other-id'));
    await expect(ant.session.check()).rejects.toMatchObject({ code: 'volume-gone' });
    volume.put('.flockwork/volume.json', own);
    expect(await ant.session.check()).toBe('alive');
    rmSync(join(volume.dir, '.flockwork'), { recursive: true });
    await expect(ant.session.check()).rejects.toMatchObject({ code: 'volume-gone' });
  });
});

describe('a claim of another program', () => {
  test('is never dropped, and is reported from the second scan on, if it is a state’s', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const ant = await volume.join('ant');
    for (const name of ['x.state', 'Thumbs.db'])
      writeFileSync(join(volume.dir, 'in_progress', name), '');
    const told: (readonly string[])[] = [];
    for (let look = 0; look < 3; look += 1) {
      ant.beat();
      told.push((await ant.session.recover(look, OPEN)).foreign);
      volume.pass(LEASE / 2);
    }
    expect(told).toEqual([[], ['x.state'], ['x.state']]);
    expect(volume.list('in_progress')).toContain('x.state');
    rmSync(join(volume.dir, 'in_progress', 'x.state'));
    ant.beat();
    expect((await ant.session.recover(4, OPEN)).foreign).toEqual([]);
  });
});
