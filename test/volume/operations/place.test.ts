/** An operator's step whose process crashes at any of its changes: it is made by others, or not begun. */
import { describe, expect, test } from 'vitest';
import type { PlaceResult } from '../../../src/engine/engine.ts';
import { Prng } from '../../../src/sim/prng.ts';
import { commitOf, Exercise, newState } from '../../../src/testing/bench.ts';
import { ensureDirectory } from '../../../src/volume/directory.ts';
import { placeInstance } from '../../../src/volume/place.ts';
import { momentAt } from '../../../src/volume/phases/cycle.ts';
import { CYCLE_MS, LEASE_MS, PHASES } from './bench.ts';
import type { DiskFiles } from './disk-files.ts';
import { DiskVolume } from './disk-volume.ts';
import { VirtualTime } from './virtual-time.ts';

const CHANGES: readonly string[] = ['create', 'overwrite', 'append', 'link', 'rename', 'unlink'];
const COUNT = { state: 'count', payload: { left: 0 } };
const OPERATOR = { worker: 'operator', host: 'host', pid: 1, concurrency: 1, capacity: 1 };
const PLACED = { state: 'count', payload: { left: 5 } };

/** All calls fail from the `limit`-th change on, before or after it has happened. */
function crashing(
  files: DiskFiles,
  limit: number,
  isAfter: boolean,
): { readonly files: DiskFiles; readonly hasCrashed: () => boolean } {
  let changes = 0;
  const proxy = new Proxy(files, {
    get: (target, key) => {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const isChange = CHANGES.includes(String(key));
        if (isChange) changes += 1;
        if (changes > limit || (changes === limit && !(isChange && isAfter))) {
          throw new Error('crashed');
        }
        const result = await (value as (...given: unknown[]) => unknown).apply(target, args);
        if (changes === limit) throw new Error('crashed');
        return result;
      };
    },
  });
  return { files: proxy, hasCrashed: () => changes >= limit };
}

/** Returns the flags of the instance's steps when another worker has done all that was left, and if it crashed at all. */
async function crashAt(
  limit: number,
  isAfter: boolean,
): Promise<{ readonly chain: readonly string[]; readonly hasCrashed: boolean }> {
  const time = new VirtualTime();
  const prng = new Prng(`place ${limit}`);
  const random = (): number => prng.next();
  const volume = await DiskVolume.create(time, PHASES, LEASE_MS);
  const engine = volume.engine(random);
  const { clock } = time;
  const exercise = new Exercise({
    engine,
    clock,
    expiryMs: 3 * LEASE_MS,
    pass: (ms) => time.pass(ms),
    expire: () => undefined,
  });
  await engine.submit([newState('a', COUNT)]);
  const { files, hasCrashed } = crashing(volume.files, limit, isAfter);
  const sessions: string[] = [];
  const open = async (): ReturnType<DiskVolume['open']> => {
    const session = await volume.open(random, { ...OPERATOR, machines: [] }, files);
    sessions.push(session.token.session);
    return session;
  };
  const placing = placeInstance({ files, layout: volume.layout, clock, open }, 'a', PLACED);
  const ended = placing.catch(() => undefined);
  await exercise.until(ended);
  for (const session of sessions) volume.silence(session);
  const bee = await exercise.join('bee', { stays: true });
  const [task] = await exercise.take(bee, 1);
  await exercise.settle(bee, commitOf(task!, bee.now(), { output: task!.file.payload }));
  // Nothing is left, and the dead session is recovered.
  expect(await exercise.takeWithin(bee, 1, 6 * LEASE_MS)).toEqual([]);
  await exercise.until(bee.close(0));
  expect(await volume.files.list(volume.layout.flags('in_progress'))).toEqual([]);
  expect(await engine.workers()).toEqual([]);
  const steps = await engine.history('a');
  expect(steps.at(-1)!.output).toEqual(steps.length === 1 ? COUNT.payload : PLACED.payload);
  return { chain: steps.map(({ flag }) => flag), hasCrashed: hasCrashed() };
}

describe("an operator's step", () => {
  test.each([false, true])(
    'is made whole or not at all (crash after the change: %s)',
    async (isAfter) => {
      const seen = new Set<string>();
      for (let limit = 1; ; limit += 1) {
        const { chain, hasCrashed } = await crashAt(limit, isAfter);
        seen.add(chain.join());
        expect(limit).toBeLessThan(100);
        if (!hasCrashed) break;
      }
      expect([...seen]).toEqual(['done', 'done,done']);
    },
  );

  test('changes a flag in Update System only, whenever it is asked for', async () => {
    for (let offset = 0; offset < CYCLE_MS; offset += 13) {
      const phases: string[] = [];
      const { result } = await placeOnce({
        offset,
        onFlag: async (method, _flag, { time }) => {
          phases.push(`${method} ${momentAt(PHASES, time.now).phase}`);
        },
      });
      expect(result.kind).toBe('placed');
      expect(phases).toEqual(['link update', 'link update', 'unlink update']);
    }
  });

  test('does not count if another session commits the state first', async () => {
    const { result, volume } = await placeOnce({
      onFlag: async (method, flag, { files }) => {
        if (method === 'link' && flag.includes('/done/')) await files.create(flag, 'theirs');
      },
    });
    expect(result).toEqual({ kind: 'held' });
    expect(await volume.engine(() => 0.5).history('a')).toMatchObject([{ flag: 'done' }]);
  });

  test('goes on in the next cycle after an error of the volume', async () => {
    let errors = 3;
    const { result } = await placeOnce({
      onFlag: async (method, flag) => {
        if (method !== 'link' || !flag.includes('/done/') || errors === 0) return;
        errors -= 1;
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      },
    });
    expect({ kind: result.kind, errors }).toEqual({ kind: 'placed', errors: 0 });
  });

  test('leaves neither the flag nor the attempts of the state that it ends', async () => {
    const { volume } = await placeOnce({
      before: async ({ files, layout }) => {
        for (const directory of [layout.home, layout.internal('attempts'), layout.flags('waiting')])
          await ensureDirectory(files, directory);
        await files.create(layout.flag('waiting', 'a.state'), '');
        await files.makeDirectory(`${layout.internal('attempts')}/a.state`);
        await files.create(`${layout.internal('attempts')}/a.state/1`, '{}');
      },
    });
    const { files, layout } = volume;
    expect(await files.list(layout.flags('waiting'))).toEqual([]);
    expect(await files.list(layout.internal('attempts'))).toEqual([]);
    expect(await volume.engine(() => 0.5).workers()).toEqual([]);
  });
});

interface OnePlace {
  /** Milliseconds after the beginning of a cycle. */
  readonly offset?: number;
  readonly before?: (volume: DiskVolume) => Promise<void>;
  /** Before a claim or commit of a.state is linked or unlinked. */
  readonly onFlag?: (
    method: string,
    flag: string,
    at: { readonly time: VirtualTime; readonly files: DiskFiles },
  ) => Promise<void>;
}

async function placeOnce({ offset = 0, before, onFlag }: OnePlace): Promise<{
  readonly result: PlaceResult;
  readonly volume: DiskVolume;
}> {
  const time = new VirtualTime();
  const volume = await DiskVolume.create(time, PHASES, LEASE_MS);
  const { files } = volume;
  await volume.engine(() => 0.5).submit([newState('a', COUNT)]);
  await before?.(volume);
  const watched = new Proxy(files, {
    get: (target, key) => {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function') return value;
      return async (...args: string[]) => {
        const flag = args.at(-1) ?? '';
        const isFlag = /\/(in_progress|done)\/a\.state$/.test(flag);
        const method = String(key);
        if (isFlag && ['link', 'unlink'].includes(method)) {
          await onFlag?.(method, flag, { time, files });
        }
        return (value as (...given: string[]) => unknown).apply(target, args);
      };
    },
  });
  await time.pass(offset);
  const open = (): ReturnType<DiskVolume['open']> =>
    volume.open(() => 0.5, { ...OPERATOR, machines: [] }, watched);
  const ports = { files: watched, layout: volume.layout, clock: time.clock, open };
  const results: PlaceResult[] = [];
  void placeInstance(ports, 'a', PLACED).then((placed) => results.push(placed));
  while (results.length === 0) await time.pass(10);
  return { result: results[0]!, volume };
}
