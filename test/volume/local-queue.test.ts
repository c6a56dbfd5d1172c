/** What a worker takes, keeps and gives back: a crew on a volume in memory, in virtual time. */
import { describe, expect, test } from 'vitest';
import { later, next } from '../../src/machine/answer.ts';
import { CLOSED, CrewBench, CYCLE, OPEN, openFor } from './queue-bench.ts';
import { text } from './fake-operations.ts';

const list =
  (...names: string[]): (() => string | undefined) =>
  () =>
    names.shift();
const many = (count: number): (() => string | undefined) =>
  list(...Array.from({ length: count }, (_, index) => `n${index}.state`));

describe('how much a worker wants', () => {
  test('is what it can tick at once, before it knows more', () => {
    const { crew } = new CrewBench(4);
    expect([crew.wanted, crew.room, crew.appetite]).toEqual([4, 4, 4]);
  });

  test('is never more than its capacity', () => {
    const { crew } = new CrewBench(4, 2);
    expect([crew.wanted, crew.room]).toEqual([2, 2]);
  });

  /** Concurrency is 4, a cycle half a second: what four hands get through in it, and what that is kept for. */
  test.each([
    ['in no time, up to its capacity', 0, { wanted: [200, 200], stock: [196, 1e5] }],
    ['in 50 ms', 50, { wanted: [30, 46], stock: [26, 42] }],
    ['in 1 s', 1000, { wanted: [4, 8], stock: [0, 4] }],
    ['in 10 s', 10_000, { wanted: [4, 4], stock: [0, 0] }],
    ['in 10 min: nothing in stock', 600_000, { wanted: [4, 4], stock: [0, 0] }],
  ])('is a cycle’s work more, of ticks that are done %s', async (_what, duration, expected) => {
    const bench = new CrewBench(4, 200);
    const { crew } = bench;
    bench.duration = duration;
    const step = Math.max(10, Math.min(250, duration / 5));
    await bench.work(Math.max(3 * CYCLE, 40 * Math.min(duration, 200), 1.5 * duration), step);
    const [low, high] = expected.wanted;
    expect(crew.wanted).toBeGreaterThanOrEqual(low!);
    expect(crew.wanted).toBeLessThanOrEqual(high!);
    expect(crew.room).toBe(crew.wanted - crew.held.length);
    const [least, most] = expected.stock;
    const appetite = crew.appetite - Math.max(0, crew.room);
    expect(appetite).toBeGreaterThanOrEqual(least!);
    expect(appetite).toBeLessThanOrEqual(most! + 1);
  });

  test('all hands are busy whenever there is a phase to claim in', async () => {
    const bench = new CrewBench(4);
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
    const bench = new CrewBench(4);
    bench.duration = 50;
    await bench.work(3000);
    await bench.pass(50);
    await bench.crew.settle(OPEN);
    for (let time = 0; !bench.crew.isEmpty && time < CYCLE; time += 50) {
      bench.crew.startTicks();
      await bench.pass(50);
      await bench.crew.settle(OPEN);
    }
    const before = bench.crew.wanted;
    expect(before).toBeGreaterThan(30);
    await bench.pass(600_000);
    await bench.fetch(list('a.state'));
    expect(bench.crew.wanted).toBeGreaterThan(0.9 * before);
  });

  test('where others have nothing to do, it is no more than what it begins at once', async () => {
    const bench = new CrewBench(4);
    bench.duration = 50;
    await bench.work(3000);
    bench.crew.isScarce = true;
    expect(bench.crew.wanted).toBe(4);
  });
});

describe('what is in stock', () => {
  test('is given back when ticks become slow, but for what they get through', async () => {
    const bench = new CrewBench(4);
    bench.duration = 10;
    await bench.work(3000);
    const before = bench.crew.held.length;
    expect(before).toBeGreaterThan(50);
    bench.duration = 10_000;
    await bench.work(5000);
    expect(bench.released.length).toBeGreaterThan(before / 2);
    expect(bench.crew.held.length).toBeLessThanOrEqual(4 + 4);
    expect(bench.running).toBe(4);
    expect(bench.session.claims.size).toBe(bench.crew.held.length);
  });

  test('is given back where states are scarce, but for what will begin within a cycle', async () => {
    const bench = new CrewBench(4);
    bench.duration = 50;
    await bench.work(3000);
    bench.crew.isScarce = true;
    await bench.crew.settle(OPEN);
    expect(bench.crew.held.length).toBeGreaterThan(4 + 20);
    bench.duration = 10_000;
    await bench.pass(60);
    const running = bench.begun.slice(-4);
    await bench.pass(CYCLE);
    await bench.crew.settle(OPEN);
    expect(bench.crew.held.toSorted()).toEqual(running.toSorted());
  });

  test('stays while it is no more than twice what is needed', async () => {
    const bench = new CrewBench(4);
    bench.duration = 50;
    await bench.work(6000);
    expect(bench.released).toEqual([]);
  });

  test('is what was claimed last, when it is given back', async () => {
    const bench = new CrewBench(1, 100);
    bench.duration = 50;
    await bench.work(3000);
    bench.duration = 60_000;
    await bench.pass(50);
    await bench.crew.settle(OPEN);
    const before = bench.released.length;
    expect(bench.crew.held.length).toBeGreaterThan(5);
    await bench.pass(600);
    await bench.crew.settle(OPEN);
    const number = (name: string): number => Number(/\d+/.exec(name)![0]);
    const released = bench.released.slice(before).map(number);
    expect(released.length).toBeGreaterThan(0);
    expect(bench.crew.held.length).toBeGreaterThan(1);
    expect(Math.max(...bench.crew.held.map(number))).toBeLessThan(Math.min(...released));
  });
});

describe('claiming', () => {
  test('does nothing outside the guard', async () => {
    const { crew, session } = new CrewBench();
    await crew.claim(many(5), CLOSED);
    expect(session.asked).toEqual([]);
  });

  test('ends with the guard, and loses none of the names that it did not ask for', async () => {
    const { crew, session } = new CrewBench();
    const names = many(5);
    // One question before a name is drawn, one before it is claimed.
    await crew.claim(names, openFor(4));
    expect(session.asked).toEqual(['n0.state', 'n1.state']);
    expect(names()).toBe('n2.state');
  });

  test('takes no more than there is room for', async () => {
    const { crew, session } = new CrewBench(4);
    await crew.claim(many(9), OPEN);
    expect(session.asked).toHaveLength(4);
    await crew.claim(many(9), OPEN);
    expect(session.asked).toHaveLength(4);
  });

  test('takes no more than a burst, so that ticks begin in between', async () => {
    const { crew, session } = new CrewBench(5000, 5000);
    const names = many(3000);
    await crew.claim(names, OPEN);
    expect(session.asked).toHaveLength(1024);
    await crew.claim(names, OPEN);
    expect(session.asked).toHaveLength(2048);
  });

  test('asks for no name twice', async () => {
    const { crew, session } = new CrewBench();
    await crew.claim(list('a.state', 'a.state', 'b.state'), OPEN);
    expect(session.asked).toEqual(['a.state', 'b.state']);
  });

  test.each(['taken', 'finished', 'delayed'] as const)(
    'holds nothing of what is %s',
    async (outcome) => {
      const { crew, session } = new CrewBench(4);
      session.onClaim = () => outcome;
      await crew.claim(many(2), OPEN);
      expect([crew.isEmpty, crew.held, crew.room]).toEqual([true, [], 4]);
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
    const { crew, session } = new CrewBench(4);
    session.onClaim = onClaim;
    await crew.claim(list('a.state'), OPEN);
    expect([crew.isEmpty, crew.held, crew.room]).toEqual([false, [], 3]);
    expect(crew.knows('a.state')).toBe(true);
    session.onClaim = () => 'ours';
    await crew.claim(list('b.state', 'a.state'), OPEN);
    expect(session.asked).toEqual(['a.state', 'a.state', 'b.state']);
    expect([crew.held, crew.room]).toEqual([['a.state', 'b.state'], 2]);
  });

  test('asks for nothing of that outside the guard either', async () => {
    const { crew, session } = new CrewBench(4);
    session.onClaim = () => 'late';
    await crew.claim(list('a.state'), OPEN);
    await crew.claim(list(), CLOSED);
    expect(session.asked).toEqual(['a.state']);
  });
});

describe('what cannot be read', () => {
  const PATIENCE = 2000;
  const GONE = { kind: 'unreadable', code: 'ENOENT', reason: 'it is gone' } as const;
  const DENIED = { kind: 'unreadable', code: 'EACCES', reason: 'it cannot be read' } as const;

  async function lookAt(bench: CrewBench): Promise<string[]> {
    await bench.crew.examine(true);
    await bench.crew.settle(OPEN);
    return bench.session.settled.map(({ change }) => change.kind);
  }

  test.each([
    ['half a copy', text('{"state":'), 'fail'],
    ['nothing yet', text(''), 'fail'],
    ['not to be read', DENIED, 'fail'],
    ['not there', GONE, 'release'],
  ] as const)('%s: is not put aside before its patience', async (_what, intake, kind) => {
    const bench = new CrewBench();
    bench.session.onRead = () => intake;
    await bench.crew.claim(list('a.state'), OPEN);
    expect(await lookAt(bench)).toEqual([]);
    await bench.pass(PATIENCE - 1);
    expect(await lookAt(bench)).toEqual([]);
    await bench.pass(1);
    expect(await lookAt(bench)).toEqual([kind]);
    expect(bench.begun).toEqual([]);
  });

  test('has two cycles of patience where cycles are long', async () => {
    const long = { assignment: 3000, commitment: 3000, update: 3000, buffer: 1000 };
    const bench = new CrewBench(4, 4, long);
    bench.session.onRead = () => text('{');
    await bench.crew.claim(list('a.state'), OPEN);
    const looks: string[][] = [];
    for (const ms of [0, 23_999, 1]) {
      await bench.pass(ms);
      looks.push(await lookAt(bench));
    }
    expect(looks).toEqual([[], [], ['fail']]);
  });

  test('has its patience anew whenever it has changed, and runs when it is whole', async () => {
    const bench = new CrewBench();
    let content = '{';
    bench.session.onRead = () => text(content);
    await bench.crew.claim(list('a.state'), OPEN);
    for (content of ['{', '{"sta', '{"state":', '{"state":"job"']) {
      expect(await lookAt(bench)).toEqual([]);
      await bench.pass(PATIENCE - 1);
    }
    content = '{"state":"job"}';
    await bench.fetch(list());
    expect(bench.begun).toEqual(['a.state']);
  });

  test('is read again only when it is time for that', async () => {
    const { crew, session } = new CrewBench();
    let looks = 0;
    session.onRead = () => ((looks += 1), text('{'));
    await crew.claim(list('a.state'), OPEN);
    for (const again of [false, false, true, false]) await crew.examine(again);
    expect(looks).toBe(2);
  });

  test('for an error of the volume is looked at again, however long that lasts', async () => {
    const bench = new CrewBench();
    bench.session.onRead = () => {
      throw new Error('EIO');
    };
    await bench.crew.claim(list('a.state', 'b.state'), OPEN);
    for (let look = 0; look < 5; look += 1) {
      await bench.crew.examine(true);
      await bench.pass(10 * PATIENCE);
    }
    bench.session.onRead = () => text('{"state":"job"}');
    await bench.fetch(list());
    expect(bench.begun).toEqual(['a.state', 'b.state']);
  });
});

describe('settling', () => {
  test('is done in bursts', async () => {
    const bench = new CrewBench(3000, 3000);
    const names = many(2500);
    for (let burst = 0; burst < 3; burst += 1) await bench.fetch(names);
    for (let burst = 0; burst < 4; burst += 1) await bench.crew.settle(OPEN);
    expect(bench.session.bursts).toEqual([1024, 1024, 452]);
    expect(bench.crew.isEmpty).toBe(true);
    expect(bench.crew.counts.done).toBe(2500);
  });

  test('asks the volume for nothing where nothing is finished', async () => {
    const bench = new CrewBench();
    await bench.crew.settle(OPEN);
    expect(bench.session.bursts).toEqual([]);
  });

  test('keeps what met an error, and tries again; the others go', async () => {
    const bench = new CrewBench();
    await bench.fetch(many(3));
    bench.session.onSettle = ({ name }) => (name === 'n1.state' ? new Error('EIO') : undefined);
    await bench.crew.settle(OPEN);
    expect(bench.crew.held).toEqual(['n1.state']);
    // Nothing to hurry for: it waits for the next cycle.
    expect([bench.crew.hasFinished, bench.crew.isRunning]).toEqual([false, false]);
    bench.session.onSettle = () => undefined;
    await bench.crew.settle(OPEN);
    expect([bench.crew.isEmpty, bench.crew.counts.done]).toEqual([true, 3]);
  });

  test('does not count what somebody else had committed', async () => {
    const bench = new CrewBench();
    await bench.fetch(many(1));
    bench.session.onSettle = (step) => void (step.lost = true);
    await bench.crew.settle(OPEN);
    expect(bench.crew.counts).toEqual({ done: 0, failed: 0 });
    expect(bench.session.journaled).toMatchObject([{ state: 'n0.state', result: 'lost' }]);
  });

  test('tells the journal each tick once, also if it is full at first', async () => {
    const bench = new CrewBench();
    bench.session.onJournal = () => {
      throw new Error('ENOSPC');
    };
    await bench.fetch(many(2));
    await bench.crew.settle(OPEN);
    expect(bench.crew.isEmpty).toBe(true);
    bench.session.onJournal = () => undefined;
    for (const name of ['x.state', 'y.state']) {
      await bench.fetch(list(name));
      await bench.crew.settle(OPEN);
    }
    expect(bench.session.journaled.map(({ state }) => state)).toEqual([
      'n0.state',
      'n1.state',
      'x.state',
      'y.state',
    ]);
  });

  test('says of many states how many they are, of few their names', async () => {
    const bench = new CrewBench(17);
    await bench.fetch(many(16));
    await bench.crew.settle(OPEN);
    expect(bench.logged).toHaveLength(16);
    expect(bench.logged[0]).toBe('n0.state is done');
    bench.logged.length = 0;
    await bench.fetch(many(17));
    await bench.crew.settle(OPEN);
    expect(bench.logged).toEqual(['17 states are done']);
  });
});

describe('following', () => {
  const FOLLOW = { ...OPEN, follow: true };
  const chain = async (state: string): Promise<CrewBench> => {
    const bench = new CrewBench();
    bench.answer = ({ name }) => (name === 'a.state' ? next(state) : next('end'));
    await bench.fetch(list('a.state'));
    return bench;
  };

  test('the successor runs next, without being read', async () => {
    const bench = await chain('job');
    bench.session.onRead = () => {
      throw new Error('not to be read');
    };
    expect(bench.crew.knows('a.state-1')).toBe(true);
    await bench.crew.settle(FOLLOW);
    expect(bench.begun).toEqual(['a.state', 'a.state-1']);
    expect(bench.crew.held).toEqual(['a.state-1']);
  });

  test('one that cannot be run at once is held, and read like any other', async () => {
    const bench = new CrewBench();
    bench.answer = () => later('1h', 'job');
    await bench.fetch(list('a.state'));
    await bench.crew.settle(FOLLOW);
    expect([bench.begun, bench.crew.held]).toEqual([['a.state'], ['a.state-1']]);
    bench.session.onRead = () => text('{"machine":"job","state":"elsewhere"}');
    await bench.crew.examine(false);
    await bench.crew.settle(OPEN);
    expect(bench.session.settled.at(-1)!.change.kind).toBe('fail');
  });

  test('a next state that the machine does not have is a failed attempt', async () => {
    const bench = await chain('elsewhere');
    await bench.crew.settle(FOLLOW);
    const { change } = bench.session.settled.at(-1)!;
    expect(change).toMatchObject({ kind: expect.stringMatching(/^(retry|fail)$/) });
  });

  test('without it, the successor is anybody’s', async () => {
    const bench = await chain('job');
    await bench.crew.settle(OPEN);
    expect([bench.crew.isEmpty, bench.crew.knows('a.state-1')]).toEqual([true, false]);
  });
});

describe('stopping', () => {
  test('gives back all that has not begun, and settles what runs', async () => {
    const bench = new CrewBench(3);
    const { crew, session } = bench;
    bench.duration = 1000;
    session.onRead = (name) => text(name === 'half.state' ? '{' : '{"state":"job"}');
    session.onClaim = (name) => {
      if (name === 'unsure.state') throw new Error('EIO');
      return 'ours';
    };
    await bench.fetch(list('runs.state', 'half.state', 'unsure.state'));
    crew.stopStarting();
    await crew.settle(OPEN);
    expect(bench.released.sort()).toEqual(['half.state', 'unsure.state']);
    expect(crew.held).toEqual(['runs.state']);
    await bench.pass(1000);
    await crew.settle(OPEN);
    expect([crew.isEmpty, session.claims.size, crew.counts.done]).toEqual([true, 0, 1]);
  });

  test('begins nothing more, not even what is ready', async () => {
    const bench = new CrewBench(2);
    await bench.crew.claim(many(2), OPEN);
    await bench.crew.examine(true);
    bench.crew.stopStarting();
    bench.crew.startTicks();
    expect(bench.begun).toEqual([]);
    await bench.crew.settle(OPEN);
    expect([bench.released.length, bench.crew.isEmpty]).toEqual([2, true]);
  });

  test('ticks that are told to end count for nothing, and are given back', async () => {
    const bench = new CrewBench(2);
    bench.duration = 60_000;
    await bench.fetch(many(2));
    bench.crew.stopStarting();
    bench.crew.abortTicks();
    await bench.pass(0);
    await bench.crew.settle(OPEN);
    expect(bench.released).toEqual(['n0.state', 'n1.state']);
    expect([bench.crew.isEmpty, bench.crew.counts.done]).toEqual([true, 0]);
  });

  test('of an abandoned crew nothing is left', async () => {
    const bench = new CrewBench(2);
    bench.duration = 60_000;
    await bench.fetch(list('a.state'));
    bench.session.onClaim = () => 'late';
    await bench.fetch(list('b.state'));
    bench.crew.abandon();
    await bench.pass(0);
    expect(bench.running).toBe(0);
    expect(['a.state', 'b.state'].some((name) => bench.crew.knows(name))).toBe(false);
    expect([bench.crew.isEmpty, bench.crew.room]).toEqual([true, 2]);
  });

  test('what an abandoned tick comes to is nobody’s', async () => {
    const bench = new CrewBench(1);
    bench.duration = 100;
    await bench.fetch(list('a.state'));
    bench.crew.abandon();
    await bench.fetch(list('a.state'));
    await bench.pass(50);
    await bench.crew.settle(OPEN);
    expect(bench.session.settled).toEqual([]);
    expect([bench.crew.held, bench.crew.hasFinished]).toEqual([['a.state'], false]);
    await bench.pass(50);
    await bench.crew.settle(OPEN);
    expect(bench.crew.counts.done).toBe(1);
  });
});

describe('what it knows of its claims', () => {
  test('what is held, from claim to settlement, and nothing else', async () => {
    const bench = new CrewBench(1);
    bench.duration = 100;
    const known: boolean[] = [];
    const note = (): void => void known.push(bench.crew.knows('a.state'));
    note();
    await bench.crew.claim(list('a.state'), OPEN);
    note();
    await bench.fetch(list());
    note();
    await bench.pass(100);
    note();
    await bench.crew.settle(OPEN);
    note();
    expect(known).toEqual([false, true, true, true, false]);
    expect(bench.crew.knows('b.state')).toBe(false);
  });
});

describe('the proof of life', () => {
  test('goes on for a lease after the first tick that is overdue', async () => {
    const bench = new CrewBench(2);
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
    const bench = new CrewBench(300);
    bench.duration = CYCLE;
    await bench.crew.report();
    expect(bench.session.heldReports).toEqual([]);
    await bench.fetch(list('a.state'));
    await bench.crew.report();
    await bench.crew.report();
    expect(bench.session.heldReports).toEqual(['a.state running']);
    await bench.fetch(many(290));
    await bench.crew.report();
    expect(bench.session.heldReports[1]!.split(', ')).toHaveLength(256);
  });

  test('work does not wait for it', async () => {
    const bench = new CrewBench();
    await bench.fetch(list('a.state'));
    bench.session.reportHeld = async () => Promise.reject(new Error('ENOSPC'));
    await bench.crew.report();
    expect(bench.logged).toEqual([]);
  });
});
