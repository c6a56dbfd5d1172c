/**
 * Random calls of three sessions, compared with a model: which states are done or failed, which attempts were counted. The
 * model does not predict which session takes which state, only what holds afterwards.
 */
import type { InstanceStatus } from '../engine/engine.ts';
import type { Session, Settlement, Task } from '../engine/session.ts';
import { commitOf, Exercise, failureOf, type MakeEngine, type TestFramework } from './bench.ts';
import { COUNT } from './machines.ts';

const SEEDS = 6;
const CALLS_PER_SEED = 40;
const WORKERS = ['ant', 'bee', 'cow'];

/** Uniform in [0, 1): mulberry32, repeatable from its seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A session may take a state at any time. */
const openOr = (status: InstanceStatus): string =>
  status === 'available' || status === 'in progress' ? 'open' : status;

interface Model {
  /** Number of commits by instance. */
  readonly commits: Map<string, number>;
  readonly failed: Set<string>;
  /** Attempts by state file that have failed since it was last committed or retried. */
  readonly attempts: Map<string, number>;
}

export function exerciseModel({ test, expect }: TestFramework, make: MakeEngine): void {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    test(`random calls of three sessions agree with a model: seed ${seed}`, async () => {
      const exercise = new Exercise(await make());
      const random = randomOf(seed);
      const pick = <Item>(items: readonly Item[]): Item =>
        items[Math.floor(random() * items.length)]!;
      const model: Model = { commits: new Map(), failed: new Set(), attempts: new Map() };
      const sessions: Session[] = [];
      for (const name of WORKERS) sessions.push(await exercise.join(name, { stays: true }));
      const held = new Map<Task, Session>();
      const settle = async (task: Task): Promise<void> => {
        const session = held.get(task)!;
        held.delete(task);
        const settlement = decisionFor(task, session.now(), random());
        const [settled] = await exercise.settle(session, settlement);
        note(model, task, settlement);
        expect(settled).toBe(settlement.outcome.kind === 'fail' ? 'failed' : 'settled');
        // Repeated, as if its reply had been lost.
        if (random() < 0.3) expect(await exercise.settle(session, settlement)).toEqual([settled]);
      };
      for (let call = 0; call < CALLS_PER_SEED; call += 1) {
        const dice = random();
        if (dice < 0.3) {
          const instance = `i${Math.floor(random() * 10)}`;
          const isNew = !model.commits.has(instance);
          expect(await exercise.submit(instance, COUNT)).toBe(
            isNew ? 'submitted' : 'there already',
          );
          if (isNew) model.commits.set(instance, 0);
        } else if (dice < 0.6) {
          const session = pick(sessions);
          const taken = await exercise.takeWithin(session, 1 + Math.floor(random() * 3), 400);
          if (taken === 'drained') throw new Error('expected tasks or none, got drained');
          for (const task of taken) {
            expect([...held.keys()].some(({ name }) => name === task.name)).toBe(false);
            expect(task.attempts.length).toBe(model.attempts.get(task.name) ?? 0);
            held.set(task, session);
          }
        } else if (dice < 0.9 && held.size > 0) await settle(pick([...held.keys()]));
        else {
          const state = pick([...model.failed, 'nothing.state']);
          const all = [state, 'nothing.state-1'];
          const results = [model.failed.delete(state), false];
          expect(await exercise.engine.retry(all)).toEqual(results);
        }
      }
      for (const task of held.keys()) await settle(task);
      expect((await exercise.failed()).toSorted()).toEqual([...model.failed].toSorted());
      const listed = await exercise.list({}, 1 + Math.floor(random() * 4));
      expect(listed.map(({ instance }) => instance)).toEqual([...model.commits.keys()].toSorted());
      for (const { instance, name, status } of listed) {
        const last = await exercise.engine.get(instance);
        expect({ name, status: openOr(status) }).toEqual({
          name: last!.name,
          status: openOr(last!.flag),
        });
        expect(status === 'failed').toBe(model.failed.has(name));
      }
      const { statuses } = await exercise.engine.counts();
      expect({ ...statuses, open: statuses.available + statuses['in progress'] }).toMatchObject({
        done: 0,
        waiting: 0,
        archived: 0,
        failed: model.failed.size,
        open: model.commits.size - model.failed.size,
      });
      for (const [instance, commits] of model.commits) {
        const done = (await exercise.engine.history(instance)).filter(
          ({ flag }) => flag === 'done',
        );
        expect(done.length).toBe(commits);
      }
    });
  }
}

function decisionFor(task: Task, now: string, dice: number): Settlement {
  if (dice < 0.15) return failureOf(task, now);
  if (dice < 0.3) return { hold: task, outcome: { kind: 'release' } };
  if (dice > 0.5) return commitOf(task, now, { next: COUNT });
  const attempt = task.attempts.length + 1;
  const times = { started: now, ended: now, notBefore: now };
  const failed = {
    attempt,
    session: task.session,
    worker: 'w',
    ...times,
    result: 'failed',
  } as const;
  return { hold: task, outcome: { kind: 'retry', attempt: failed } };
}

function note({ commits, failed, attempts }: Model, task: Task, { outcome }: Settlement): void {
  const instance = task.name.replace(/\.state.*$/, '');
  if (outcome.kind === 'commit') commits.set(instance, commits.get(instance)! + 1);
  if (outcome.kind === 'fail') failed.add(task.name);
  if (outcome.kind === 'fail') attempts.delete(task.name);
  if (outcome.kind === 'retry') attempts.set(task.name, task.attempts.length + 1);
}
