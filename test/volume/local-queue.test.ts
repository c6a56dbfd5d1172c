/** What a session claims, keeps and gives back: a queue on a volume in memory, in virtual time. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { done, later, next } from '../../src/machine/answer.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { CLOSED, OPEN } from './guards.ts';
import { QueueBench, CYCLE, openFor } from './queue-bench.ts';
import { text } from './fake-operations.ts';
import type { Task, WorkerInfo } from '../../src/engine/session.ts';
import { LocalQueue } from '../../src/volume/local-queue.ts';

const list =
  (...names: string[]): (() => string | undefined) =>
  () =>
    names.shift();
const many = (count: number): (() => string | undefined) =>
  list(...Array.from({ length: count }, (_, index) => `n${index}.state`));

/** What the worker makes of it included. */
async function settle(bench: QueueBench, guard = OPEN): Promise<void> {
  await bench.queue.settle(guard);
  await bench.pass(0);
}

describe('target', () => {
  test('is the number of slots before a tick has ended', () => {
    const { queue } = new QueueBench(4);
    const { target, room, demand } = queue;
    expect({ target, room, demand }).toEqual({ target: 4, room: 4, demand: 4 });
  });

  test('is at most the capacity', () => {
    const { queue } = new QueueBench(4, 2);
    expect({ target: queue.target, room: queue.room }).toEqual({ target: 2, room: 2 });
  });

  /** Concurrency is 4, a cycle half a second: what four slots get through in it, and how much of it is prefetched. */
  test.each([
    ['in no time, up to its capacity', 0, { target: [200, 200], stock: [196, 1e5] }],
    ['in 50 ms', 50, { target: [30, 46], stock: [26, 42] }],
    ['in 1 s', 1000, { target: [4, 8], stock: [0, 4] }],
    ['in 10 s', 10_000, { target: [4, 4], stock: [0, 0] }],
    ['in 10 min: nothing is prefetched', 600_000, { target: [4, 4], stock: [0, 0] }],
  ])('is a cycle’s work more when ticks are done %s', async (_what, duration, expected) => {
    const bench = new QueueBench(4, 200);
    const { queue } = bench;
    bench.duration = duration;
    const step = Math.max(10, Math.min(250, duration / 5));
    await bench.work(Math.max(3 * CYCLE, 40 * Math.min(duration, 200), 1.5 * duration), step);
    const [low, high] = expected.target;
    expect(queue.target).toBeGreaterThanOrEqual(low!);
    expect(queue.target).toBeLessThanOrEqual(high!);
    expect(queue.room).toBe(queue.target - queue.held.length);
    const [least, most] = expected.stock;
    const demand = queue.demand - Math.max(0, queue.room);
    expect(demand).toBeGreaterThanOrEqual(least!);
    expect(demand).toBeLessThanOrEqual(most! + 1);
  });

  test('keeps all slots busy', async () => {
    const bench = new QueueBench(4);
    bench.duration = 50;
    await bench.work(3000);
    let [idle, looks] = [0, 0];
    for (let time = 0; time < 5000; time += 10) {
      await bench.work(10);
      looks += 4;
      idle += 4 - bench.running;
    }
    expect(idle / looks).toBeLessThan(0.05);
  });

  test('is no less after a time without tasks', async () => {
    const bench = new QueueBench(4);
    bench.duration = 50;
    await bench.work(3000);
    await bench.pass(50);
    await bench.queue.settle(OPEN);
    for (let time = 0; !bench.queue.isEmpty && time < CYCLE; time += 50) {
      bench.queue.handOut();
      await bench.pass(50);
      await bench.queue.settle(OPEN);
    }
    const before = bench.queue.target;
    expect(before).toBeGreaterThan(30);
    await bench.pass(600_000);
    await bench.fetch(list('a.state'));
    expect(bench.queue.target).toBeGreaterThan(0.9 * before);
  });

  test('is the number of slots when states are scarce', async () => {
    const bench = new QueueBench(4);
    bench.duration = 50;
    await bench.work(3000);
    bench.queue.isScarce = true;
    expect(bench.queue.target).toBe(4);
  });
});

describe('unstarted claims', () => {
  test('are given back when ticks become slow, except what will begin', async () => {
    const bench = new QueueBench(4);
    bench.duration = 10;
    await bench.work(3000);
    const before = bench.queue.held.length;
    expect(before).toBeGreaterThan(50);
    bench.duration = 10_000;
    await bench.work(5000);
    expect(bench.released.length).toBeGreaterThan(before / 2);
    expect(bench.queue.held.length).toBeLessThanOrEqual(4 + 4);
    expect(bench.running).toBe(4);
    expect(bench.session.claims.size).toBe(bench.queue.held.length);
  });

  test('are given back when states are scarce, except what will begin within a cycle', async () => {
    const bench = new QueueBench(4);
    bench.duration = 50;
    await bench.work(3000);
    bench.queue.isScarce = true;
    await bench.queue.settle(OPEN);
    expect(bench.queue.held.length).toBeGreaterThan(4 + 20);
    bench.duration = 10_000;
    await bench.pass(60);
    const running = bench.begun.slice(-4);
    await bench.pass(CYCLE);
    await bench.queue.settle(OPEN);
    expect(bench.queue.held.toSorted()).toEqual(running.toSorted());
  });

  test('are kept while they are at most twice what is needed', async () => {
    const bench = new QueueBench(4);
    bench.duration = 50;
    await bench.work(6000);
    expect(bench.released).toEqual([]);
  });

  test('are given back in the reverse order of their claims', async () => {
    const bench = new QueueBench(1, 100);
    bench.duration = 50;
    await bench.work(3000);
    bench.duration = 60_000;
    await bench.pass(50);
    await bench.queue.settle(OPEN);
    const before = bench.released.length;
    expect(bench.queue.held.length).toBeGreaterThan(5);
    await bench.pass(600);
    await bench.queue.settle(OPEN);
    const number = (name: string): number => Number(/\d+/.exec(name)![0]);
    const released = bench.released.slice(before).map(number);
    expect(released.length).toBeGreaterThan(0);
    expect(bench.queue.held.length).toBeGreaterThan(1);
    expect(Math.max(...bench.queue.held.map(number))).toBeLessThan(Math.min(...released));
  });
});

describe('claim', () => {
  test('does nothing when the guard is closed', async () => {
    const { queue, session } = new QueueBench();
    await queue.claim(many(5), CLOSED);
    expect(session.asked).toEqual([]);
  });

  test('ends with the guard, and draws no name that it does not claim', async () => {
    const { queue, session } = new QueueBench();
    const names = many(5);
    // One question before the burst, one before each name.
    await queue.claim(names, openFor(3));
    expect(session.asked).toEqual(['n0.state', 'n1.state']);
    expect(names()).toBe('n2.state');
  });

  test('keeps in mind what may be claimed when the phase ends, and claims it again', async () => {
    const { queue, session } = new QueueBench();
    session.claimMany = async (draw) => {
      const name = draw();
      return { ours: [], unsure: name === undefined ? [] : [name], others: [] };
    };
    await queue.claim(list('a.state'), openFor(1));
    expect([queue.knows('a.state'), queue.isEmpty, session.asked]).toEqual([true, false, []]);
    await queue.claim(list(), OPEN);
    expect(session.asked).toEqual(['a.state']);
    expect(queue.held).toEqual(['a.state']);
  });

  test('claims no more than there is room for', async () => {
    const { queue, session } = new QueueBench(4);
    await queue.claim(many(9), OPEN);
    expect(session.asked).toHaveLength(4);
    await queue.claim(many(9), OPEN);
    expect(session.asked).toHaveLength(4);
  });

  test('claims at most a burst, so that ticks begin in between', async () => {
    const { queue, session } = new QueueBench(5000, 5000);
    const names = many(3000);
    await queue.claim(names, OPEN);
    expect(session.asked).toHaveLength(1024);
    await queue.claim(names, OPEN);
    expect(session.asked).toHaveLength(2048);
  });

  test('claims no name twice', async () => {
    const { queue, session } = new QueueBench();
    await queue.claim(list('a.state', 'a.state', 'b.state'), OPEN);
    expect(session.asked).toEqual(['a.state', 'b.state']);
  });

  test.each(['taken', 'finished', 'delayed'] as const)(
    'holds nothing when the state is %s',
    async (outcome) => {
      const { queue, session } = new QueueBench(4);
      session.onClaim = () => outcome;
      await queue.claim(many(2), OPEN);
      const { isEmpty, held, room } = queue;
      expect({ isEmpty, held, room }).toEqual({ isEmpty: true, held: [], room: 4 });
    },
  );

  test.each([
    [
      'met an error',
      (): 'late' => {
        throw new Error('EIO');
      },
    ],
    ['came too late to be dropped', () => 'late' as const],
  ])('claims again, and first, what %s; until then it takes room', async (_what, onClaim) => {
    const { queue, session } = new QueueBench(4);
    session.onClaim = onClaim;
    await queue.claim(list('a.state'), OPEN);
    const { isEmpty, room } = queue;
    expect({ isEmpty, held: queue.held, room }).toEqual({ isEmpty: false, held: [], room: 3 });
    expect(queue.knows('a.state')).toBe(true);
    session.onClaim = () => 'ours';
    await queue.claim(list('b.state', 'a.state'), OPEN);
    expect(session.asked).toEqual(['a.state', 'a.state', 'b.state']);
    expect({ held: queue.held, room: queue.room }).toEqual({
      held: ['a.state', 'b.state'],
      room: 2,
    });
  });

  test('does not claim that again either when the guard is closed', async () => {
    const { queue, session } = new QueueBench(4);
    session.onClaim = () => 'late';
    await queue.claim(list('a.state'), OPEN);
    await queue.claim(list(), CLOSED);
    expect(session.asked).toEqual(['a.state']);
  });
});

describe('a file that cannot be read', () => {
  const PATIENCE = 2000;
  const GONE = { kind: 'unreadable', code: 'ENOENT', reason: 'it is gone' } as const;
  const DENIED = { kind: 'unreadable', code: 'EACCES', reason: 'it cannot be read' } as const;

  async function lookAt(bench: QueueBench): Promise<string[]> {
    await bench.queue.examine(true);
    await bench.queue.settle(OPEN);
    return bench.session.settled.map(({ change }) => change.kind);
  }

  test.each([
    ['half a copy is', text('{"state":'), 'fail'],
    ['an empty file is', text(''), 'fail'],
    ['a file without permission is', DENIED, 'fail'],
    ['a missing file is', GONE, 'release'],
  ] as const)('%s not settled before its patience', async (_what, read, kind) => {
    const bench = new QueueBench();
    bench.session.onRead = () => read;
    await bench.queue.claim(list('a.state'), OPEN);
    expect(await lookAt(bench)).toEqual([]);
    await bench.pass(PATIENCE - 1);
    expect(await lookAt(bench)).toEqual([]);
    await bench.pass(1);
    expect(await lookAt(bench)).toEqual([kind]);
    expect(bench.begun).toEqual([]);
  });

  test('has two cycles of patience when cycles are long', async () => {
    const long = { assignment: 3000, commitment: 3000, update: 3000, buffer: 1000 };
    const bench = new QueueBench(4, 4, long);
    bench.session.onRead = () => text('{');
    await bench.queue.claim(list('a.state'), OPEN);
    const looks: string[][] = [];
    for (const ms of [0, 23_999, 1]) {
      await bench.pass(ms);
      looks.push(await lookAt(bench));
    }
    expect(looks).toEqual([[], [], ['fail']]);
  });

  test('has its patience again whenever it has changed, and runs when it is complete', async () => {
    const bench = new QueueBench();
    let content = '{';
    bench.session.onRead = () => text(content);
    await bench.queue.claim(list('a.state'), OPEN);
    for (content of ['{', '{"sta', '{"state":', '{"state":"job"']) {
      expect(await lookAt(bench)).toEqual([]);
      await bench.pass(PATIENCE - 1);
    }
    content = '{"state":"job"}';
    await bench.fetch(list());
    expect(bench.begun).toEqual(['a.state']);
  });

  test('is read again in Worker Commitment only', async () => {
    const { queue, session } = new QueueBench();
    let looks = 0;
    session.onRead = () => ((looks += 1), text('{'));
    await queue.claim(list('a.state'), OPEN);
    for (const again of [false, false, true, false]) await queue.examine(again);
    expect(looks).toBe(2);
  });

  test('is read once in one go, also when that meets an error', async () => {
    const { queue, session } = new QueueBench();
    const read: string[] = [];
    session.onRead = (name) => {
      read.push(name);
      throw new Error('EIO');
    };
    await queue.claim(list('a.state', 'b.state'), OPEN);
    await queue.examine(true);
    expect(read).toEqual(['a.state', 'b.state']);
  });

  test('is read no more once the queue is abandoned', async () => {
    const { queue, session } = new QueueBench();
    const read: string[] = [];
    session.onRead = (name) => {
      read.push(name);
      queue.abandon();
      throw new Error('EIO');
    };
    await queue.claim(list('a.state', 'b.state'), OPEN);
    await queue.examine(true).catch(() => undefined);
    expect(read).toEqual(['a.state']);
  });

  test('is read again after an error of the volume, however long that lasts', async () => {
    const bench = new QueueBench();
    bench.session.onRead = () => {
      throw new Error('EIO');
    };
    await bench.queue.claim(list('a.state', 'b.state'), OPEN);
    for (let look = 0; look < 5; look += 1) {
      await bench.queue.examine(true);
      await bench.pass(10 * PATIENCE);
    }
    bench.session.onRead = () => text('{"state":"job"}');
    await bench.fetch(list());
    expect(bench.begun).toEqual(['a.state', 'b.state']);
  });
});

describe('settle', () => {
  test('settles in bursts', async () => {
    const bench = new QueueBench(3000, 3000);
    const names = many(2500);
    for (let burst = 0; burst < 3; burst += 1) await bench.fetch(names);
    for (let burst = 0; burst < 4; burst += 1) await bench.queue.settle(OPEN);
    expect(bench.session.bursts).toEqual([1024, 1024, 452]);
    expect(bench.queue.isEmpty).toBe(true);
    expect(bench.counts.done).toBe(2500);
  });

  test('asks the volume for nothing when nothing is finished', async () => {
    const bench = new QueueBench();
    await bench.queue.settle(OPEN);
    expect(bench.session.bursts).toEqual([]);
  });

  test('keeps what met an error, and settles the others', async () => {
    const bench = new QueueBench();
    await bench.fetch(many(3));
    bench.session.onSettle = ({ name }) => (name === 'n1.state' ? new Error('EIO') : undefined);
    await bench.queue.settle(OPEN);
    expect(bench.queue.held).toEqual(['n1.state']);
    // It waits for the next cycle.
    const { hasFinished, isRunning } = bench.queue;
    expect({ hasFinished, isRunning }).toEqual({ hasFinished: false, isRunning: false });
    bench.session.onSettle = () => undefined;
    await bench.queue.settle(OPEN);
    expect({ isEmpty: bench.queue.isEmpty, done: bench.counts.done }).toEqual({
      isEmpty: true,
      done: 3,
    });
  });

  test('writes nothing more when the session meets a bug meanwhile', async () => {
    const bench = new QueueBench();
    const { queue, session } = bench;
    await bench.fetch(list('a.state'));
    session.onSettle = () => {
      queue.abandon();
      queue.fail(new InvariantError('I6: x'));
    };
    let journals = 0;
    session.onJournal = () => void (journals += 1);
    const ended = expect(bench.ended).rejects.toThrow('I6: x');
    await queue.settle(OPEN);
    await ended;
    expect(journals).toBe(0);
  });

  test('does not count what another session had committed', async () => {
    const bench = new QueueBench();
    await bench.fetch(many(1));
    bench.session.onSettle = (step) => void (step.lost = true);
    await bench.queue.settle(OPEN);
    expect(bench.counts).toEqual({ done: 0, failed: 0 });
    expect(bench.session.journaled).toMatchObject([{ state: 'n0.state', result: 'lost' }]);
  });

  test('writes each tick to the journal once, also when the volume is full at first', async () => {
    const bench = new QueueBench();
    bench.session.onJournal = () => {
      throw new Error('ENOSPC');
    };
    await bench.fetch(many(2));
    await bench.queue.settle(OPEN);
    expect(bench.queue.isEmpty).toBe(true);
    bench.session.onJournal = () => undefined;
    for (const name of ['x.state', 'y.state']) {
      await bench.fetch(list(name));
      await bench.queue.settle(OPEN);
    }
    expect(bench.session.journaled.map(({ state }) => state)).toEqual([
      'n0.state',
      'n1.state',
      'x.state',
      'y.state',
    ]);
  });

  test('logs the number of many commits, the names of few', async () => {
    const bench = new QueueBench(17);
    await bench.fetch(many(16));
    await settle(bench);
    expect(bench.logged).toHaveLength(16);
    expect(bench.logged[0]).toBe('state done');
    bench.logged.length = 0;
    await bench.fetch(many(17));
    await settle(bench);
    expect(bench.logged).toEqual(['states done']);
  });
});

describe('a successor', () => {
  const FOLLOW = { ...OPEN, follow: true };
  const chain = async (state: string): Promise<QueueBench> => {
    const bench = new QueueBench();
    bench.answer = ({ name }) => (name === 'a.state' ? next(state) : next('end'));
    await bench.fetch(list('a.state'));
    return bench;
  };

  test('runs next, without being read, when its claim is taken with the commit', async () => {
    const bench = await chain('job');
    bench.session.onRead = () => {
      throw new Error('not to be read');
    };
    expect(bench.queue.knows('a.state-1')).toBe(true);
    await settle(bench, FOLLOW);
    expect(bench.begun).toEqual(['a.state', 'a.state-1']);
    expect(bench.queue.held).toEqual(['a.state-1']);
  });

  test('is held and read like any other state when it cannot run at once', async () => {
    const bench = new QueueBench();
    bench.answer = () => later('1h', 'job');
    await bench.fetch(list('a.state'));
    await settle(bench, FOLLOW);
    expect({ begun: bench.begun, held: bench.queue.held }).toEqual({
      begun: ['a.state'],
      held: ['a.state-1'],
    });
    bench.session.onRead = () => text('{"machine":"job","state":"elsewhere"}');
    await bench.queue.examine(false);
    bench.queue.handOut();
    await bench.pass(0);
    await bench.queue.settle(OPEN);
    expect(bench.session.settled.at(-1)!.change.kind).toBe('fail');
  });

  test('stays claimed, to be read, when its machine cannot tell whether it needs a slot', async () => {
    let asked = 0;
    const needsSlot = (): boolean => {
      if ((asked += 1) === 2) throw new TypeError('of a machine');
      return true;
    };
    const bench = new QueueBench(4, 1000, undefined, { info: { needsSlot } });
    bench.answer = ({ name }) => (name === 'a.state' ? next('job') : done());
    await bench.fetch(list('a.state'));
    await settle(bench, FOLLOW);
    expect({ held: bench.queue.held, hasUnread: bench.queue.hasUnread }).toEqual({
      held: ['a.state-1'],
      hasUnread: true,
    });
    await bench.fetch(list());
    expect(bench.begun).toEqual(['a.state', 'a.state-1']);
  });

  test('is a failed attempt when the machine has no such state', async () => {
    const bench = await chain('elsewhere');
    await bench.queue.settle(FOLLOW);
    const { change } = bench.session.settled.at(-1)!;
    expect(change).toMatchObject({ kind: expect.stringMatching(/^(retry|fail)$/) });
  });

  test('keeps its own hold when its file was there, and claimed, before the commit', async () => {
    const bench = new QueueBench();
    bench.answer = () => next('job');
    bench.duration = 100;
    await bench.fetch(list('a.state'));
    await bench.pass(50);
    await bench.fetch(list('a.state-1'));
    await bench.pass(50);
    await settle(bench, FOLLOW);
    expect({ begun: bench.begun, held: bench.queue.held }).toEqual({
      begun: ['a.state', 'a.state-1'],
      held: ['a.state-1'],
    });
  });

  test.each([
    ['before', ['a.state-1', 'a.state']],
    ['after', ['a.state', 'a.state-1']],
  ])('is not held when it is settled in the same call, %s its predecessor', async (_, names) => {
    const bench = new QueueBench();
    bench.answer = ({ name }) => (name === 'a.state' ? next('job') : done());
    await bench.fetch(list(...names));
    await settle(bench, FOLLOW);
    expect({ begun: bench.begun, held: bench.queue.held }).toEqual({ begun: names, held: [] });
  });

  test('takes no room twice when its claim was uncertain', async () => {
    const bench = await chain('job');
    const [first] = bench.queue.held;
    bench.queue.abandon();
    bench.session.onClaim = (name) => {
      if (name === 'a.state-1') throw new Error('EIO');
      return 'ours';
    };
    await bench.fetch(list('a.state-1', first!));
    await settle(bench, FOLLOW);
    expect(bench.queue.held).toEqual(['a.state-1']);
    expect(bench.queue.room).toBe(bench.queue.target - 1);
  });

  test('is not claimed on its own while its predecessor is not settled', async () => {
    const bench = await chain('job');
    await bench.queue.claim(list('a.state-1'), OPEN);
    expect(bench.session.asked).toEqual(['a.state']);
    await settle(bench, FOLLOW);
    expect(bench.begun).toEqual(['a.state', 'a.state-1']);
  });

  test('is left to all sessions when its claim is not taken with the commit', async () => {
    const bench = await chain('job');
    await bench.queue.settle(OPEN);
    expect({ isEmpty: bench.queue.isEmpty, knows: bench.queue.knows('a.state-1') }).toEqual({
      isEmpty: true,
      knows: false,
    });
  });
});

describe('bringBack', () => {
  const bringBack = async (error: Error): Promise<unknown> => {
    const runs = async (): Promise<boolean> => {
      throw error;
    };
    const bench = new QueueBench(4, 1000, undefined, { info: { runs } });
    const verdicts: boolean[] = [];
    bench.session.bringBack = async (_cycle, _guard, mayRun) => {
      verdicts.push(await mayRun({ state: 'job', payload: {} }));
      return [];
    };
    await bench.queue.bringBack(1, OPEN);
    return verdicts;
  };

  test('leaves a state failed when its machine throws', async () => {
    expect(await bringBack(new TypeError('of a machine'))).toEqual([false]);
  });

  test('rejects for a failed assertion', async () => {
    await expect(bringBack(new InvariantError('I6: x'))).rejects.toThrow('I6: x');
  });
});

describe('stop', () => {
  test('gives back what has not begun, and settles what runs', async () => {
    const bench = new QueueBench(3);
    const { queue, session } = bench;
    bench.duration = 1000;
    session.onRead = (name) => text(name === 'half.state' ? '{' : '{"state":"job"}');
    session.onClaim = (name) => {
      if (name === 'unsure.state') throw new Error('EIO');
      return 'ours';
    };
    await bench.fetch(list('runs.state', 'half.state', 'unsure.state'));
    queue.stop();
    await queue.settle(OPEN);
    expect(bench.released.sort()).toEqual(['half.state', 'unsure.state']);
    expect(queue.held).toEqual(['runs.state']);
    await bench.pass(1000);
    await queue.settle(OPEN);
    expect({
      isEmpty: queue.isEmpty,
      claims: session.claims.size,
      done: bench.counts.done,
    }).toEqual({ isEmpty: true, claims: 0, done: 1 });
  });

  test('hands out nothing more, not even what is ready', async () => {
    const bench = new QueueBench(2);
    await bench.queue.claim(many(2), OPEN);
    await bench.queue.examine(true);
    bench.queue.stop();
    bench.queue.handOut();
    expect(bench.begun).toEqual([]);
    await bench.queue.settle(OPEN);
    expect({ released: bench.released.length, isEmpty: bench.queue.isEmpty }).toEqual({
      released: 2,
      isEmpty: true,
    });
  });

  test('gives back aborted ticks, without counting them', async () => {
    const bench = new QueueBench(2);
    bench.duration = 60_000;
    await bench.fetch(many(2));
    bench.queue.stop();
    bench.queue.abortTicks();
    await bench.pass(0);
    await bench.queue.settle(OPEN);
    expect(bench.released).toEqual(['n0.state', 'n1.state']);
    expect({ isEmpty: bench.queue.isEmpty, done: bench.counts.done }).toEqual({
      isEmpty: true,
      done: 0,
    });
  });

  test('leaves nothing in an abandoned queue', async () => {
    const bench = new QueueBench(2);
    bench.duration = 60_000;
    await bench.fetch(list('a.state'));
    bench.session.onClaim = () => 'late';
    await bench.fetch(list('b.state'));
    bench.queue.abandon();
    await bench.pass(0);
    expect(bench.running).toBe(0);
    expect(['a.state', 'b.state'].some((name) => bench.queue.knows(name))).toBe(false);
    expect({ isEmpty: bench.queue.isEmpty, room: bench.queue.room }).toEqual({
      isEmpty: true,
      room: 2,
    });
  });

  test('ignores the result of an abandoned tick', async () => {
    const bench = new QueueBench(1);
    bench.duration = 100;
    await bench.fetch(list('a.state'));
    bench.queue.abandon();
    await bench.fetch(list('a.state'));
    await bench.pass(50);
    await bench.queue.settle(OPEN);
    expect(bench.session.settled).toEqual([]);
    expect({ held: bench.queue.held, hasFinished: bench.queue.hasFinished }).toEqual({
      held: ['a.state'],
      hasFinished: false,
    });
    await bench.pass(50);
    await bench.queue.settle(OPEN);
    expect(bench.counts.done).toBe(1);
  });
});

describe('knows', () => {
  test('is true of what is held, from claim to settlement', async () => {
    const bench = new QueueBench(1);
    bench.duration = 100;
    const known: boolean[] = [];
    const note = (): void => void known.push(bench.queue.knows('a.state'));
    note();
    await bench.queue.claim(list('a.state'), OPEN);
    note();
    await bench.fetch(list());
    note();
    await bench.pass(100);
    note();
    await bench.queue.settle(OPEN);
    note();
    expect(known).toEqual([false, true, true, true, false]);
    expect(bench.queue.knows('b.state')).toBe(false);
  });
});

const ignore = (): undefined => undefined;

describe('the heartbeat deadline', () => {
  test('is a lease after the first deadline of a tick', async () => {
    const bench = new QueueBench(2);
    bench.duration = 5000;
    await bench.fetch(list('a.state'));
    await bench.pass(1000);
    await bench.fetch(list('b.state'));
    const timeout = 20 * 60_000;
    expect(bench.session.deadline).toBe(timeout + bench.session.lease);
    await bench.pass(4000);
    expect(bench.session.deadline).toBe(1000 + timeout + bench.session.lease);
    await bench.pass(1000);
    expect(bench.session.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test('follows a deadline that is moved, and forgets those of a session that has expired', async () => {
    const { clock, session } = new QueueBench(2);
    const info: WorkerInfo = {
      name: 'ant',
      concurrency: 2,
      capacity: 10,
      stays: false,
      observes: [],
      machines: () => ({ machines: [] }),
      slots: () => 2,
      needsSlot: () => true,
      runs: async () => true,
    };
    const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
    const queue = new LocalQueue({ clock, log }, info, { freshListings: true }, ignore);
    queue.operations = session;
    const take = async (): Promise<readonly Task[]> => {
      await queue.claim(list('a.state', 'b.state'), OPEN);
      await queue.examine(false);
      return (await queue.take(2, new AbortController().signal)) as readonly Task[];
    };
    const [a, b] = await take();
    queue.setDeadline(a!, 100);
    queue.setDeadline(b!, 200);
    expect(session.deadline).toBe(100 + session.lease);
    queue.setDeadline(a!, 300);
    expect(session.deadline).toBe(200 + session.lease);
    queue.abandon();
    queue.operations = session;
    const [again] = await take();
    queue.setDeadline(again!, 400);
    expect(session.deadline).toBe(400 + session.lease);
    const refusal = { kind: 'refuse', code: 'unknown-machine', machine: 'm', reason: 'r' } as const;
    void queue.finish([{ hold: again!, outcome: refusal }]);
    expect(session.deadline).toBe(Number.POSITIVE_INFINITY);
    await setImmediate();
    // It is not running any more.
    queue.setDeadline(again!, 500);
    expect(session.deadline).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('report', () => {
  test('reports what is held when it has changed, the first 256 of it', async () => {
    const bench = new QueueBench(300);
    bench.duration = CYCLE;
    await bench.queue.report();
    expect(bench.session.heldReports).toEqual([]);
    await bench.fetch(list('a.state'));
    await bench.queue.report();
    await bench.queue.report();
    expect(bench.session.heldReports).toEqual(['a.state running']);
    await bench.fetch(many(290));
    await bench.queue.report();
    expect(bench.session.heldReports[1]!.split(', ')).toHaveLength(256);
  });

  test('ignores an error', async () => {
    const bench = new QueueBench();
    await bench.fetch(list('a.state'));
    bench.session.reportClaims = async () => Promise.reject(new Error('ENOSPC'));
    await bench.queue.report();
    expect(bench.logged).toEqual([]);
  });
});

test.each([
  ['is decided', async () => []],
  [
    'meets an error',
    async () => {
      throw new Error('EIO');
    },
  ],
])('a refusal that %s after its session has expired settles nothing', async (_what, answer) => {
  const bench = new QueueBench(1);
  let go = (): void => undefined;
  const asked = new Promise<void>((resolve) => (go = resolve));
  bench.session.sessions = async () => {
    await asked;
    return answer();
  };
  bench.session.onRead = () => text('{"state":"no-such-machine"}');
  await bench.fetch(list('a.state'));
  bench.queue.abandon();
  go();
  await bench.pass(0);
  let reads = 0;
  bench.session.onRead = () => {
    reads += 1;
    return text('{"state":"job"}');
  };
  await bench.queue.examine(true);
  await bench.queue.settle(OPEN);
  expect({ held: bench.queue.held, finished: bench.queue.hasFinished }).toEqual({
    held: [],
    finished: false,
  });
  expect({ settled: bench.session.settled, reads }).toEqual({ settled: [], reads: 0 });
});
