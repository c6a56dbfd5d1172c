/** What a worker takes, keeps and gives back: a queue on a volume in memory, in virtual time. */
import { describe, expect, test } from 'vitest';
import { later, next } from '../../src/machine/answer.ts';
import { CLOSED, QueueBench, CYCLE, OPEN, openFor } from './queue-bench.ts';
import { text } from './fake-operations.ts';

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

describe('how much a worker wants', () => {
  test('is what it can tick at once, before it knows more', () => {
    const { queue } = new QueueBench(4);
    expect([queue.target, queue.room, queue.demand]).toEqual([4, 4, 4]);
  });

  test('is never more than its capacity', () => {
    const { queue } = new QueueBench(4, 2);
    expect([queue.target, queue.room]).toEqual([2, 2]);
  });

  /** Concurrency is 4, a cycle half a second: what four hands get through in it, and what that is kept for. */
  test.each([
    ['in no time, up to its capacity', 0, { target: [200, 200], stock: [196, 1e5] }],
    ['in 50 ms', 50, { target: [30, 46], stock: [26, 42] }],
    ['in 1 s', 1000, { target: [4, 8], stock: [0, 4] }],
    ['in 10 s', 10_000, { target: [4, 4], stock: [0, 0] }],
    ['in 10 min: nothing in stock', 600_000, { target: [4, 4], stock: [0, 0] }],
  ])('is a cycle’s work more, of ticks that are done %s', async (_what, duration, expected) => {
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

  test('all hands are busy whenever there is a phase to claim in', async () => {
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

  test('is no less after a time in which there was nothing to do', async () => {
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

  test('where others have nothing to do, it is no more than what it begins at once', async () => {
    const bench = new QueueBench(4);
    bench.duration = 50;
    await bench.work(3000);
    bench.queue.isScarce = true;
    expect(bench.queue.target).toBe(4);
  });
});

describe('what is in stock', () => {
  test('is given back when ticks become slow, but for what they get through', async () => {
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

  test('is given back where states are scarce, but for what will begin within a cycle', async () => {
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

  test('stays while it is no more than twice what is needed', async () => {
    const bench = new QueueBench(4);
    bench.duration = 50;
    await bench.work(6000);
    expect(bench.released).toEqual([]);
  });

  test('is what was claimed last, when it is given back', async () => {
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

describe('claiming', () => {
  test('does nothing outside the guard', async () => {
    const { queue, session } = new QueueBench();
    await queue.claim(many(5), CLOSED);
    expect(session.asked).toEqual([]);
  });

  test('ends with the guard, and loses none of the names that it did not ask for', async () => {
    const { queue, session } = new QueueBench();
    const names = many(5);
    // One question before a name is drawn, one before it is claimed.
    await queue.claim(names, openFor(4));
    expect(session.asked).toEqual(['n0.state', 'n1.state']);
    expect(names()).toBe('n2.state');
  });

  test('takes no more than there is room for', async () => {
    const { queue, session } = new QueueBench(4);
    await queue.claim(many(9), OPEN);
    expect(session.asked).toHaveLength(4);
    await queue.claim(many(9), OPEN);
    expect(session.asked).toHaveLength(4);
  });

  test('takes no more than a burst, so that ticks begin in between', async () => {
    const { queue, session } = new QueueBench(5000, 5000);
    const names = many(3000);
    await queue.claim(names, OPEN);
    expect(session.asked).toHaveLength(1024);
    await queue.claim(names, OPEN);
    expect(session.asked).toHaveLength(2048);
  });

  test('asks for no name twice', async () => {
    const { queue, session } = new QueueBench();
    await queue.claim(list('a.state', 'a.state', 'b.state'), OPEN);
    expect(session.asked).toEqual(['a.state', 'b.state']);
  });

  test.each(['taken', 'finished', 'delayed'] as const)(
    'holds nothing of what is %s',
    async (outcome) => {
      const { queue, session } = new QueueBench(4);
      session.onClaim = () => outcome;
      await queue.claim(many(2), OPEN);
      expect([queue.isEmpty, queue.held, queue.room]).toEqual([true, [], 4]);
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
  ])('asks again, and first, for what %s; until then it takes room', async (_what, onClaim) => {
    const { queue, session } = new QueueBench(4);
    session.onClaim = onClaim;
    await queue.claim(list('a.state'), OPEN);
    expect([queue.isEmpty, queue.held, queue.room]).toEqual([false, [], 3]);
    expect(queue.knows('a.state')).toBe(true);
    session.onClaim = () => 'ours';
    await queue.claim(list('b.state', 'a.state'), OPEN);
    expect(session.asked).toEqual(['a.state', 'a.state', 'b.state']);
    expect([queue.held, queue.room]).toEqual([['a.state', 'b.state'], 2]);
  });

  test('asks for nothing of that outside the guard either', async () => {
    const { queue, session } = new QueueBench(4);
    session.onClaim = () => 'late';
    await queue.claim(list('a.state'), OPEN);
    await queue.claim(list(), CLOSED);
    expect(session.asked).toEqual(['a.state']);
  });
});

describe('what cannot be read', () => {
  const PATIENCE = 2000;
  const GONE = { kind: 'unreadable', code: 'ENOENT', reason: 'it is gone' } as const;
  const DENIED = { kind: 'unreadable', code: 'EACCES', reason: 'it cannot be read' } as const;

  async function lookAt(bench: QueueBench): Promise<string[]> {
    await bench.queue.examine(true);
    await bench.queue.settle(OPEN);
    return bench.session.settled.map(({ change }) => change.kind);
  }

  test.each([
    ['half a copy', text('{"state":'), 'fail'],
    ['nothing yet', text(''), 'fail'],
    ['not to be read', DENIED, 'fail'],
    ['not there', GONE, 'release'],
  ] as const)('%s: is not put aside before its patience', async (_what, read, kind) => {
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

  test('has two cycles of patience where cycles are long', async () => {
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

  test('has its patience anew whenever it has changed, and runs when it is whole', async () => {
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

  test('is read again only when it is time for that', async () => {
    const { queue, session } = new QueueBench();
    let looks = 0;
    session.onRead = () => ((looks += 1), text('{'));
    await queue.claim(list('a.state'), OPEN);
    for (const again of [false, false, true, false]) await queue.examine(again);
    expect(looks).toBe(2);
  });

  test('for an error of the volume is looked at again, however long that lasts', async () => {
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

describe('settling', () => {
  test('is done in bursts', async () => {
    const bench = new QueueBench(3000, 3000);
    const names = many(2500);
    for (let burst = 0; burst < 3; burst += 1) await bench.fetch(names);
    for (let burst = 0; burst < 4; burst += 1) await bench.queue.settle(OPEN);
    expect(bench.session.bursts).toEqual([1024, 1024, 452]);
    expect(bench.queue.isEmpty).toBe(true);
    expect(bench.counts.done).toBe(2500);
  });

  test('asks the volume for nothing where nothing is finished', async () => {
    const bench = new QueueBench();
    await bench.queue.settle(OPEN);
    expect(bench.session.bursts).toEqual([]);
  });

  test('keeps what met an error, and tries again; the others go', async () => {
    const bench = new QueueBench();
    await bench.fetch(many(3));
    bench.session.onSettle = ({ name }) => (name === 'n1.state' ? new Error('EIO') : undefined);
    await bench.queue.settle(OPEN);
    expect(bench.queue.held).toEqual(['n1.state']);
    // Nothing to hurry for: it waits for the next cycle.
    expect([bench.queue.hasFinished, bench.queue.isRunning]).toEqual([false, false]);
    bench.session.onSettle = () => undefined;
    await bench.queue.settle(OPEN);
    expect([bench.queue.isEmpty, bench.counts.done]).toEqual([true, 3]);
  });

  test('does not count what somebody else had committed', async () => {
    const bench = new QueueBench();
    await bench.fetch(many(1));
    bench.session.onSettle = (step) => void (step.lost = true);
    await bench.queue.settle(OPEN);
    expect(bench.counts).toEqual({ done: 0, failed: 0 });
    expect(bench.session.journaled).toMatchObject([{ state: 'n0.state', result: 'lost' }]);
  });

  test('tells the journal each tick once, also if it is full at first', async () => {
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

  test('says of many states how many they are, of few their names', async () => {
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

describe('following', () => {
  const FOLLOW = { ...OPEN, follow: true };
  const chain = async (state: string): Promise<QueueBench> => {
    const bench = new QueueBench();
    bench.answer = ({ name }) => (name === 'a.state' ? next(state) : next('end'));
    await bench.fetch(list('a.state'));
    return bench;
  };

  test('the successor runs next, without being read', async () => {
    const bench = await chain('job');
    bench.session.onRead = () => {
      throw new Error('not to be read');
    };
    expect(bench.queue.knows('a.state-1')).toBe(true);
    await settle(bench, FOLLOW);
    expect(bench.begun).toEqual(['a.state', 'a.state-1']);
    expect(bench.queue.held).toEqual(['a.state-1']);
  });

  test('one that cannot be run at once is held, and read like any other', async () => {
    const bench = new QueueBench();
    bench.answer = () => later('1h', 'job');
    await bench.fetch(list('a.state'));
    await settle(bench, FOLLOW);
    expect([bench.begun, bench.queue.held]).toEqual([['a.state'], ['a.state-1']]);
    bench.session.onRead = () => text('{"machine":"job","state":"elsewhere"}');
    await bench.queue.examine(false);
    bench.queue.handOut();
    await bench.pass(0);
    await bench.queue.settle(OPEN);
    expect(bench.session.settled.at(-1)!.change.kind).toBe('fail');
  });

  test('a next state that the machine does not have is a failed attempt', async () => {
    const bench = await chain('elsewhere');
    await bench.queue.settle(FOLLOW);
    const { change } = bench.session.settled.at(-1)!;
    expect(change).toMatchObject({ kind: expect.stringMatching(/^(retry|fail)$/) });
  });

  test('without it, the successor is anybody’s', async () => {
    const bench = await chain('job');
    await bench.queue.settle(OPEN);
    expect([bench.queue.isEmpty, bench.queue.knows('a.state-1')]).toEqual([true, false]);
  });
});

describe('stopping', () => {
  test('gives back all that has not begun, and settles what runs', async () => {
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
    expect([queue.isEmpty, session.claims.size, bench.counts.done]).toEqual([true, 0, 1]);
  });

  test('begins nothing more, not even what is ready', async () => {
    const bench = new QueueBench(2);
    await bench.queue.claim(many(2), OPEN);
    await bench.queue.examine(true);
    bench.queue.stop();
    bench.queue.handOut();
    expect(bench.begun).toEqual([]);
    await bench.queue.settle(OPEN);
    expect([bench.released.length, bench.queue.isEmpty]).toEqual([2, true]);
  });

  test('ticks that are told to end count for nothing, and are given back', async () => {
    const bench = new QueueBench(2);
    bench.duration = 60_000;
    await bench.fetch(many(2));
    bench.queue.stop();
    bench.queue.abortTicks();
    await bench.pass(0);
    await bench.queue.settle(OPEN);
    expect(bench.released).toEqual(['n0.state', 'n1.state']);
    expect([bench.queue.isEmpty, bench.counts.done]).toEqual([true, 0]);
  });

  test('of an abandoned queue nothing is left', async () => {
    const bench = new QueueBench(2);
    bench.duration = 60_000;
    await bench.fetch(list('a.state'));
    bench.session.onClaim = () => 'late';
    await bench.fetch(list('b.state'));
    bench.queue.abandon();
    await bench.pass(0);
    expect(bench.running).toBe(0);
    expect(['a.state', 'b.state'].some((name) => bench.queue.knows(name))).toBe(false);
    expect([bench.queue.isEmpty, bench.queue.room]).toEqual([true, 2]);
  });

  test('what an abandoned tick comes to is nobody’s', async () => {
    const bench = new QueueBench(1);
    bench.duration = 100;
    await bench.fetch(list('a.state'));
    bench.queue.abandon();
    await bench.fetch(list('a.state'));
    await bench.pass(50);
    await bench.queue.settle(OPEN);
    expect(bench.session.settled).toEqual([]);
    expect([bench.queue.held, bench.queue.hasFinished]).toEqual([['a.state'], false]);
    await bench.pass(50);
    await bench.queue.settle(OPEN);
    expect(bench.counts.done).toBe(1);
  });
});

describe('what it knows of its claims', () => {
  test('what is held, from claim to settlement, and nothing else', async () => {
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

describe('the proof of life', () => {
  test('goes on for a lease after the first tick that is overdue', async () => {
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
});

describe('for people', () => {
  test('what is held is said when it has changed, the first 256 of it', async () => {
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

  test('work does not wait for it', async () => {
    const bench = new QueueBench();
    await bench.fetch(list('a.state'));
    bench.session.reportClaims = async () => Promise.reject(new Error('ENOSPC'));
    await bench.queue.report();
    expect(bench.logged).toEqual([]);
  });
});
