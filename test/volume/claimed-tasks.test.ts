/** What a worker holds, against a model that looks through everything each time. */
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CommitRecord } from '../../src/machine/record.ts';
import { newClaimedTask, newStep, type ClaimedTask, type Work } from '../../src/worker/plan.ts';
import { ClaimedTasks } from '../../src/volume/claimed-tasks.ts';
import { collectGarbage } from '../garbage.ts';

const STAGES = ['claimed', 'ready', 'running', 'finished'] as const;

const workOf = (name: string, priority: number | undefined): Work =>
  ({ file: { state: name, payload: {}, ...(priority !== undefined && { priority }) } }) as Work;

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
  newStep(name, { kind: 'commit', record: recordOf(name, next) });

function hold(holdings: ClaimedTasks, name: string): ClaimedTask {
  const holding = newClaimedTask(name, 't');
  holdings.add(holding);
  return holding;
}

function ready(holdings: ClaimedTasks, name: string, priority?: number): ClaimedTask {
  const holding = hold(holdings, name);
  holding.work = workOf(name, priority);
  holdings.move(holding, 'ready');
  return holding;
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
  readonly held = new Map<string, { holding: ClaimedTask; turn: number }>();
  #turn = 0;

  readied(holding: ClaimedTask): void {
    this.held.get(holding.name)!.turn = this.#turn += 1;
  }

  in(stage: ClaimedTask['stage']): ClaimedTask[] {
    return [...this.held.values()]
      .map(({ holding }) => holding)
      .filter((one) => one.stage === stage);
  }

  get next(): ClaimedTask | undefined {
    const key = ({ name, work }: ClaimedTask): [number, number] => [
      -(work!.file.priority ?? 0),
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

/** As a crew does it: claimed, ready, running, finished; released or settled from anywhere. */
function act(action: Action, holdings: ClaimedTasks, model: Model): void {
  if (action.kind === 'clear') {
    holdings.clear();
    return model.held.clear();
  }
  const name = `s${action.which}.state`;
  const holding = model.held.get(name)?.holding;
  if (action.kind === 'add') {
    if (holding !== undefined) return;
    model.held.set(name, { holding: hold(holdings, name), turn: 0 });
    return;
  }
  if (holding === undefined) return;
  if (action.kind === 'ready' && holding.stage === 'claimed') {
    holding.work = workOf(name, action.priority);
    holdings.move(holding, 'ready');
    model.readied(holding);
  } else if (action.kind === 'run' && holding.stage === 'ready') {
    holdings.move(holding, 'running');
  } else if (action.kind === 'finish' && holding.stage !== 'finished') {
    holding.step = commitTo(name, action.follows ? `${name}-1` : undefined);
    holdings.move(holding, 'finished');
  } else if (action.kind === 'release' && holding.stage !== 'finished') {
    holding.step = newStep(name, { kind: 'release' });
    holdings.move(holding, 'finished');
  } else if (action.kind === 'delete') {
    holdings.delete(holding);
    model.held.delete(name);
  }
}

test('answers as a look through all of it would', () => {
  fc.assert(
    fc.property(actions, (all) => {
      const holdings = new ClaimedTasks();
      const model = new Model();
      for (const action of all) {
        act(action, holdings, model);
        expect(holdings.size).toBe(model.held.size);
        expect(Array.from(holdings.all, ({ name }) => name)).toEqual([...model.held.keys()]);
        for (const stage of STAGES) {
          expect(new Set(holdings.in(stage))).toEqual(new Set(model.in(stage)));
        }
        expect(holdings.next).toBe(model.next);
        for (let index = 0; index < 12; index += 1) {
          const name = `s${index}.state`;
          expect(holdings.has(name)).toBe(model.held.has(name));
          expect(holdings.isFollowing(`${name}-1`)).toBe(model.isFollowing(`${name}-1`));
        }
      }
    }),
    { numRuns: 200 },
  );
});

describe('the next to run', () => {
  test('is of the highest priority, and of those who has waited longest', () => {
    const holdings = new ClaimedTasks();
    for (const [name, rank] of [
      ['a', 0],
      ['b', 5],
      ['c', undefined],
      ['d', 5],
      ['e', -1],
    ] as const) {
      ready(holdings, name, rank);
    }
    const order: string[] = [];
    for (let next = holdings.next; next !== undefined; next = holdings.next) {
      order.push(next.name);
      holdings.move(next, 'running');
    }
    expect(order).toEqual(['b', 'd', 'a', 'c', 'e']);
  });

  test('stays the same one until it is moved', () => {
    const holdings = new ClaimedTasks();
    const one = ready(holdings, 'a');
    expect([holdings.next, holdings.next]).toEqual([one, one]);
  });

  test('costs no look at those that ran before it', () => {
    const holdings = new ClaimedTasks();
    const many = 20_000;
    for (let index = 0; index < many; index += 1) ready(holdings, `s${index}`, index % 3);
    const start = performance.now();
    for (let next = holdings.next; next !== undefined; next = holdings.next) {
      holdings.move(next, 'running');
      holdings.delete(next);
    }
    // About 0.02 s; a look through all of them for each would take a quarter of a minute.
    expect(performance.now() - start).toBeLessThan(3000);
    expect(holdings.size).toBe(0);
  });
});

describe('what has run is let go', () => {
  const MANY = 5000;

  /** Of everything else nobody has hold any more: only `holdings` could keep it. */
  async function isKept(holdings: ClaimedTasks, name: string, after: () => void): Promise<boolean> {
    const gone = new WeakRef(run(holdings, ready(holdings, name, 7)));
    after();
    // What was looked at in this turn of the loop is kept to its end.
    await setImmediate();
    collectGarbage();
    return gone.deref() !== undefined;
  }

  function run(holdings: ClaimedTasks, holding: ClaimedTask): ClaimedTask {
    holdings.move(holding, 'running');
    holdings.delete(holding);
    return holding;
  }

  test('though something is always ready', async () => {
    const holdings = new ClaimedTasks();
    const kept = await isKept(holdings, 'first', () => {
      for (let index = 0; index < MANY; index += 1) {
        ready(holdings, `s${index}`, 7);
        if (index > 10) run(holdings, holdings.next!);
      }
    });
    expect(holdings.next).toBeDefined();
    expect(kept).toBe(false);
  });

  test('where nothing of its priority is ready any more', async () => {
    const holdings = new ClaimedTasks();
    expect(await isKept(holdings, 'first', () => void holdings.next)).toBe(false);
  });
});

describe('a name', () => {
  test('held anew is not the holding that it was', () => {
    const holdings = new ClaimedTasks();
    const before = hold(holdings, 'x');
    expect(holdings.isHeld(before)).toBe(true);
    holdings.delete(before);
    const after = hold(holdings, 'x');
    expect([holdings.isHeld(before), holdings.isHeld(after)]).toEqual([false, true]);
  });

  test('of a successor is followed until the step before it is settled', () => {
    const holdings = new ClaimedTasks();
    const one = ready(holdings, 'x.state');
    one.step = commitTo('x.state', 'x.state-1');
    expect(holdings.isFollowing('x.state-1')).toBe(false);
    holdings.move(one, 'finished');
    expect(holdings.isFollowing('x.state-1')).toBe(true);
    holdings.delete(one);
    expect(holdings.isFollowing('x.state-1')).toBe(false);
  });
});
