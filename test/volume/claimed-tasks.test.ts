/** What a session holds, against a model that searches all of it each time. */
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CommitRecord } from '../../src/machine/record.ts';
import {
  newClaimedTask,
  newSettlement,
  type ClaimedTask,
  type ReadState,
} from '../../src/volume/claimed-task.ts';
import { ClaimedTasks } from '../../src/volume/claimed-tasks.ts';
import { collectGarbage } from '../garbage.ts';

const STAGES = ['claimed', 'ready', 'running', 'finished'] as const;

const readOf = (name: string, priority: number | undefined): ReadState =>
  ({
    file: { state: name, payload: {}, ...(priority !== undefined && { priority }) },
  }) as ReadState;

function recordOf(name: string, next: string | undefined): CommitRecord {
  const common = { flockwork: 1, state: name, session: 's', worker: 'w' } as const;
  const times = { started: 't', finished: 't' };
  return {
    ...common,
    ...times,
    ...(next !== undefined && { next: { name: next, content: '{}' } }),
  };
}

const commitTo = (name: string, next: string | undefined): ClaimedTask['step'] =>
  newSettlement(name, { kind: 'commit', record: recordOf(name, next) });

function hold(tasks: ClaimedTasks, name: string): ClaimedTask {
  const task = newClaimedTask(name, 't');
  tasks.add(task);
  return task;
}

function ready(tasks: ClaimedTasks, name: string, priority?: number): ClaimedTask {
  const task = hold(tasks, name);
  task.read = readOf(name, priority);
  tasks.move(task, 'ready');
  return task;
}

type Action =
  | { readonly kind: 'add' | 'delete' | 'run' | 'release'; readonly which: number }
  | { readonly kind: 'ready'; readonly which: number; readonly priority: number | undefined }
  | { readonly kind: 'finish'; readonly which: number; readonly follows: boolean }
  | { readonly kind: 'clear' };

const which = fc.nat({ max: 11 });
const priority = fc.option(fc.constantFrom(-3, 0, 1, 1000), { nil: undefined });
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), which }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('ready' as const), which, priority }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom('run', 'delete', 'release'), which }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('finish' as const), which, follows: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  ),
  { maxLength: 80 },
);

/** What is held, with the turn in which each became ready. */
class Model {
  readonly held = new Map<string, { task: ClaimedTask; turn: number }>();
  #turn = 0;

  readied(task: ClaimedTask): void {
    this.held.get(task.name)!.turn = this.#turn += 1;
  }

  in(stage: ClaimedTask['stage']): ClaimedTask[] {
    return [...this.held.values()].map(({ task }) => task).filter((one) => one.stage === stage);
  }

  get next(): ClaimedTask | undefined {
    const key = ({ name, read }: ClaimedTask): [number, number] => [
      -(read!.file.priority ?? 0),
      this.held.get(name)!.turn,
    ];
    return this.in('ready').sort((a, b) => key(a)[0] - key(b)[0] || key(a)[1] - key(b)[1])[0];
  }

  isFollowing(name: string): boolean {
    return this.in('finished').some(
      ({ step }) => step!.change.kind === 'commit' && step!.change.record?.next?.name === name,
    );
  }
}

/** As a queue does it: claimed, ready, running, finished; released or settled from anywhere. */
function act(action: Action, tasks: ClaimedTasks, model: Model): void {
  if (action.kind === 'clear') {
    tasks.clear();
    return model.held.clear();
  }
  const name = `s${action.which}.state`;
  const task = model.held.get(name)?.task;
  if (action.kind === 'add') {
    if (task !== undefined) return;
    model.held.set(name, { task: hold(tasks, name), turn: 0 });
    return;
  }
  if (task === undefined) return;
  if (action.kind === 'ready' && task.stage === 'claimed') {
    task.read = readOf(name, action.priority);
    tasks.move(task, 'ready');
    model.readied(task);
  } else if (action.kind === 'run' && task.stage === 'ready') {
    tasks.move(task, 'running');
  } else if (action.kind === 'finish' && task.stage !== 'finished') {
    task.step = commitTo(name, action.follows ? `${name}-1` : undefined);
    tasks.move(task, 'finished');
  } else if (action.kind === 'release' && task.stage !== 'finished') {
    task.step = newSettlement(name, { kind: 'release' });
    tasks.move(task, 'finished');
  } else if (action.kind === 'delete') {
    tasks.delete(task);
    model.held.delete(name);
  }
}

test('answers as a search through all of it would', () => {
  fc.assert(
    fc.property(actions, (all) => {
      const tasks = new ClaimedTasks();
      const model = new Model();
      for (const action of all) {
        act(action, tasks, model);
        expect(tasks.size).toBe(model.held.size);
        expect(Array.from(tasks.all, ({ name }) => name)).toEqual([...model.held.keys()]);
        for (const stage of STAGES) {
          expect(new Set(tasks.in(stage))).toEqual(new Set(model.in(stage)));
        }
        expect(tasks.next).toBe(model.next);
        for (let index = 0; index < 12; index += 1) {
          const name = `s${index}.state`;
          expect(tasks.has(name)).toBe(model.held.has(name));
          expect(tasks.isFollowing(`${name}-1`)).toBe(model.isFollowing(`${name}-1`));
        }
      }
    }),
    { numRuns: 200 },
  );
});

describe('next', () => {
  test('is of the highest priority, and of those the one that has waited longest', () => {
    const tasks = new ClaimedTasks();
    for (const [name, rank] of [
      ['a', 0],
      ['b', 5],
      ['c', undefined],
      ['d', 5],
      ['e', -1],
    ] as const) {
      ready(tasks, name, rank);
    }
    const order: string[] = [];
    for (let next = tasks.next; next !== undefined; next = tasks.next) {
      order.push(next.name);
      tasks.move(next, 'running');
    }
    expect(order).toEqual(['b', 'd', 'a', 'c', 'e']);
  });

  test('is the same one until it is moved', () => {
    const tasks = new ClaimedTasks();
    const one = ready(tasks, 'a');
    expect([tasks.next, tasks.next]).toEqual([one, one]);
  });

  test('costs no search through those that ran before it', () => {
    const tasks = new ClaimedTasks();
    const many = 20_000;
    for (let index = 0; index < many; index += 1) ready(tasks, `s${index}`, index % 3);
    const start = performance.now();
    for (let next = tasks.next; next !== undefined; next = tasks.next) {
      tasks.move(next, 'running');
      tasks.delete(next);
    }
    // About 0.02 s; a search through all of them for each would take a quarter of a minute.
    expect(performance.now() - start).toBeLessThan(3000);
    expect(tasks.size).toBe(0);
  });
});

describe('memory of a task that has run is freed', () => {
  const MANY = 5000;

  /** Nothing else refers to it any more: only `tasks` could keep it. */
  async function isKept(tasks: ClaimedTasks, name: string, after: () => void): Promise<boolean> {
    const gone = new WeakRef(run(tasks, ready(tasks, name, 7)));
    after();
    // A WeakRef keeps its target until the end of this turn of the loop.
    await setImmediate();
    collectGarbage();
    return gone.deref() !== undefined;
  }

  function run(tasks: ClaimedTasks, task: ClaimedTask): ClaimedTask {
    tasks.move(task, 'running');
    tasks.delete(task);
    return task;
  }

  test('while another task is always ready', async () => {
    const tasks = new ClaimedTasks();
    const kept = await isKept(tasks, 'first', () => {
      for (let index = 0; index < MANY; index += 1) {
        ready(tasks, `s${index}`, 7);
        if (index > 10) run(tasks, tasks.next!);
      }
    });
    expect(tasks.next).toBeDefined();
    expect(kept).toBe(false);
  });

  test('when nothing of its priority is ready any more', async () => {
    const tasks = new ClaimedTasks();
    expect(await isKept(tasks, 'first', () => void tasks.next)).toBe(false);
  });
});

describe('a name', () => {
  test('that is held again is another task', () => {
    const tasks = new ClaimedTasks();
    const before = hold(tasks, 'x');
    expect(tasks.isHeld(before)).toBe(true);
    tasks.delete(before);
    const after = hold(tasks, 'x');
    expect({ before: tasks.isHeld(before), after: tasks.isHeld(after) }).toEqual({
      before: false,
      after: true,
    });
  });

  test('of a successor is followed until the step before it is settled', () => {
    const tasks = new ClaimedTasks();
    const one = ready(tasks, 'x.state');
    one.step = commitTo('x.state', 'x.state-1');
    expect(tasks.isFollowing('x.state-1')).toBe(false);
    tasks.move(one, 'finished');
    expect(tasks.isFollowing('x.state-1')).toBe(true);
    tasks.delete(one);
    expect(tasks.isFollowing('x.state-1')).toBe(false);
  });
});

describe('a change that is not allowed', () => {
  const RULES = {
    twice: 'I6: expected one hold of a state; state a.state',
    stage: 'I6: expected a stage that may follow the present one; state a.state',
    undecided: 'I1: expected finished = decided; state a.state',
    lost: 'I6: expected to hold a state that changes its stage; state a.state',
    gone: 'I6: expected to hold a state that is given up; state a.state',
  };

  test('is a second hold of a state', () => {
    const tasks = new ClaimedTasks();
    hold(tasks, 'a.state');
    expect(() => hold(tasks, 'a.state')).toThrow(RULES.twice);
  });

  test('is a stage that does not follow', () => {
    const tasks = new ClaimedTasks();
    const task = hold(tasks, 'a.state');
    expect(() => tasks.move(task, 'running')).toThrow(RULES.stage);
    task.step = commitTo('a.state', undefined);
    tasks.move(task, 'finished');
    for (const stage of ['claimed', 'ready', 'running', 'finished'] as const) {
      expect(() => tasks.move(task, stage)).toThrow(RULES.stage);
    }
  });

  test('is an end without an outcome', () => {
    const tasks = new ClaimedTasks();
    const task = hold(tasks, 'a.state');
    expect(() => tasks.move(task, 'finished')).toThrow(RULES.undecided);
  });

  test('is any of a state that is not held', () => {
    const tasks = new ClaimedTasks();
    const task = hold(tasks, 'a.state');
    tasks.delete(task);
    expect(() => tasks.move(task, 'ready')).toThrow(RULES.lost);
    expect(() => tasks.delete(task)).toThrow(RULES.gone);
  });
});
