/** Bursts of commits: one file for many records, and what is left when it goes wrong half-way. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatRecord, parseCommitRecord, recordedStates } from '../../src/machine/record.ts';
import type { Step } from '../../src/volume/operations.ts';
import type { Files } from '../../src/volume/files.ts';
import { toBundles } from '../../src/volume/staging.ts';
import {
  CLOSED,
  commitStep,
  errno,
  FOLLOW,
  interceptFiles,
  OPEN,
  quickFiles,
  TestVolume,
  type TestSession,
} from './harness.ts';

const nameOf = (index: number): string => `s${index}.state`;
const successorOf = (name: string): { name: string; content: string } => ({
  name: `${name}-1`,
  content: `{"state":"simple","payload":{"after":"${name}"}}\n`,
});

const namesOf = (steps: readonly Step[]): string[] => steps.map(({ name }) => name);

const burst = (session: TestSession, count: number): Step[] =>
  Array.from({ length: count }, (_, index) =>
    commitStep(session, nameOf(index), successorOf(nameOf(index))),
  );

/** A limit of names shows as an error, twice at most; what met it is tried again, as in the next cycle. */
async function claimAll({ session }: TestSession, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const claim = (): Promise<string> => session.claim(name, OPEN);
    expect(await claim().catch(claim)).toBe('ours');
  }
}

const stagedBy = (volume: TestVolume, { session }: TestSession): string[] =>
  readdirSync(join(volume.dir, '.flockwork/staging', session.token.session)).sort();

const recordsStagedBy = (volume: TestVolume, ant: TestSession): string[] =>
  stagedBy(volume, ant)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      recordedStates(volume.read('.flockwork/staging', ant.session.token.session, name)),
    );

/** Every one is done with its own record, and its successor is there as it should be. */
function expectDone(volume: TestVolume, names: readonly string[], worker: string): void {
  expect(volume.list('done')).toEqual(names.toSorted());
  for (const name of names) {
    const record = parseCommitRecord(volume.read('done', name), name);
    expect(record).toMatchObject({ state: name, worker, next: successorOf(name) });
    expect(volume.read(`${name}-1`)).toBe(successorOf(name).content);
  }
}

describe('a burst of 600 steps with records', () => {
  test('is synced as a whole, and leaves each flag readable by itself', async () => {
    using volume = await TestVolume.create();
    let syncs = 0;
    const { files } = interceptFiles(quickFiles(), async (_call, method, _args, act) => {
      if (method === 'sync') syncs += 1;
      return act();
    });
    const ant = await volume.join('ant', files);
    const steps = burst(ant, 600);
    await claimAll(ant, namesOf(steps));
    syncs = 0;
    await ant.session.settle(steps, OPEN);
    expect(steps.filter(({ progress }) => progress !== 'settled')).toEqual([]);
    expectDone(volume, namesOf(steps), 'ant');
    expect(stagedBy(volume, ant)).toEqual([]);
    expect(volume.list('in_progress')).toEqual([]);
    // Of directories 4: the session's staging and the one it is in, done/ and the root; the rest are bundles.
    const bundles = new Set(steps.map(({ name }) => statSync(join(volume.dir, 'done', name)).ino));
    expect(syncs).toBe(4 + bundles.size);
    expect(bundles.size).toBeLessThan(15);
  });

  test('counts one by one for those that somebody else had committed', async () => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    const theirs = commitStep(bee, nameOf(3), successorOf(nameOf(3)));
    await bee.session.settle([theirs], OPEN);
    const steps = burst(ant, 6);
    await ant.session.settle(steps, OPEN);
    expect(steps.map(({ lost }) => lost)).toEqual([false, false, false, true, false, false]);
    expect(parseCommitRecord(volume.read('done', nameOf(3)), nameOf(3))?.worker).toBe('bee');
    expect(stagedBy(volume, ant)).toEqual([]);
  });
});

describe('a reply that is lost', () => {
  /** Of the first such operation on each name; another try has another number. */
  const lost = (code: string, lostMethod: string, place: string): Files => {
    const names = new Set<string>();
    return interceptFiles(quickFiles(), async (_call, method, args, act) => {
      const result = await act();
      const name = String(args[1]).replace(/~\d+$/, '');
      if (method !== lostMethod || !name.includes(place) || names.has(name)) return result;
      names.add(name);
      throw errno(code);
    }).files;
  };

  test.each([
    [1, 'EIO', 'link', '/done/'],
    [1, 'EEXIST', 'link', '/done/'],
    [2, 'EIO', 'rename', '/staging/'],
    [2, 'ENOENT', 'rename', '/staging/'],
  ])('in cycle %d all is committed, and is ours: %s of %s in %s', async (cycles, ...what) => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant', lost(...what));
    const steps = burst(ant, 4);
    for (let cycle = 0; cycle < cycles; cycle += 1) await ant.session.settle(steps, OPEN);
    expect(steps.map(({ lost: isLost, progress }) => [isLost, progress])).toEqual(
      steps.map(() => [false, 'settled']),
    );
    expectDone(volume, namesOf(steps), 'ant');
  });
});

test('what is staged stays as it is until the rest of it is: it is not taken away, and put there again', async () => {
  using volume = await TestVolume.create();
  let refused = false;
  const removed: string[] = [];
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    if (method === 'unlink' && volume.list('done').length === 0) removed.push(path!);
    if (method !== 'create' || refused || !path!.endsWith('.s0.state')) return act();
    refused = true;
    throw errno('ETIMEDOUT');
  });
  const ant = await volume.join('ant', files);
  const steps = burst(ant, 1);
  await ant.session.settle(steps, CLOSED);
  expect([refused, stagedBy(volume, ant)]).toEqual([true, ['s0.state']]);
  await ant.session.settle(steps, OPEN);
  expectDone(volume, namesOf(steps), 'ant');
  expect(removed).toEqual([]);
});

describe('what goes into one file', () => {
  const bundled = (lengths: readonly number[], size: number): number[][] =>
    toBundles(lengths, (length) => 'x'.repeat(length), size);

  test.each([
    ['nothing', [], 3, []],
    ['no more than so many', [1, 2, 3, 4], 3, [[1, 2, 3], [4]]],
    ['no more than 32 KiB', [20_000, 12_768, 1], 9, [[20_000, 12_768], [1]]],
    ['a larger one alone', [1, 90_000, 1], 9, [[1], [90_000], [1]]],
    ['one each, where a file may have no more names', [1, 2], 1, [[1], [2]]],
  ])('%s', (_what, lengths, size, expected) => {
    expect(bundled(lengths, size)).toEqual(expected);
  });
});

describe('a volume that lets a file have few names', () => {
  const limited = (most: number, code = 'EMLINK'): Files =>
    interceptFiles(quickFiles(), async (_call, method, args, act) => {
      if (method === 'link' && statSync(args[0]!).nlink >= most) throw errno(code);
      return act();
    }).files;

  /** Cycles until all is settled. */
  async function settleAll(ant: TestSession, steps: readonly Step[]): Promise<number> {
    for (let cycle = 1; cycle <= 12; cycle += 1) {
      await ant.session.settle(
        steps.filter(({ progress }) => progress !== 'settled'),
        OPEN,
      );
      if (steps.every(({ progress }) => progress === 'settled')) return cycle;
    }
    return Number.POSITIVE_INFINITY;
  }

  test.each([
    [2, 'EMLINK'],
    [2, 'EDQUOT'],
    [3, 'ENOSPC'],
    [4, 'EMLINK'],
    [9, 'EMLINK'],
    [32, 'EMLINK'],
    [40, 'ENOSPC'],
  ])('%d, and says %s to one more: all is committed, in a few cycles', async (most, code) => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant', limited(most, code));
    const steps = burst(ant, 100);
    expect(await settleAll(ant, steps)).toBeLessThan(8);
    expectDone(volume, namesOf(steps), 'ant');
    expect(stagedBy(volume, ant)).toEqual([]);
    // It has learned: what comes next meets the limit no more.
    const more = Array.from({ length: 20 }, (_, index) => commitStep(ant, `more${index}.state`));
    expect(await settleAll(ant, more)).toBe(1);
  });

  test('has every record staged at every moment until its flag is there', async () => {
    using volume = await TestVolume.create();
    const missing: string[] = [];
    const committed = new Set<string>();
    let watching = false;
    const { files } = interceptFiles(limited(3), async (_call, method, args, act) => {
      try {
        return await act();
      } finally {
        if (watching && method !== 'stat') {
          const staged = new Set(recordsStagedBy(volume, ant));
          for (const name of volume.list('done')) committed.add(name);
          for (const { name, progress } of steps) {
            if (progress === 'staged' && !staged.has(name))
              missing.push(`${name}, ${method} ${args.at(-1)}`);
          }
        }
      }
    });
    const ant = await volume.join('ant', files);
    const steps = burst(ant, 6);
    await ant.session.settle(steps, CLOSED);
    while (steps.some(({ progress }) => progress === 'new'))
      await ant.session.settle(steps, CLOSED);
    watching = true;
    await settleAll(ant, steps);
    expect(missing).toEqual([]);
  });
});

describe('I2, I3: a crash in the middle of a burst', () => {
  /** From its `limit`-th call on nothing works any more; with `after`, that one still does, unheard. */
  async function crashAt(
    limit: number,
    after: boolean,
    most: number,
    count: number,
  ): Promise<number> {
    using volume = await TestVolume.create();
    let armed = false;
    let used = 0;
    const { files } = interceptFiles(quickFiles(), async (_call, method, args, act) => {
      if (method === 'link' && statSync(args[0]!).nlink >= most) throw errno('EMLINK');
      if (!armed) return act();
      used += 1;
      if (used < limit) return act();
      if (used === limit && after) await act();
      throw errno('EIO');
    });
    const victim = await volume.join('victim', files);
    const steps = burst(victim, count);
    for (const { name } of steps) volume.put(name);
    await claimAll(victim, namesOf(steps));
    armed = true;
    for (let cycle = 0; cycle < 3; cycle += 1) {
      const left = steps.filter(({ progress }) => progress !== 'settled');
      await victim.session.settle(left, FOLLOW).catch(() => undefined);
    }
    const survivor = await volume.join('survivor');
    await volume.bury(survivor);

    const open = steps
      .map(({ name }) => name)
      .filter((name) => !volume.list('done').includes(name));
    await claimAll(survivor, open);
    const again = open.map((name) => commitStep(survivor, name, successorOf(name)));
    await survivor.session.settle(again, OPEN);
    for (const { name } of steps) {
      const record = parseCommitRecord(volume.read('done', name), name);
      expect(record).toMatchObject({ state: name, next: successorOf(name) });
      expect(volume.read(`${name}-1`)).toBe(successorOf(name).content);
      expect(record!.worker).toBe(open.includes(name) ? 'survivor' : 'victim');
    }
    await volume.bury(survivor);
    expect(volume.list('failed')).toEqual([]);
    expect(volume.list('in_progress')).toEqual([]);
    expect(volume.list('.flockwork/staging').filter((name) => name.startsWith('victim'))).toEqual(
      [],
    );
    return used;
  }

  test.each([
    ['where files have names enough', Number.POSITIVE_INFINITY, 5, 40],
    ['where those of a bundle take all that it may have', 3, 3, 40],
  ])(
    'leaves each of its steps done once, whichever call is the last: %s',
    async (_what, most, count, least) => {
      let operations = Number.POSITIVE_INFINITY;
      for (let limit = 1; limit <= operations; limit += 1) {
        const used = await crashAt(limit, false, most, count);
        if (used < limit) operations = limit;
        await crashAt(limit, true, most, count);
      }
      expect(operations).toBeGreaterThan(least);
    },
    240_000,
  );
});

describe('the record of one state in a file of many', () => {
  test('is its own, whatever the others say of it', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    const records = burst(ant, 3).map(({ change }) =>
      change.kind === 'commit' ? change.record! : expect.fail(),
    );
    const content = records.map(formatRecord).join('');
    for (const record of records) expect(parseCommitRecord(content, record.state)).toEqual(record);
    const alone = JSON.stringify(records[0], null, 2);
    expect(parseCommitRecord(alone, 's0.state')).toEqual(records[0]);
    for (const text of [content, alone]) {
      expect(parseCommitRecord(text, 's9.state')).toBeUndefined();
    }
    expect(parseCommitRecord(content, 's1.state-1')).toBeUndefined();
  });
});
