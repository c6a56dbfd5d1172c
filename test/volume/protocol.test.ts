/** The invariants of docs/protocol.md, tested one by one on a real directory. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseCommitRecord } from '../../src/machine/record.ts';
import type { Files } from '../../src/volume/files.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import {
  bareStep,
  CLOSED,
  commitStep,
  crashingFiles,
  errno,
  FOLLOW,
  forEachCrash,
  interceptFiles,
  LEASE,
  OPEN,
  step,
  TestVolume,
  type CrashPoint,
  type TestSession,
} from './harness.ts';

const NEXT = { name: 'x.state-1', content: '{"state":"simple","payload":{}}\n' };

/** The statuses of a state, of which I3 allows one while no session is in the middle of a change. */
function placesOf(volume: TestVolume, name: string): string[] {
  const flags = (['done', 'failed', 'in_progress'] as const).filter((flag) =>
    volume.list(flag).includes(name),
  );
  return flags.length > 0 ? flags : volume.list('.').includes(name) ? ['available'] : [];
}

describe('I1: one commit', () => {
  test('of two sessions that ticked the same state, one commits, and its record is the flag', async () => {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    const [first, second] = [commitStep(ant, 'x.state'), commitStep(bee, 'x.state')];
    await ant.session.settle([first], OPEN);
    await bee.session.settle([second], OPEN);
    expect([first.lost, second.lost]).toEqual([false, true]);
    expect(parseCommitRecord(volume.read('done', 'x.state'), 'x.state')?.worker).toBe('ant');
    expect(volume.list('.flockwork', 'staging', bee.session.token.session)).toEqual([]);
  });

  test('a flag set by another program wins as well, though it is empty', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('done/x.state', '');
    const late = bareStep('x.state');
    await ant.session.settle([late], OPEN);
    expect(late).toMatchObject({ progress: 'settled', lost: true });
    expect(volume.read('done', 'x.state')).toBe('');
  });

  test('a flag that exists when it is set again is on the disk before its effects', async () => {
    using volume = await TestVolume.create();
    const synced: string[] = [];
    let links = 0;
    const { files } = interceptFiles(
      new NodeFiles({ durable: false }),
      async (_call, method, [path = '', to = ''], act) => {
        if (method === 'sync') synced.push(path);
        if (method !== 'link' || to !== volume.layout.flag('done', 'x.state')) return act();
        links += 1;
        if (links === 1) throw errno('EIO');
        // The network repeats an earlier request: another file, of the same content.
        writeFileSync(to, readFileSync(path, 'utf8'));
        return act();
      },
    );
    const ant = await volume.join('ant', files);
    const one = commitStep(ant, 'x.state', NEXT);
    await ant.session.settle([one], OPEN);
    expect(synced).not.toContain(volume.layout.flag('done', 'x.state'));
    one.error = undefined;
    await ant.session.settle([one], OPEN);
    expect(one).toMatchObject({ progress: 'settled', lost: false });
    expect(synced).toContain(volume.layout.flag('done', 'x.state'));
  });

  test('the session that loses publishes nothing', async () => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await ant.session.settle([bareStep('x.state')], OPEN);
    await bee.session.settle([commitStep(bee, 'x.state', NEXT)], OPEN);
    expect(volume.list('.')).not.toContain('x.state-1');
  });
});

describe('I2, I3: after a crash anywhere, the step is completed by others, or repeated, once', () => {
  async function crashAt(point: CrashPoint): Promise<number> {
    using volume = await TestVolume.create();
    volume.put('x.state');
    const { files, arm, used } = crashingFiles(new NodeFiles(), point);
    const victim = await volume.join('victim', files);
    expect(await victim.session.claim('x.state', OPEN)).toBe('ours');
    arm();
    await victim.session.settle([commitStep(victim, 'x.state', NEXT)], OPEN).catch(() => undefined);
    const survivor = await volume.join('survivor');
    await volume.expire(survivor);

    expect(placesOf(volume, 'x.state').length).toBe(1);
    if (placesOf(volume, 'x.state')[0] === 'available') {
      expect(await survivor.session.claim('x.state', OPEN)).toBe('ours');
      await survivor.session.settle([commitStep(survivor, 'x.state', NEXT)], OPEN);
    }
    expect(placesOf(volume, 'x.state')).toEqual(['done']);
    expect(placesOf(volume, 'x.state-1')).toEqual(['available']);
    expect(volume.read('x.state-1')).toBe(NEXT.content);
    expect(parseCommitRecord(volume.read('done', 'x.state'), 'x.state')?.next).toEqual(NEXT);
    await volume.expire(survivor);
    expect(volume.list('in_progress')).toEqual([]);
    expect(volume.list('.flockwork', 'leases')).toEqual([survivor.session.token.session]);
    expect(volume.list('.flockwork', 'sessions')).toEqual([survivor.session.token.session]);
    expect(
      volume.list('.flockwork', 'staging').filter((name) => name.startsWith('victim')),
    ).toEqual([]);
    return used();
  }

  test('at every file operation of a commit, before it and after it', async () => {
    expect(await forEachCrash(crashAt)).toBeGreaterThan(15);
  }, 120_000);

  test('what a dead session staged is published by the sweep, once, however often it runs', async () => {
    using volume = await TestVolume.create();
    const victim = await volume.join('victim');
    const staging = join(volume.dir, '.flockwork/staging', victim.session.token.session);
    const half = commitStep(victim, 'x.state', NEXT);
    // Crashes between the commit and the publication.
    let open = true;
    await victim.session.settle([half], {
      canBegin: () => open,
      canFinish: () => ((open = false), false),
      follow: false,
    });
    expect(half.progress).toBe('committed');
    expect(volume.list('.')).not.toContain('x.state-1');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await volume.expire(ant, bee);
    expect(volume.read('x.state-1')).toBe(NEXT.content);
    expect(() => volume.list('.flockwork', 'staging', staging)).toThrow();
    writeFileSync(join(volume.dir, 'x.state-1.seen'), '');
    await volume.expire(bee, ant);
    expect(volume.list('.').filter((name) => name.startsWith('x.state-1'))).toEqual([
      'x.state-1',
      'x.state-1.seen',
    ]);
  });
});

describe('I4: outside the phase', () => {
  test('outside its phase a session settles nothing and recovers nothing', async () => {
    using volume = await TestVolume.create();
    const [ant, dead] = [await volume.join('ant'), await volume.join('dead')];
    await dead.session.claim('y.state', OPEN);
    await ant.session.claim('x.state', OPEN);
    volume.pass(LEASE / 8);
    await ant.session.recover(0, OPEN);
    volume.pass(2 * LEASE);
    ant.beat();
    const steps = [commitStep(ant, 'x.state', NEXT), step('y.state', { kind: 'release' })];
    await ant.session.settle(steps, CLOSED);
    await ant.session.recover(1, CLOSED);
    expect(volume.list('done')).toEqual([]);
    expect(volume.list('in_progress')).toEqual(['x.state', 'y.state']);
    expect(volume.list('.flockwork', 'leases').length).toBe(2);
    // In its phase it would have.
    expect((await ant.session.recover(2, OPEN)).dropped).toEqual(['y.state']);
  });

  test('a burst that meets the end of its phase stops there, and goes on from there', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    const steps = ['a.state', 'b.state', 'c.state'].map((name) => commitStep(ant, name));
    let left = 2;
    await ant.session.settle(steps, {
      canBegin: () => left-- > 0,
      canFinish: () => true,
      follow: false,
    });
    expect(volume.list('done')).toEqual(['a.state', 'b.state']);
    expect(steps[2]!.progress).toBe('staged');
    await ant.session.settle([steps[2]!], OPEN);
    expect(volume.list('done')).toEqual(['a.state', 'b.state', 'c.state']);
  });
});

describe('a session that has met a bug', () => {
  test.each([
    ['before it stages', 0],
    ['while it stages', 1],
  ])('stages nothing more: %s', async (_, looks) => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    const one = commitStep(ant, 'x.state', NEXT);
    let left = looks;
    await ant.session.settle([one], { ...CLOSED, hasCrashed: () => left-- <= 0 });
    expect(one.progress).toBe('new');
    const staged = looks === 0 ? [] : ['x.state'];
    const { session } = ant.session.token;
    const directory = join(volume.dir, '.flockwork/staging', session);
    const names = existsSync(directory) ? readdirSync(directory) : [];
    expect(names).toEqual(staged);
    await ant.session.settle([one], OPEN);
    expect(one.progress).toBe('settled');
  });
});

describe('I8: nothing is inferred from absence', () => {
  test('a staged record whose flag is not seen is left alone, cycle after cycle', async () => {
    using volume = await TestVolume.create();
    const victim = await volume.join('victim');
    const half = commitStep(victim, 'x.state', NEXT);
    await victim.session.settle([half], CLOSED);
    const { session } = victim.session.token;
    const survivor = await volume.join('survivor');
    await volume.expire(survivor);
    expect(volume.list('.flockwork', 'staging', session)).toContain('x.state');
    expect(await survivor.session.countUnfinishedCommits()).toBe(1);
    // It was only stopped: its commit comes late, and another session finishes it.
    linkSync(
      join(volume.dir, '.flockwork/staging', session, 'x.state'),
      join(volume.dir, 'done/x.state'),
    );
    await volume.expire(survivor);
    expect(volume.read('x.state-1')).toBe(NEXT.content);
    expect(await survivor.session.countUnfinishedCommits()).toBe(0);
  });

  test('a failed state that was committed after all is unfinished until its successor exists', async () => {
    using volume = await TestVolume.create();
    const victim = await volume.join('victim');
    await victim.session.settle([commitStep(victim, 'x.state', NEXT)], CLOSED);
    const { session } = victim.session.token;
    const survivor = await volume.join('survivor');
    volume.put('failed/x.state', '');
    expect(await survivor.session.countUnfinishedCommits()).toBe(0);
    linkSync(
      join(volume.dir, '.flockwork/staging', session, 'x.state'),
      join(volume.dir, 'done/x.state'),
    );
    expect(await survivor.session.countUnfinishedCommits()).toBe(1);
    await volume.expire(survivor);
    expect(volume.read('x.state-1')).toBe(NEXT.content);
    expect(await survivor.session.countUnfinishedCommits()).toBe(0);
  });

  test('a record whose state another session has committed, or that has failed, is not unfinished', async () => {
    using volume = await TestVolume.create();
    const victim = await volume.join('victim');
    const both = ['x.state', 'y.state'].map((name) => commitStep(victim, name));
    await victim.session.settle(both, CLOSED);
    const survivor = await volume.join('survivor');
    expect(await survivor.session.countUnfinishedCommits()).toBe(2);
    volume.put('failed/x.state', '');
    volume.put('y.state');
    await survivor.session.settle([commitStep(survivor, 'y.state')], OPEN);
    await volume.expire(survivor);
    expect(volume.list('.flockwork/staging', victim.session.token.session)).toHaveLength(1);
    expect(await survivor.session.countUnfinishedCommits()).toBe(0);
  });

  test('a lease that cannot be read neither renews nor ages its session', async () => {
    using volume = await TestVolume.create();
    const blind = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      if (method === 'read' && args[0]!.includes('/leases/')) throw errno('ESTALE');
      return act();
    });
    const other = await volume.join('other');
    const observer = await volume.join('observer', blind.files);
    await other.session.claim('x.state', OPEN);
    for (let cycle = 0; cycle < 3; cycle += 1) {
      volume.pass(LEASE / 4);
      other.beat();
      expect((await observer.session.recover(cycle, OPEN)).broken).toEqual([]);
    }
  });
});

describe('I9: no overwrite', () => {
  describe.each([
    ['a directory', (path: string) => mkdirSync(path)],
    ['a FIFO', (path: string) => void execFileSync('mkfifo', [path])],
  ])('%s in a successor’s place stays, and ours is in failed/', (_, make) => {
    test('when its own session commits, and when another finishes for it', async () => {
      using volume = await TestVolume.create();
      const [dead, ant] = [await volume.join('dead'), await volume.join('ant')];
      const path = join(volume.dir, 'x.state-1');
      make(path);
      const { ino } = statSync(path);
      await ant.session.settle([commitStep(ant, 'x.state', NEXT)], FOLLOW);
      const isThere = (): boolean => statSync(path).ino === ino;
      expect([volume.list('failed'), isThere()]).toEqual([['x.state-1'], true]);
      rmSync(join(volume.dir, 'failed', 'x.state-1'));
      rmSync(join(volume.dir, 'done', 'x.state'));
      const half = commitStep(dead, 'x.state', NEXT);
      await dead.session.settle([half], { ...OPEN, canFinish: () => false });
      expect([volume.list('done'), volume.list('failed')]).toEqual([['x.state'], []]);
      await volume.expire(ant);
      expect([volume.list('failed'), isThere()]).toEqual([['x.state-1'], true]);
    });
  });

  test('a successor’s name that is taken: both are kept, ours with the reason in failed/', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('x.state-1', 'of another user');
    const one = commitStep(ant, 'x.state', NEXT);
    await ant.session.settle([one], FOLLOW);
    expect(one).toMatchObject({ progress: 'settled', lost: false, followed: false });
    expect(volume.read('x.state-1')).toBe('of another user');
    const failure = JSON.parse(volume.read('failed', 'x.state-1')) as {
      code: string;
      reason: string;
    };
    expect(failure.code).toBe('successor-taken');
    expect(failure.reason).toContain(NEXT.content);
    expect(volume.list('in_progress')).toEqual([]);
  });

  test('the same content there already is not a conflict: another session published it', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('x.state-1', NEXT.content);
    await ant.session.settle([commitStep(ant, 'x.state', NEXT)], OPEN);
    expect(volume.list('failed')).toEqual([]);
  });
});

describe('any error of link and unlink means "unknown": the files decide', () => {
  const lost = (code: string, ...methods: (keyof Files)[]): Files =>
    interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      const result = await act();
      // The lease and the token are created without faults.
      if (methods.includes(method) && !args[0]!.includes('/.flockwork/sessions/.'))
        throw errno(code);
      return result;
    }).files;

  test.each(['EEXIST', 'EIO', 'EPERM', 'ETIMEDOUT'])(
    'a link that took effect and says %s',
    async (code) => {
      using volume = await TestVolume.create();
      volume.put('x.state');
      const ant = await volume.join('ant', lost(code, 'link'));
      expect(await ant.session.claim('x.state', OPEN)).toBe('ours');
      const one = commitStep(ant, 'x.state', NEXT);
      await ant.session.settle([one], FOLLOW);
      expect(one).toMatchObject({ progress: 'settled', lost: false, followed: true });
      expect(volume.list('done')).toEqual(['x.state']);
      expect(volume.list('in_progress')).toEqual(['x.state-1']);
    },
  );

  test('an unlink that took effect and says ENOENT', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant', lost('ENOENT', 'unlink'));
    await ant.session.claim('x.state', OPEN);
    await ant.session.settle([bareStep('x.state')], OPEN);
    expect(volume.list('in_progress')).toEqual([]);
  });

  test.each(['ENOSPC', 'EDQUOT', 'EMFILE', 'EIO', 'ESTALE', 'EROFS'])(
    'a step keeps its claim and its result after %s, and is tried again',
    async (code) => {
      using volume = await TestVolume.create();
      let failing = false;
      const { files } = interceptFiles(new NodeFiles(), async (_call, method, _args, act) => {
        if (failing && ['create', 'link', 'sync', 'unlink'].includes(method)) throw errno(code);
        return act();
      });
      const ant = await volume.join('ant', files);
      await ant.session.claim('x.state', OPEN);
      const one = commitStep(ant, 'x.state', NEXT);
      failing = true;
      await ant.session.settle([one], OPEN);
      expect(one.progress).not.toBe('settled');
      expect(one.error).toMatchObject({ code });
      expect(volume.list('in_progress')).toEqual(['x.state']);
      failing = false;
      await ant.session.settle([one], OPEN);
      expect(one).toMatchObject({ progress: 'settled', error: undefined });
      expect(volume.read('x.state-1')).toBe(NEXT.content);
    },
  );

  test.each(['EMLINK', 'ENOSPC'])(
    'a volume with a limit of links to a file, reported as %s, gets more files',
    async (code) => {
      using volume = await TestVolume.create();
      const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
        if (method === 'link' && statSync(args[0]!).nlink >= 38) throw errno(code);
        return act();
      });
      const ant = await volume.join('ant', files);
      const names = Array.from({ length: 100 }, (_, index) => `s${index}.state`).sort();
      // A limit is an error, at most twice; the step is tried again, as in the next cycle.
      let errors = 0;
      const claim = (name: string): Promise<string> =>
        ant.session.claim(name, OPEN).catch(() => {
          errors += 1;
          return ant.session.claim(name, OPEN);
        });
      for (const name of names) {
        expect(await claim(name)).toBe('ours');
        const one = bareStep(name);
        await ant.session.settle([one], OPEN);
        if (one.error !== undefined) {
          errors += 1;
          await ant.session.settle([one], OPEN);
        }
        expect(one).toMatchObject({ progress: 'settled', error: undefined });
      }
      expect(errors).toBeLessThanOrEqual(2);
      expect(volume.list('done')).toEqual(names);
      expect(volume.list('in_progress')).toEqual([]);
      expect(volume.list('.flockwork/sessions').length).toBe(1);
      await ant.session.leave();
      expect(volume.list('.flockwork/sessions')).toEqual([]);
    },
  );

  test('after an fsync has failed, the file is written again under a name that no late removal has', async () => {
    using volume = await TestVolume.create();
    const removed: string[] = [];
    let failures = 1;
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      const isStaged = /\/x\.state[^/]*$/.test(args[0]!);
      if (method === 'sync' && isStaged && failures-- > 0) throw errno('EIO');
      if (method === 'unlink' && failures === 0) removed.push(args[0]!);
      // All removals are repeated, as late as possible.
      if (method === 'link' && args[1]!.includes('/done/'))
        for (const path of removed) rmSync(path, { force: true });
      return act();
    });
    const ant = await volume.join('ant', files);
    const one = commitStep(ant, 'x.state', NEXT);
    await ant.session.settle([one], OPEN);
    expect([one.progress, removed.length]).toEqual(['new', 1]);
    await ant.session.settle([one], OPEN);
    expect(one.progress).toBe('settled');
  });
});

describe('group commit', () => {
  test('records are on the disk before the flags, flags before successors, successors before the release', async () => {
    using volume = await TestVolume.create();
    const order: string[] = [];
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      const path = String(args.at(-1)).slice(volume.dir.length);
      if (['sync', 'link', 'unlink'].includes(method))
        order.push(`${method} ${path.replace(/ant\.\w+/, 'S')}`);
      return act();
    });
    const ant = await volume.join('ant', files);
    await ant.session.claim('x.state', OPEN);
    order.length = 0;
    const one = commitStep(ant, 'x.state', NEXT);
    await ant.session.settle([one], OPEN);
    expect(one.error).toBeUndefined();
    expect(order).toEqual([
      'sync /.flockwork/staging',
      'sync /.flockwork/staging/S/x.state',
      'sync /.flockwork/staging/S',
      'link /done/x.state',
      'sync /done',
      'link /x.state-1',
      'unlink /.flockwork/staging/S/.begun.x.state-1',
      'sync ',
      'unlink /.flockwork/staging/S/x.state',
      'unlink /in_progress/x.state',
    ]);
  });
});

describe('claims', () => {
  test('are exclusive, and a state that is done or failed is not kept', async () => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    expect(await ant.session.claim('x.state', OPEN)).toBe('ours');
    expect(await bee.session.claim('x.state', OPEN)).toBe('taken');
    await ant.session.settle([bareStep('x.state')], OPEN);
    expect(await bee.session.claim('x.state', OPEN)).toBe('finished');
    volume.put('failed/y.state', '');
    expect(await bee.session.claim('y.state', OPEN)).toBe('finished');
    expect(volume.list('in_progress')).toEqual([]);
  });

  test('are released only by their session', async () => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await ant.session.claim('x.state', OPEN);
    await bee.session.settle([step('x.state', { kind: 'release' })], OPEN);
    expect(volume.list('in_progress')).toEqual(['x.state']);
  });

  test('following: tells why a successor could not be written, and writes it the next time', async () => {
    using volume = await TestVolume.create();
    let isFull = true;
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      const isSuccessor = method === 'create' && args[0] === join(volume.dir, 'x.state-1');
      if (isSuccessor && isFull) throw errno('ENOSPC');
      return act();
    });
    const ant = await volume.join('ant', files);
    const one = commitStep(ant, 'x.state', NEXT);
    await ant.session.settle([one], FOLLOW);
    expect(one).toMatchObject({ followed: true, progress: 'committed', error: { code: 'ENOSPC' } });
    isFull = false;
    await ant.session.settle([one], FOLLOW);
    expect([one.progress, volume.read('x.state-1')]).toEqual(['settled', NEXT.content]);
  });

  test('following: repairs a successor that was half written', async () => {
    using volume = await TestVolume.create();
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      if (method === 'create' && args[0] === join(volume.dir, 'x.state-1')) {
        volume.put('x.state-1', NEXT.content.slice(0, 5));
      }
      return act();
    });
    const ant = await volume.join('ant', files);
    const one = commitStep(ant, 'x.state', NEXT);
    await ant.session.settle([one], FOLLOW);
    expect([one.progress, volume.read('x.state-1')]).toEqual(['settled', NEXT.content]);
  });

  test('following: the successor is claimed before it is published', async () => {
    using volume = await TestVolume.create();
    let claimedFirst = false;
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      if (method === 'create' && args[0] === join(volume.dir, 'x.state-1')) {
        claimedFirst = volume.list('in_progress').includes('x.state-1');
      }
      return act();
    });
    const ant = await volume.join('ant', files);
    const one = commitStep(ant, 'x.state', NEXT);
    await ant.session.settle([one], FOLLOW);
    expect([one.followed, claimedFirst]).toEqual([true, true]);
    const bee: TestSession = await volume.join('bee');
    expect(await bee.session.claim('x.state-1', OPEN)).toBe('taken');
  });
});
