/** An operator's step whose process crashes at any of its changes: it is made by others, or not begun. */
import { describe, expect, test } from 'vitest';
import type { PlaceResult } from '../../../src/engine/engine.ts';
import { InvariantError } from '../../../src/machine/invariant.ts';
import { Prng } from '../../../src/sim/prng.ts';
import { commitOf, Exercise, newState } from '../../../src/testing/bench.ts';
import { ensureDirectory } from '../../../src/volume/atomic-files.ts';
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
      expect(result?.kind).toBe('placed');
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
    expect({ kind: result?.kind, errors }).toEqual({ kind: 'placed', errors: 0 });
  });

  test('tries once in each of twenty cycles, and leaves what it may have committed to others', async () => {
    const cycles: number[] = [];
    const { error, flags, volume, time } = await placeOnce({
      onFlag: async (method, flag, at) => {
        if (method !== 'link' || !flag.includes('/done/')) return;
        cycles.push(momentAt(PHASES, at.time.now).cycle);
        throw ioError();
      },
    });
    expect(error).toMatchObject({ message: 'cannot place a in 20 cycles', cause: { code: 'EIO' } });
    expect(flags).not.toContain('unlink in_progress');
    expect(cycles).toHaveLength(20);
    expect(new Set(cycles).size).toBe(20);
    const bee = await new Exercise(benchOf(volume, time)).join('bee', { stays: true });
    const taking = new Exercise(benchOf(volume, time)).take(bee, 1);
    expect(await taking).toMatchObject([{ name: 'a.state', file: COUNT }]);
  });

  test('releases its claim when it gives up before it has committed', async () => {
    const { error, volume } = await placeOnce({
      onCall: (method, path) => {
        if (method === 'create' && path.includes('/staging/')) throw ioError();
      },
    });
    expect(error).toMatchObject({ message: 'cannot place a in 20 cycles' });
    const { files, layout } = volume;
    expect(await files.list(layout.flags('in_progress'))).toEqual([]);
    expect(await files.list(layout.internal('leases'))).toEqual([]);
  });

  test.each(['list', 'read'])(
    'goes on from its own claim after an error of %s',
    async (failing) => {
      let [isClaimed, errors] = [false, 0];
      const { result, flags } = await placeOnce({
        onCall: (method, path, isAfter) => {
          if (method === 'link' && isAfter && path.includes('/in_progress/')) isClaimed = true;
          if (!isClaimed || method !== failing || errors === 1) return;
          if (failing === 'read' && !path.endsWith('/a.state')) return;
          errors += 1;
          throw ioError();
        },
      });
      expect({ kind: result?.kind, errors }).toEqual({ kind: 'placed', errors: 1 });
      // One claim, which is not released in between.
      expect(flags).toEqual(['link in_progress', 'link done', 'unlink in_progress']);
    },
  );

  test('goes on from its own claim when the reply of claiming was lost', async () => {
    let lost = 0;
    const { result } = await placeOnce({
      onCall: (method, path, isAfter) => {
        if (!path.endsWith('/in_progress/a.state')) return;
        // Neither the reply, nor what it reads to make sure.
        if ((method === 'link' && isAfter && lost === 0) || (method === 'read' && lost === 1)) {
          lost += 1;
          throw ioError();
        }
      },
    });
    expect({ kind: result?.kind, lost }).toEqual({ kind: 'placed', lost: 2 });
  });

  test('changes nothing more after a bug, and leaves its lease to expire', async () => {
    const bug = new InvariantError('bug');
    const { error, volume } = await placeOnce({
      onFlag: async (method) => {
        if (method === 'link') throw bug;
      },
    });
    expect(error).toBe(bug);
    expect(await volume.files.list(volume.layout.internal('leases'))).toHaveLength(1);
  });

  test.each([
    { error: new Error('no code'), leases: 0 },
    { error: new InvariantError('bug'), leases: 1 },
  ])('leaves $leases leases after $error before it has claimed anything', async (given) => {
    let hasSession = false;
    const { error, volume } = await placeOnce({
      onCall: (method, path) => {
        hasSession ||= method === 'create' && path.includes('/leases/');
        if (hasSession && method === 'read' && path === '/volume/a.state') throw given.error;
      },
    });
    expect(error).toBe(given.error);
    const leases = await volume.files.list(volume.layout.internal('leases'));
    expect(leases).toHaveLength(given.leases);
  });

  test('changes nothing of a failed state that cannot be read', async () => {
    const { error, volume } = await placeOnce({
      before: async ({ files, layout }) => {
        await ensureDirectory(files, layout.flags('failed'));
        await files.unlink(layout.state('a.state'));
        await files.create(layout.state('a.state'), '{"state"');
        await files.create(layout.flag('failed', 'a.state'), '');
      },
    });
    expect(error).toMatchObject({ code: 'unreadable' });
    const { files, layout } = volume;
    expect(await files.list(layout.flags('failed'))).toEqual(['a.state']);
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

const ioError = (): Error => Object.assign(new Error('EIO'), { code: 'EIO' });

function benchOf(volume: DiskVolume, time: VirtualTime): ConstructorParameters<typeof Exercise>[0] {
  const prng = new Prng('place');
  return {
    engine: volume.engine(() => prng.next()),
    clock: time.clock,
    expiryMs: 3 * LEASE_MS,
    pass: (ms) => time.pass(ms),
    expire: () => undefined,
  };
}

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
  /** Before and after each call of the placement's files; an error that it throws is the call's. */
  readonly onCall?: (method: string, path: string, isAfter: boolean) => void;
}

/** `result` or `error`. `flags`: changes of the flags of a.state, in order. */
interface Placed {
  readonly result?: PlaceResult;
  readonly error?: unknown;
  readonly flags: readonly string[];
  readonly volume: DiskVolume;
  readonly time: VirtualTime;
}

async function placeOnce({ offset = 0, before, onFlag, onCall }: OnePlace): Promise<Placed> {
  const time = new VirtualTime();
  const volume = await DiskVolume.create(time, PHASES, LEASE_MS);
  const { files } = volume;
  await volume.engine(() => 0.5).submit([newState('a', COUNT)]);
  await before?.(volume);
  const flags: string[] = [];
  const watched = new Proxy(files, {
    get: (target, key) => {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const last = args.at(-1);
        const flag = typeof last === 'string' ? last : '';
        const isFlag = /\/(in_progress|done)\/a\.state$/.test(flag);
        const method = String(key);
        if (isFlag && ['link', 'unlink'].includes(method)) {
          await onFlag?.(method, flag, { time, files });
          flags.push(`${method} ${flag.split('/').at(-2)}`);
        }
        const path = ['read', 'list', 'create'].includes(method) ? String(args[0]) : flag;
        onCall?.(method, path, false);
        const returned = await (value as (...given: unknown[]) => unknown).apply(target, args);
        onCall?.(method, path, true);
        return returned;
      };
    },
  });
  await time.pass(offset);
  const open = (): ReturnType<DiskVolume['open']> =>
    volume.open(() => 0.5, { ...OPERATOR, machines: [] }, watched);
  const ports = { files: watched, layout: volume.layout, clock: time.clock, open };
  const ends: Pick<Placed, 'result' | 'error'>[] = [];
  void placeInstance(ports, 'a', PLACED).then(
    (result) => ends.push({ result }),
    (error: unknown) => ends.push({ error }),
  );
  while (ends.length === 0) await time.pass(10);
  return { ...ends[0], flags, volume, time };
}
