/** Group commit: one file for many records, and recovery when it fails half-way. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatRecord, parseCommitRecord, recordedStates } from '../../src/machine/record.ts';
import type { VolumeSettlement } from '../../src/volume/operations.ts';
import type { Files } from '../../src/volume/files.ts';
import { toBundles } from '../../src/volume/staging.ts';
import {
  CLOSED,
  commitStep,
  crashingFiles,
  errno,
  FOLLOW,
  forEachCrash,
  interceptFiles,
  OPEN,
  quickFiles,
  TestVolume,
  type CrashPoint,
  type TestSession,
} from './harness.ts';

const nameOf = (index: number): string => `s${index}.state`;
const successorOf = (name: string): { name: string; content: string } => ({
  name: `${name}-1`,
  content: `{"state":"simple","payload":{"after":"${name}"}}\n`,
});

const namesOf = (steps: readonly VolumeSettlement[]): string[] => steps.map(({ name }) => name);

const burst = (session: TestSession, count: number): VolumeSettlement[] =>
  Array.from({ length: count }, (_, index) =>
    commitStep(session, nameOf(index), successorOf(nameOf(index))),
  );

/** A link limit shows as an error, twice at most; the claim is repeated, as in the next cycle. */
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

const limited = (maxLinks: number, code = 'EMLINK'): Files =>
  interceptFiles(quickFiles(), async (_call, method, args, act) => {
    if (method === 'link' && statSync(args[0]!).nlink >= maxLinks) throw errno(code);
    return act();
  }).files;

/** Each state is done with its own record, and its successor is published. */
function expectDone(volume: TestVolume, names: readonly string[], worker: string): void {
  expect(volume.list('done')).toEqual(names.toSorted());
  for (const name of names) {
    const record = parseCommitRecord(volume.read('done', name), name);
    expect(record).toMatchObject({ state: name, worker, next: successorOf(name) });
    expect(volume.read(`${name}-1`)).toBe(successorOf(name).content);
  }
}

describe('a group of steps with records', () => {
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
    // Four directories (the session's staging, its parent, done/ and the root); the rest are bundles.
    const bundles = new Set(steps.map(({ name }) => statSync(join(volume.dir, 'done', name)).ino));
    expect(syncs).toBe(4 + bundles.size);
    expect(bundles.size).toBeLessThan(15);
  });

  test('loses only the steps that another session has committed', async () => {
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

describe('a lost reply', () => {
  /** Loses the reply of the first such operation on each name; a retry has another number. */
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
  ])('does not prevent the commit in cycle %d: %s of %s in %s', async (cycles, ...what) => {
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

test('a staged file is not replaced when the rest of staging fails', async () => {
  using volume = await TestVolume.create();
  let refused = false;
  const removed: string[] = [];
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    if (method === 'unlink' && volume.list('done').length === 0) removed.push(path!);
    if (method !== 'sync' || refused || !/\/staging\/ant\.[^/]+$/.test(path!)) return act();
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

describe('toBundles', () => {
  const bundled = (lengths: readonly number[], size: number): number[][] =>
    toBundles(
      lengths.map((length) => ({ state: 'x.state', text: 'x'.repeat(length) })),
      size,
    ).map((bundle) => bundle.map(({ text }) => text.length));

  test.each([
    ['nothing', [], 3, []],
    ['at most the given number', [1, 2, 3, 4], 3, [[1, 2, 3], [4]]],
    ['at most 32 KiB', [20_000, 12_768, 1], 9, [[20_000, 12_768], [1]]],
    ['a larger record alone', [1, 90_000, 1], 9, [[1], [90_000], [1]]],
    ['one each, when a file may have no more links', [1, 2], 1, [[1], [2]]],
  ])('%s', (_what, lengths, size, expected) => {
    expect(bundled(lengths, size)).toEqual(expected);
  });
});

describe('a volume with a low link limit', () => {
  /** Cycles until all steps are settled. */
  async function settleAll(ant: TestSession, steps: readonly VolumeSettlement[]): Promise<number> {
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
  ])('commits all steps in a few cycles: %d links, then %s', async (maxLinks, code) => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant', limited(maxLinks, code));
    const steps = burst(ant, 100);
    expect(await settleAll(ant, steps)).toBeLessThan(8);
    expectDone(volume, namesOf(steps), 'ant');
    expect(stagedBy(volume, ant)).toEqual([]);
    // The session has learned the limit: later steps do not meet it.
    const more = Array.from({ length: 20 }, (_, index) => commitStep(ant, `more${index}.state`));
    expect(await settleAll(ant, more)).toBe(1);
  });

  test('keeps every record staged until its flag exists', async () => {
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

describe('I2, I3: a crash in the middle of a group commit', () => {
  async function crashAt(point: CrashPoint, maxLinks: number, count: number): Promise<number> {
    using volume = await TestVolume.create();
    const { files, arm, used } = crashingFiles(limited(maxLinks), point);
    const victim = await volume.join('victim', files);
    const steps = burst(victim, count);
    for (const { name } of steps) volume.put(name);
    await claimAll(victim, namesOf(steps));
    arm();
    for (let cycle = 0; cycle < 3; cycle += 1) {
      const left = steps.filter(({ progress }) => progress !== 'settled');
      await victim.session.settle(left, FOLLOW).catch(() => undefined);
    }
    const survivor = await volume.join('survivor');
    await volume.expire(survivor);

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
    await volume.expire(survivor);
    expect(volume.list('failed')).toEqual([]);
    expect(volume.list('in_progress')).toEqual([]);
    expect(volume.list('.flockwork/staging').filter((name) => name.startsWith('victim'))).toEqual(
      [],
    );
    return used();
  }

  test.each([
    ['without a link limit', Number.POSITIVE_INFINITY, 5, 40],
    ['with a bundle at the link limit', 3, 3, 40],
  ])(
    'leaves each step done once, at any file operation: %s',
    async (_what, maxLinks, count, least) => {
      const operations = await forEachCrash((point) => crashAt(point, maxLinks, count));
      expect(operations).toBeGreaterThan(least);
    },
    240_000,
  );
});

describe('parseCommitRecord', () => {
  test('finds the record of one state in a bundle', async () => {
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
